"""convoy model list, verify: the models in a repository. The group's other commands are in the files model_*.py."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convoy.cli import model_admin
from convoy.cli.failures import ExitCode, politely
from convoy.cli.model_import import import_graph
from convoy.cli.model_pull import pull, show_catalogue
from convoy.cli.output import AsJson, print_json, print_table
from convoy.core.api import ServiceName
from convoy.core.errors import ConvoyError, NotFound

if TYPE_CHECKING:
    from convoy.core.manifest import Manifest, Metric

app = typer.Typer(no_args_is_help=True, help="List, check, pull, import, load and unload models.")
Folder = Annotated[Path, typer.Argument(help="A model repository, a model in it, or one version.")]
DEFAULT_FOLDER = Path("exported_models")
app.command("import")(politely(import_graph))
app.command("pull")(politely(pull))
app.command("catalogue")(politely(show_catalogue))
for command in (model_admin.load, model_admin.unload, model_admin.status):
    app.command()(politely(command))


@app.command("list")
@politely
def list_all(
    folder: Folder = DEFAULT_FOLDER,
    service: Annotated[ServiceName | None, typer.Option(help="Ask this running service instead of a folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the models in a folder, or those of a running service.

    Examples: **convoy model list exported_models** and **convoy model list --service faces**
    """
    if service is not None:
        model_admin.status(service, as_json)
    else:
        _list_folder(folder, as_json)


@app.command()
@politely
def verify(folder: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Check every model in a folder as a service does before it takes it. Exits with 1 if one is bad.

    It checks the manifest, the digests of all files, inputs and outputs, and an answer.

    Example: **convoy model verify exported_models**
    """
    verdicts = []
    for path in _folders(folder):
        problem, note = _examine(path)
        verdicts.append({"model": "/".join(path.parts[-2:]), "problem": problem, "note": note})
    if as_json:
        print_json(verdicts)
    else:
        print_table(
            "",
            ("model", "verdict"),
            [(one["model"], one["problem"] or "good" + (one["note"] and f", but {one['note']}")) for one in verdicts],
        )
    if any(one["problem"] for one in verdicts):
        raise typer.Exit(ExitCode.NO)


def _list_folder(folder: Path, as_json: bool) -> None:
    """List the models. The row of a broken model says what is wrong with it."""
    from convoy.core.manifest import load_manifest

    models: list[Manifest | _Broken] = []
    for path in _folders(folder):
        try:
            models.append(load_manifest(path))
        except ConvoyError as error:
            models.append(_Broken(path.parent.name, path.name, str(error)))
    if as_json:
        print_json([asdict(one) if isinstance(one, _Broken) else one.model_dump(mode="json") for one in models])
        return
    rows = [
        (f"{one.name}:{one.version}", "", "", one.problem)
        if isinstance(one, _Broken)
        else (f"{one.name}:{one.version}", one.task.value, one.precision, _first(one.metrics))
        for one in models
    ]
    print_table("", ("model", "task", "precision", "measured"), rows)


@dataclass(frozen=True)
class _Broken:
    """Describe a version folder whose manifest cannot be read."""

    name: str
    version: str
    problem: str


def _first(metrics: "list[Metric]") -> str:
    """Return the main metric of a model; --json and the model's card have the others."""
    return f"{metrics[0].name} {metrics[0].value:.4g}" if metrics else ""


def _folders(folder: Path) -> list[Path]:
    """List the version folders of a repository or of one model, or the one version that you name.

    The list includes folders without a manifest, so that `verify` reports them, and numbers that are no versions. A
    link keeps its own name, as it does for a service. Raises NotFound(NO_REPOSITORY).
    """
    folder = folder.absolute()
    depths = [[folder], [*folder.glob("*")], [*folder.glob("*/*")]]
    versions = [path for paths in depths for path in paths if path.is_dir() and path.name.isdecimal()]
    versions = [path for path in versions if not path.parent.name.startswith(".")]
    if not versions:
        raise NotFound("NO_REPOSITORY", f"there are no models in {folder}")
    return sorted(versions, key=lambda path: (path.parent.name, int(path.name)))


def _examine(path: Path) -> tuple[str, str]:
    """Return what is wrong with a model, and a note on a good model; each may be empty."""
    from convoy.core.manifest import GRAPH_FILE, outside_files
    from convoy.core.models.loaded_model import verify_model
    from convoy.core.models.version_folders import IS_VERSION

    if not IS_VERSION.fullmatch(path.name):
        return f"'{path.name}' is not a version, so no service looks at it; rename it to {int(path.name)}", ""
    try:
        manifest = verify_model(path)
    except ConvoyError as error:
        return str(error), ""
    names = [name for name in outside_files(path / GRAPH_FILE) if name not in manifest.files]
    return "", f"the manifest has no digest of {', '.join(names)}" if names else ""
