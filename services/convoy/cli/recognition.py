"""convoy register, identify, verify: who is in a picture."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convoy.cli.completion import galleries, people
from convoy.cli.failures import ExitCode, politely, tell_failure
from convoy.cli.output import AsJson, label_of, place_of, print_json, print_table, shown
from convoy.cli.photos import (
    AnyAngle,
    Detail,
    DrawTo,
    Force,
    Inquiry,
    MinLiveness,
    MinSize,
    Photos,
    answer_all,
    check_size,
    drawn,
    naming,
)
from convoy.cli.policy_options import RateUnit, SameOccasion
from convoy.cli.registering import known_as, show_registration
from convoy.core.errors import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from convoy.client.answers.faces import Face
    from convoy.client.answers.recognition import IdentifiedFace

PANEL = "Recognise people"
Gallery = Annotated[str, typer.Option("--gallery", "-g", help="Name of the gallery.", autocompletion=galleries)]
Facts = Annotated[list[str] | None, typer.Option(help="A fact about the person, as KEY=VALUE; you may repeat it.")]
Expires = Annotated[
    datetime | None, typer.Option(help="When the service deletes the person by itself (UTC); 1970-01-01 means never.")
]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag of the person; you may repeat it.")]
BEYOND = (
    "the threshold is above all that the embedder's calibration measured: it continues the table with care, and the "
    "expected rate is an upper bound"
)
Similarity = typer.Option(min=-1.0, max=1.0, help="The cosine similarity that a match must reach.")


def in_utc(moment: datetime | None) -> datetime | None:
    """The time of an option: without a zone it is UTC, as the help says."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (register, identify, verify):
        app.command(rich_help_panel=PANEL)(politely(command))


def register(
    person: Annotated[str, typer.Argument(help="Your id for the person, without spaces.", autocompletion=people)],
    photos: Photos,
    gallery: Gallery,
    name: Annotated[str, typer.Option(help="A name for people to read.")] = "",
    fact: Facts = None,
    tag: Tags = None,
    expires: Expires = None,
    add: Annotated[
        bool, typer.Option("--add", help="Add the photos to a person who is in the gallery already.")
    ] = False,
    largest: Annotated[
        bool, typer.Option("--largest", help="If a photo shows several faces, take the largest.")
    ] = False,
    allow_conflict: Annotated[
        bool, typer.Option("--allow-conflict", help="Register a face even if it matches somebody else.")
    ] = False,
    allow_different: Annotated[
        bool, typer.Option("--allow-different", help="Register photos though their faces do not resemble one another.")
    ] = False,
    any_angle: Annotated[
        bool, typer.Option("--any-angle", help="Register a face though it lies or stands on its head.")
    ] = False,
    min_liveness: MinLiveness = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask about faces that somebody else has.")] = False,
    as_json: AsJson = False,
) -> None:
    """Register a person with one photo or several. Exits with 1 when a photo was refused.

    At a terminal it asks before a face gets a second name: when the gallery knows a photo as somebody else.

    Example: **convoy register ada ada1.jpg ada2.jpg --gallery team --name "Ada Lovelace"**
    """
    from convoy.client import Convoy

    check_size(*photos)
    is_asked = sys.stdin.isatty() and sys.stderr.isatty() and not (yes or as_json or allow_conflict)
    with Convoy() as convoy, naming(photos):
        if is_asked and (known := known_as(convoy, gallery, photos, person)):
            photo, other = known
            question = f"'{gallery}' knows {shown(photo)} as {other}. Are {other} and {person} two people?"
            allow_conflict = typer.confirm(question, abort=True, err=True)
        try:
            answer = convoy.register(
                gallery,
                person,
                photos,
                display_name=name,
                metadata=read_facts(fact),
                tags=tag or (),
                expire_time=in_utc(expires),
                add_faces=add,
                use_largest_face=largest,
                allow_identity_conflict=allow_conflict,
                allow_different=allow_different,
                any_angle=any_angle,
                photo_labels=[label_of(photo) for photo in photos],
                min_liveness=min_liveness,
            )
        except FailedPrecondition as error:
            if not error.details:
                raise
            for registration in error.details:
                show_registration(photos, registration, as_json)  # type: ignore[arg-type]
            tell_failure(error)
            raise typer.Exit(ExitCode.NO) from None
    show_registration(photos, answer, as_json)
    if not all(photo.accepted for photo in answer.results):
        raise typer.Exit(ExitCode.NO)


