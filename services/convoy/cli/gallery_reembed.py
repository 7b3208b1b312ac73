"""convoy gallery reembed: registers the people of a gallery in a second one, with another face embedder."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convoy.cli.failures import ExitCode, politely
from convoy.cli.gallery import read_model_name
from convoy.cli.gallery_review import show_disagreements
from convoy.cli.output import AsJson, print_json, print_table, progress
from convoy.cli.person_register import Report, Source, run
from convoy.core.errors import ConvoyError, FailedPrecondition, InvalidArgument, NotFound
from convoy.core.names import composed

if TYPE_CHECKING:
    from convoy.cli.bulk_sources import Entry
    from convoy.client import Convoy
    from convoy.client.answers.people import Disagreement
    from convoy.client.answers.recognition import Identification

AGREEMENT = 0.99


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(politely(reembed))


def reembed(
    old: Annotated[str, typer.Argument(help="The gallery that is in use.")],
    new: Annotated[str, typer.Argument(help="The gallery to fill; it is created if it is not there.")],
    photos: Source,
    model: Annotated[
        str,
        typer.Option(
            help="The embedder of the new gallery, as NAME or NAME:VERSION, one of the faces service's models."
        ),
    ],
    probes: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="A folder of other pictures, with which both galleries are searched."
        ),
    ] = None,
    switch: Annotated[
        bool, typer.Option("--switch", help="If the galleries agree, make the old name an alias of the new gallery.")
    ] = False,
    agreement: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The share of the pictures on which they must agree.")
    ] = AGREEMENT,
    report: Report = None,
    largest: Annotated[
        bool, typer.Option("--largest", help="If a photo shows several faces, take the largest.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fill a second gallery from photos with another embedder, compare the answers of both, and switch.

    The people of the old gallery are registered again, with the names, facts, tags and expiry that they have there. You
    may repeat the command until the switch. Photos of a person that do not resemble one another are registered all the
    same, and listed. Exits with 1 if you asked for a switch and it was not made.

    Example: **convoy gallery reembed team team-2 photos/ --model face-embedder:2 --probes door/ --switch**
    """
    from convoy.cli.bulk import Bulk
    from convoy.cli.bulk_sources import People, read_source
    from convoy.client import Convoy

    if old == new:
        raise InvalidArgument("BAD_ARGUMENT", "the old and the new gallery must be different")
    if switch and probes is None:
        raise InvalidArgument("BAD_ARGUMENT", "--switch needs --probes: pictures on which both galleries must agree")
    people = read_source(photos)
    entries = {entry.person_id: entry for entry in people.entries}
    with Convoy() as convoy:
        if stands_for := convoy.list_gallery_aliases().get(old):
            raise InvalidArgument(
                "BAD_ARGUMENT", f"{old!r} is an alias of {stands_for!r} already; remove the alias first"
            )
        _make(convoy, old, new, model)
        planned = [
            _as_on_record(convoy, old, person_id, entries[composed(person_id)])
            for person_id in _people(convoy, old)
            if composed(person_id) in entries
        ]
        # Who is on record is not refused anew, or people would be missing: the old gallery may have taken photos that
        # do not resemble one another. Whose do not is told below.
        registering = Bulk(
            convoy,
            new,
            People(tuple(sorted(planned, key=lambda one: one.person_id)), people.left_out),
            use_largest_face=largest,
            allow_different=True,
        )
        _, counts = run(registering, report)
        made = {composed(person_id) for person_id in _people(convoy, new)}
        missing = []
        for person_id in sorted(_people(convoy, old)):
            if composed(person_id) in made:
                _let_expire_as_before(convoy, old, new, person_id)
            else:
                missing.append(person_id)
        disagreeing = _disagreements(convoy, new)
        compared = list(_compare(convoy, old, new, probes)) if probes else []
        agreed = sum(one == other for _, one, other in compared) / len(compared) if compared else None
        is_good = agreed is not None and agreed >= agreement and not missing and not counts.get("not_tried")
        if switch and is_good:
            convoy.set_gallery_alias(old, new)
    differing = [{"photo": str(path), old: one, new: other} for path, one, other in compared if one != other]
    if as_json:
        print_json(
            {
                **counts,
                "missing": missing,
                "probes": len(compared),
                "agreement": agreed,
                "differing": differing,
                "disagreeing": disagreeing,
                "switched": switch and is_good,
            }
        )
    else:
        if differing:
            print_table("answers that differ", ("photo", old, new), [one.values() for one in differing])
        if disagreeing:
            show_disagreements(new, disagreeing)
        if missing:
            typer.echo(f"without an accepted photo: {', '.join(missing)}")
        said = f"agreement {agreed:.4f} on {len(compared)} probes" if compared else "no probes were compared"
        typer.echo(f"registered {counts['registered']}, known {counts['known']}, refused {counts['refused']}; {said}")
        if switch:
            typer.echo(f"{old} stands for {new} now" if is_good else f"not switched: {old} is as it was")
    if switch and not is_good:
        raise typer.Exit(ExitCode.NO)


def _make(convoy: "Convoy", old: str, new: str, model: str) -> None:
    wanted = read_model_name(model)
    try:
        found = convoy.get_gallery(new)
    except NotFound:
        like = convoy.get_gallery(old)
        found = convoy.create_gallery(
            new, description=like.description, policy=like.policy, model=wanted, vector_sets=like.vector_sets
        )
    if wanted is None or found.model.name != wanted.name or wanted.version not in ("", found.model.version):
        raise FailedPrecondition(
            "MODEL_MISMATCH", f"gallery {new!r} exists already with the embedder {found.model}, not {model}"
        )


def _people(convoy: "Convoy", gallery: str) -> set[str]:
    return {person.person_id for person in convoy.list_people(gallery, page_size=1000)}


def _as_on_record(convoy: "Convoy", old: str, person_id: str, entry: "Entry") -> "Entry":
    person = convoy.get_person(old, person_id)
    return replace(entry, display_name=person.display_name, metadata=person.metadata, tags=person.tags)


def _let_expire_as_before(convoy: "Convoy", old: str, new: str, person_id: str) -> None:
    expires = convoy.get_person(old, person_id).expire_time
    if expires != convoy.get_person(new, person_id).expire_time and expires is not None:
        convoy.update_person(new, person_id, expire_time=expires)


def _disagreements(convoy: "Convoy", gallery: str) -> "list[Disagreement]":
    try:
        return list(convoy.find_disagreements(gallery))
    except FailedPrecondition as error:
        if error.reason != "NOT_CALIBRATED":
            raise
        typer.echo(f"convoy: whether faces of one person resemble one another cannot be said: {error}", err=True)
        return []


def _compare(convoy: "Convoy", old: str, new: str, probes: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield each picture with the answers of the old and the new gallery."""
    from convoy.core.pictures.formats import SUFFIXES

    paths = sorted(path for path in probes.rglob("*") if path.suffix.lower() in SUFFIXES)
    with progress("comparing", len(paths)) as advance:
        for path in paths:
            yield path, _said(convoy, old, path), _said(convoy, new, path)
            advance(1)


def _said(convoy: "Convoy", gallery: str, path: Path) -> str:
    """Who each face is, or the decision; or the reason why there is no answer."""
    try:
        found: Identification = convoy.identify(gallery, path)
    except ConvoyError as error:
        # A picture that cannot be read says nothing about the galleries; anything else must be told.
        if error.reason != "NO_FACE" and not isinstance(error, InvalidArgument):
            raise
        return error.reason
    return ", ".join(face.person.person_id if face.person else face.decision.value for face in found)
