"""convoy gallery: sets of people."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from convoy.cli.completion import galleries
from convoy.cli.failures import ExitCode, politely
from convoy.cli.output import AsJson, confirm, print_json, print_table
from convoy.cli.policy_options import AmbiguityMargin, AverageFaces, Fpir, QualityFloor, RateUnit, SameOccasion
from convoy.core.api import split_model
from convoy.core.errors import ConvoyError, InvalidArgument

if TYPE_CHECKING:
    from convoy.client.answers.common import Model
    from convoy.client.answers.galleries import Gallery, GalleryLimits, GalleryStatus

app = typer.Typer(
    no_args_is_help=True, help="Make, show, change and delete galleries, the sets of people whom you register."
)
Name = Annotated[str, typer.Argument(help="Name of the gallery.", autocompletion=galleries)]
COLUMNS = ("gallery", "people ", "faces ", "version ", "model", "description")


@app.command()
@politely
def create(
    name: Annotated[str, typer.Argument(help="1 to 64 of a-z, 0-9, '-' and '_', not '-' first.")],
    description: Annotated[str, typer.Option(help="Free text.")] = "",
    fpir: Fpir = None,
    rate_unit: RateUnit = None,
    same_occasion: SameOccasion = None,
    average_faces: AverageFaces = None,
    quality_floor: QualityFloor = None,
    ambiguity_margin: AmbiguityMargin = None,
    max_faces: Annotated[int, typer.Option(min=0, help="The most faces that it may hold; 0 means no limit.")] = 0,
    max_people: Annotated[int, typer.Option(min=0, help="The most people that it may hold; 0 means no limit.")] = 0,
    model: Annotated[
        str,
        typer.Option(
            help="The embedder of its templates, as NAME:VERSION, of faces or things; by default that of faces."
        ),
    ] = "",
    vector_sets: Annotated[
        int, typer.Option(min=0, help="Search it in this many vector sets of Redis 8; 0 means in the service's memory.")
    ] = 0,
    quantization: Annotated[
        Literal["none", "q8"], typer.Option(help="How the vector sets store numbers; needs --vector-sets.")
    ] = "none",
    as_json: AsJson = False,
) -> None:
    """Make an empty gallery.

    Example: **convoy gallery create team --fpir 0.001**
    """
    from convoy.client import Convoy
    from convoy.client.answers.galleries import GalleryPolicy, VectorSets

    if quantization != "none" and not vector_sets:
        raise InvalidArgument("BAD_ARGUMENT", "--quantization needs --vector-sets")
    policy = GalleryPolicy(
        quality_floor, fpir, ambiguity_margin, max_faces, max_people, rate_unit, same_occasion, average_faces
    )
    sets = VectorSets(vector_sets, quantization) if vector_sets else None
    with Convoy() as convoy:
        made = convoy.create_gallery(
            name, description=description, policy=policy, model=read_model_name(model), vector_sets=sets
        )
    _show([made], as_json, single=True)


@app.command()
@politely
def update(
    name: Name,
    description: Annotated[str | None, typer.Option(help="Free text.")] = None,
    fpir: Fpir = None,
    rate_unit: RateUnit = None,
    same_occasion: SameOccasion = None,
    average_faces: AverageFaces = None,
    quality_floor: QualityFloor = None,
    ambiguity_margin: AmbiguityMargin = None,
    max_faces: Annotated[
        int | None, typer.Option(min=0, help="The most faces that it may hold; 0 means no limit.")
    ] = None,
    max_people: Annotated[
        int | None, typer.Option(min=0, help="The most people that it may hold; 0 means no limit.")
    ] = None,
    reset: Annotated[
        list[str] | None, typer.Option(help="A policy field to set back to the service's default; you may repeat it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change the description or the policy of a gallery. What you do not give stays as it is.

    Example: **convoy gallery update team --max-people 0 --reset ambiguity_margin**
    """
    from convoy.client import Convoy
    from convoy.client.answers.galleries import GalleryPolicy

    policy = GalleryPolicy(
        quality_floor, fpir, ambiguity_margin, max_faces, max_people, rate_unit, same_occasion, average_faces
    )
    with Convoy() as convoy:
        changed = convoy.update_gallery(name, description=description, policy=policy, reset_policy_fields=reset or ())
    _show([changed], as_json, single=True)


