"""convoy model pull, catalogue: lists open networks and brings them in by name."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convoy.cli.failures import ExitCode
from convoy.cli.output import AsJson, print_json, print_table
from convoy.core.errors import ConvoyError, FailedPrecondition

if TYPE_CHECKING:
    from convoy.catalogue.catalogue import Catalogue
    from convoy.catalogue.entry import Entry, ModelSet
    from convoy.catalogue.pull import Pulled

CataloguePlace = Annotated[
    str | None,
    typer.Option("--catalogue", metavar="FOLDER|URL", help="Use this catalogue instead of the bundled one."),
]
ModelsFolder = Annotated[
    Path | None,
    typer.Option(help="Model repository to write to; by default your own, where services look too."),
]


Converter = Annotated[
    str | None,
    typer.Option(
        metavar="PYTHON",
        help="For files that are not ONNX: the Python interpreter of the environment that has their converter; by "
        "default this one.",
    ),
]


UNCALIBRATED = (
    "nobody has measured a calibration of this embedder, so galleries take a threshold and not a rate of false matches."
)


def pull(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Models, or sets such as **starter**.")],
    models: ModelsFolder = None,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept terms that are not permissive without a question.")
    ] = False,
    brought: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FOLDER|FILE",
            help="Take the files from here instead of downloading; their digests identify them, not their names.",
        ),
    ] = None,
    catalogue: CataloguePlace = None,
    converter: Converter = None,
    as_json: AsJson = False,
) -> None:
    """Bring open networks in: download, check the digest, import, check an answer, and write the model's folder.

    The command resumes an interrupted download, and leaves a model that you already have as it is. If a model of a set
    fails, it still brings in the others, and exits with 2.

    Examples:

        convoy model pull starter

        convoy model pull yolox-nano yunet

        convoy model pull starter --from /media/stick
    """
    from convoy.catalogue.catalogue import open_catalogue
    from convoy.core.settings import own_models

    opened, folder = open_catalogue(catalogue), models or own_models()
    entries = list({entry.name: entry for name in names for entry in opened.find(name)}.values())
    done: list[Pulled] = []
    problems: dict[str, ConvoyError] = {}
    for entry in entries:
        try:
            done.append(_pull_one(entry, opened, folder, accept_licence, brought, converter))
        except ConvoyError as error:
            problems[entry.name] = error
    sets = [_write_set(opened.sets[name], folder, done) for name in names if name in opened.sets and done]
    _show(done, problems, as_json)
    for name in sets if not as_json else ():
        lacking = [service for service, model in opened.sets[name].models.items() if model in problems]
        told = f"; without a model of it for {', '.join(lacking)}, which keep their usual ones" if lacking else ""
        typer.echo(f"set {name}: start the services with CONVOY_MODEL_SET={name}{told}")
    if problems:
        raise typer.Exit(ExitCode.BAD_INPUT)


def show_catalogue(
    catalogue: CataloguePlace = None,
    models: ModelsFolder = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Download and import every model, and compare its golden answer; print the missing ones.",
        ),
    ] = False,
    brought: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER|FILE", help="With --check: take the files only from here."),
    ] = None,
    converter: Converter = None,
    as_json: AsJson = False,
) -> None:
    """List the models that you can pull: task, size, published accuracy, terms, and whether you have them.

    Example: **convoy model catalogue**
    """
    from convoy.catalogue.catalogue import open_catalogue
    from convoy.catalogue.pull import find_pulled
    from convoy.core.settings import own_models

    opened, folder = open_catalogue(catalogue), models or own_models()
    if check:
        return _check(opened, brought, converter, as_json)
    here = {name: find_pulled(entry, folder) for name, entry in opened.entries.items()}
    if as_json:
        entries = [
            entry.model_dump(mode="json") | {"folder": str(here[name]) if here[name] else None}
            for name, entry in sorted(opened.entries.items())
        ]
        sets = [one.model_dump(mode="json") for _, one in sorted(opened.sets.items())]
        return print_json({"models": entries, "sets": sets})
    rows = [
        (
            name,
            entry.task.value,
            f"{entry.file.bytes / 1e6:.1f} MB",
            " / ".join(dict.fromkeys((entry.licences.code, entry.licences.weights))),
            entry.licences.data.partition(":")[0],
            entry.accuracy + ("; no calibration" if entry.lacks_calibration else ""),
            "yes" if here[name] else "",
        )
        for name, entry in sorted(opened.entries.items(), key=lambda pair: (pair[1].task.value, pair[0]))
    ]
    print_table("", ("model", "task", "size", "licence", "trained on", "as published", "here"), rows)
    for name, one in sorted(opened.sets.items()):
        typer.echo(f"set {name}: {', '.join(dict.fromkeys(one.models.values()))}. {one.title}.")


def _pull_one(
    entry: "Entry",
    catalogue: "Catalogue",
    models: Path,
    accept_licence: bool,
    brought: Path | None,
    converter: str | None,
) -> "Pulled":
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from convoy.catalogue.pull import Pull, pull

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        shown = bar.add_task(entry.name, total=entry.file.bytes, start=True)

        def accept(asked: "Entry") -> bool:
            bar.stop()
            return accept_licence or _ask(asked)

        how = Pull(
            models=models,
            accept=accept,
            brought=brought,
            offline=brought is not None,
            converter=converter,
            progress=lambda here, whole: bar.update(shown, completed=here, total=whole),
        )
        try:
            return pull(entry, catalogue, how)
        except ModuleNotFoundError as error:
            if error.name != "onnx":
                raise
            raise FailedPrecondition("NO_ONNX", "onnx is missing: pip install 'convoy-vision[import]'") from None


def _write_set(one: "ModelSet", models: Path, done: "list[Pulled]") -> str:
    """Write the set's models that are here, so that services find them; the other services keep their usual ones."""
    from convoy.core.model_sets import write_set

    here = {pulled.entry.name for pulled in done}
    write_set(models, one.name, {service: model for service, model in one.models.items() if model in here})
    return one.name