def identify(
    photos: Photos,
    gallery: Gallery,
    threshold: Annotated[float | None, Similarity] = None,
    fpir: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="The highest chance that a stranger is named; by default the gallery's policy."
        ),
    ] = None,
    rate_unit: RateUnit = None,
    same_occasion: SameOccasion = None,
    top: Annotated[int, typer.Option(min=1, max=1_000, help="How many matches to print for each face.")] = 5,
    nearest: Annotated[
        int,
        typer.Option(
            min=0,
            max=1_000,
            help="Also print so many nearest people of each face, however far they are: none of them is thereby it.",
        ),
    ] = 0,
    largest: Annotated[bool, typer.Option("--largest", help="Only the largest face.")] = False,
    min_size: MinSize = 0,
    where: Annotated[
        list[str] | None, typer.Option(help="Only people with the fact KEY=VALUE; you may repeat it.")
    ] = None,
    tag: Tags = None,
    any_angle: AnyAngle = False,
    detail: Detail = False,
    min_liveness: MinLiveness = None,
    draw: DrawTo = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Say who is in pictures; a person is one face of a picture at most. Exits with 1 when it knows nobody in them.

    A picture without a face (NO_FACE) counts as one with nobody known.

    Example: **convoy identify party.jpg --gallery team --fpir 0.001 --draw names.png**
    """
    inquiry = Inquiry(
        lambda convoy, photo: convoy.identify(
            gallery,
            photo,
            top_k=top,
            nearest=nearest,
            match_threshold=threshold,
            false_positive_identification_rate=fpir,
            largest=largest,
            min_face_size=min_size,
            filter=read_facts(where),
            tags=tag or (),
            rate_unit=rate_unit,
            same_occasion=same_occasion,
            any_angle=any_angle,
            detail=detail,
            min_liveness=min_liveness,
        ),
        ("place", "decision", "who", "similarity ", "threshold ", "margin ", "also near"),
        lambda answer: [_identified_row(found) for found in answer],
        lambda answer: not any(found.person for found in answer),
        frozenset({"NO_FACE"}),
        lambda answer: BEYOND if answer.beyond_calibration else "",
    )
    answer_all(photos, inquiry, as_json, force, drawing=(draw, drawn("draw_identification")))


def verify(
    probe: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The picture in question.")],
    person: Annotated[
        str | None, typer.Option(help="A person on record; needs --gallery.", autocompletion=people)
    ] = None,
    gallery: Annotated[
        str | None, typer.Option("--gallery", "-g", help="Name of the gallery.", autocompletion=galleries)
    ] = None,
    photo: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Another picture to compare with.")
    ] = None,
    threshold: Annotated[float | None, Similarity] = None,
    fmr: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=1.0, help="The highest share of strangers who would match: 0.001 is one in a thousand."
        ),
    ] = None,
    any_angle: AnyAngle = False,
    detail: Detail = False,
    min_liveness: MinLiveness = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a picture shows a given person. Exits with 0 for yes and 1 for no.

    Examples: **convoy verify door.jpg --person ada --gallery team** and **convoy verify one.jpg --photo other.jpg**
    """
    from convoy.client import Convoy

    if (person is None) != (gallery is None):
        raise InvalidArgument("BAD_ARGUMENT", "--person needs --gallery" if person else "--gallery needs --person")
    if (person is None) == (photo is None):
        raise InvalidArgument("BAD_ARGUMENT", "give either --person with --gallery or --photo")
    photos = [probe, *([photo] if photo else [])]
    check_size(*photos)
    with Convoy() as convoy, naming(photos):
        answer = convoy.verify(
            probe,
            gallery=gallery,
            person_id=person,
            photo=photo,
            match_threshold=threshold,
            false_match_rate=fmr,
            any_angle=any_angle,
            detail=detail,
            min_liveness=min_liveness,
        )
    if as_json:
        print_json(answer)
    else:
        verdict = "the same person" if answer.is_match else "not the same person"
        facts = (f"{answer.similarity:.3f}", f"{answer.match_threshold:.3f}", f"{answer.expected_false_match_rate:.2g}")
        print_table("", ("verdict", "similarity ", "threshold ", "false-match rate "), [(verdict, *facts)])
    if answer.beyond_calibration:
        typer.echo(f"convoy: {BEYOND}", err=True)
    _tell_of_several(probe, answer.face, answer.faces_found)
    if photo and answer.reference_face:
        _tell_of_several(photo, answer.reference_face, answer.reference_faces_found)
    raise typer.Exit(ExitCode.YES if answer.is_match else ExitCode.NO)


def read_facts(facts: list[str] | None) -> dict[str, str]:
    """Turn KEY=VALUE texts into a mapping."""
    pairs = [fact.partition("=") for fact in facts or []]
    for key, separator, _ in pairs:
        if not separator:
            raise typer.BadParameter(f"'{key}' is not KEY=VALUE")
    return {key: value for key, _, value in pairs}


def _tell_of_several(photo: Path, face: "Face", found: int) -> None:
    """If a picture shows several faces, say which one was compared."""
    if found > 1:
        message = f"{photo} shows {found} faces; the largest was compared, at {place_of(face.box)}"
        typer.echo(f"convoy: {message}", err=True)


def _identified_row(found: "IdentifiedFace") -> tuple[str, ...]:
    """One row of the table. `who` is the match, the two people who are too close to tell apart, or who it is not."""
    meant = {"MATCH": 1, "AMBIGUOUS": 2}.get(found.decision.value, 0)
    if elsewhere := found.named_elsewhere:
        who, best = f"not {elsewhere.name}", f"{elsewhere.similarity:.3f}"
    else:
        who = " or ".join(match.name for match in found.matches[:meant])
        who = "spoof?" if found.no_match_reason == "SPOOF_SUSPECTED" else who
        best = f"{found.matches[0].similarity:.3f}" if found.matches else ""
    margin = f"{found.margin:.3f}" if len(found.matches) > 1 else ""
    return (
        place_of(found.face.box),
        found.decision.value,
        who,
        best,
        f"{found.match_threshold:.3f}",
        margin,
        ", ".join(f"{match.name} {match.similarity:.3f}" for match in found.nearest or found.matches[meant:]),
    )