@app.command("list")
@politely
def list_all(as_json: AsJson = False) -> None:
    """List galleries by name. Those that the service cannot read are named apart, with the reason."""
    from convoy.client import Convoy

    with Convoy() as convoy:
        _show(list(convoy.list_galleries()), as_json)
        for one in convoy.list_unreadable_galleries():
            typer.echo(f"convoy: gallery '{one.name}' cannot be read: {one.problem}; see docs/runbook.md", err=True)


@app.command()
@politely
def show(
    name: Name,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Compare every template with the store; exits with 1 when they differ."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one gallery, its policy, whether the service is up to date with the store, and what its size means.

    The expected miss rate says how often a search does not name somebody whom the gallery knows.

    Example: **convoy gallery show team --verify**
    """
    from convoy.client import Convoy

    with Convoy() as convoy:
        gallery, status = convoy.get_gallery(name), convoy.get_gallery_status(name, verify=verify)
    if as_json:
        print_json({"gallery": gallery, "status": status})
    else:
        _show_facts(gallery, status)
    if verify and status.index_checksum != status.store_checksum:
        typer.echo("convoy: the service searches other faces than the store holds; after a change, ask again", err=True)
        raise typer.Exit(ExitCode.NO)


def _show_facts(gallery: "Gallery", status: "GalleryStatus") -> None:
    facts: list[tuple[str, object]] = [
        ("model", gallery.model),
        ("people", gallery.people_count),
        ("faces", gallery.face_count),
    ]
    chosen = {key: value for key, value in vars(gallery.policy).items() if value is not None}
    limits = ("max_faces", "max_people")
    facts += [
        (key.replace("_", " "), "no limit" if key in limits and value == 0 else value) for key, value in chosen.items()
    ]
    facts += [(key.replace("_", " "), value) for key, value in vars(status).items() if value != "" and key != "limits"]
    if status.limits:
        facts += _describe_limits(status.limits)
    print_table(gallery.name, ("what", "value"), facts)


def _describe_limits(limits: "GalleryLimits") -> list[tuple[str, object]]:
    if limits.expected_miss_rate is None:
        return [("expected miss rate", f"unknown: {limits.unknown_because}")]
    rate = f"at {limits.false_positive_identification_rate:.3g} of strangers named"
    size = (
        "no size that a gallery can have" if limits.outgrown_at_faces is None else f"{limits.outgrown_at_faces:,} faces"
    )
    return [
        ("expected miss rate", f"{limits.expected_miss_rate:.3f} {rate}, with one face a person"),
        ("outgrown from", f"{size} on, where it passes {limits.miss_rate_limit:.3g}"),
        ("size", limits.fit.replace("_", " ")),
    ]


@app.command()
@politely
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a gallery with everybody in it. This cannot be undone."""
    from convoy.client import Convoy

    confirm(f"Delete the gallery '{name}' with everybody in it? This cannot be undone.", yes)
    with Convoy() as convoy:
        answer = convoy.delete_gallery(name)
        left = []
        with suppress(ConvoyError):  # A caller who may delete this gallery need not be allowed to see every alias.
            left = [alias for alias, gallery in convoy.list_gallery_aliases().items() if gallery == name]
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"deleted: {answer.people_deleted} people with {answer.faces_deleted} faces")
    for alias in left:
        typer.echo(
            f"convoy: the alias '{alias}' still stands for '{name}'; remove it with `convoy gallery alias {alias}`",
            err=True,
        )


def read_model_name(text: str) -> "Model | None":
    """Turn NAME:VERSION into a model; None for no text."""
    from convoy.client.answers.common import Model

    return Model(*split_model(text)) if text else None


def _show(galleries: "list[Gallery]", as_json: bool, single: bool = False) -> None:
    if as_json:
        print_json(galleries[0] if single else galleries)
        return
    rows = [(one.name, one.people_count, one.face_count, one.version, one.model, one.description) for one in galleries]
    print_table("", COLUMNS, rows)