def _ask(entry: "Entry") -> bool:
    """Ask on a terminal; elsewhere nobody can answer, so the answer is no."""
    if not sys.stdin.isatty():
        return False
    terms = entry.licences
    typer.echo(f"{entry.title}\n  code: {terms.code}\n  weights: {terms.weights}\n  data: {terms.data}", err=True)
    return typer.confirm("Do you accept these terms?", err=True)


def _show(done: "list[Pulled]", problems: dict[str, ConvoyError], as_json: bool) -> None:
    if as_json:
        pulled = [{"model": one.entry.name, "folder": str(one.folder), "new": one.is_new} for one in done]
        failed = [{"model": name, "reason": error.reason, "problem": error.message} for name, error in problems.items()]
        return print_json({"pulled": pulled, "failed": failed})
    for one in done:
        terms = one.entry.licences
        said = f"wrote {one.folder}" if one.is_new else f"{one.folder} is here already"
        typer.echo(f"{one.entry.name}: {said} (weights: {terms.weights}; data: {terms.data})")
        if one.entry.lacks_calibration:
            typer.echo(f"{one.entry.name}: {UNCALIBRATED} `convoy-train calibrate {one.folder}` measures one.")
    for name, error in problems.items():
        typer.echo(f"convoy: {name}: {error.message}", err=True)


def _check(catalogue: "Catalogue", brought: Path | None, converter: str | None, as_json: bool) -> None:
    """Pull every entry into a temporary folder; this does not accept its terms for you."""
    from tempfile import TemporaryDirectory

    from convoy.catalogue.golden import measure
    from convoy.catalogue.pull import Pull, pull

    verdicts: list[dict[str, Any]] = []
    for name, entry in sorted(catalogue.entries.items()):
        with TemporaryDirectory() as folder:
            how = Pull(
                models=Path(folder),
                accept=lambda _: True,
                brought=brought,
                offline=brought is not None,
                converter=converter,
            )
            try:
                measured = measure(pull(entry, catalogue, how).folder)
            except ConvoyError as error:
                verdicts.append({"model": name, "problem": error.message})
                continue
        missing = measured.model_dump(mode="json", exclude={"tolerance"}) if entry.golden is None else None
        verdicts.append({"model": name, "problem": "", "golden": missing})
    if as_json:
        print_json(verdicts)
    else:
        for one in verdicts:
            typer.echo(f"{one['model']}: {one['problem'] or 'good'}")
            if one.get("golden"):
                typer.echo(_as_toml(one["golden"]))
    if any(one["problem"] for one in verdicts):
        raise typer.Exit(ExitCode.NO)


def _as_toml(golden: dict[str, dict[str, float]]) -> str:
    lines = ["  [golden]"]
    for kind, numbers in golden.items():
        lines.append(f"  {kind} = {{ {', '.join(f'{name} = {value}' for name, value in numbers.items())} }}")
    return "\n".join(lines)
