"""convoy migrate: people and their photos from other systems."""

import csv
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convoy.cli import INTERRUPTED
from convoy.cli.failures import ExitCode, in_our_words, politely
from convoy.cli.migration.layouts import Layout
from convoy.cli.output import AsJson, print_json, print_table, progress
from convoy.cli.recognition import Gallery
from convoy.cli.reports import open_report
from convoy.core.errors import InvalidArgument

if TYPE_CHECKING:
    from convoy.cli.migration.comparison import Difference
    from convoy.cli.migration.source import Left, Photo, Somebody, Source

app = typer.Typer(
    no_args_is_help=True,
    help="Bring people from other systems. Each photo is looked at anew and checked as by `convoy register`; no vector "
    "of theirs is taken. You may stop a migration at any moment, and the same command goes on.",
)
SHOWN = 20
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say who would come, and what would not; change nothing.")]
Report = Annotated[Path | None, typer.Option(help="Write what was refused or left out, with the reasons, here as CSV.")]
Compare = Annotated[
    bool, typer.Option("--compare/--no-compare", help="At the end, ask who is in each photo that came over.")
]
Largest = Annotated[bool, typer.Option("--largest", help="If a photo shows several faces, take the largest.")]


@app.command()
@politely
def compreface(
    gallery: Gallery,
    url: Annotated[str, typer.Option(help="The address of a CompreFace that runs, such as http://HOST:8000.")] = "",
    dump: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Its database as text: pg_dump -f frs.sql frs.")
    ] = None,
    key: Annotated[str, typer.Option(help="The x-api-key of the recognition service whose people come.")] = "",
    key_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A file with the key, which ps then does not show.")
    ] = None,
    largest: Largest = False,
    compare: Compare = True,
    report: Report = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring the people of a CompreFace: from the running service, or from its database. Faces keep their image_id.

    Exits with 1 when some photos were refused, or anything was left out.

    Examples: **convoy migrate compreface --url http://old:8000 --key-file key --gallery team** and
    **convoy migrate compreface --dump frs.sql --key-file key --gallery team --dry-run**
    """
    if bool(url) == (dump is not None):
        raise InvalidArgument("BAD_ARGUMENT", "give either --url or --dump")
    if bool(key) == (key_file is not None):
        raise InvalidArgument("BAD_ARGUMENT", "give either --key or --key-file")
    key = key or (key_file.read_text().strip() if key_file else "")
    if not key.isascii() or not key.isprintable():
        raise InvalidArgument("BAD_ARGUMENT", "the key has characters that no x-api-key has")
    if dump:
        from convoy.cli.migration.compreface_dump import read_dump

        source = read_dump(dump, key)
    else:
        from convoy.cli.migration.compreface import CompreFace

        source = CompreFace(url, key).read()
    _migrate(source, gallery, report, dry_run, compare, as_json, largest)


@app.command()
@politely
def folders(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="The folder of people, or one above it.")
    ],
    gallery: Gallery,
    layout: Annotated[Layout, typer.Option("--from", help="Whose folders they are.")],
    largest: Largest = False,
    compare: Compare = True,
    report: Report = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring people from the folders of Double Take, Viseron or Frigate.

    Example: **convoy migrate folders /media/frigate --from frigate --gallery home**
    """
    from convoy.cli.migration.folders import read_folders

    _migrate(read_folders(folder, layout), gallery, report, dry_run, compare, as_json, largest)


@app.command()
@politely
def rekognition(
    listing: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="What `aws rekognition list-faces` printed.")
    ],
    photos: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Your photos, named as their ExternalImageId.")
    ],
    gallery: Gallery,
    report: Report = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring the faces of an AWS Rekognition collection, with photos of your own. Faces keep their FaceId.

    Each face becomes a person with that id, as for clients of the door. Merge faces of one person afterwards:
    **convoy gallery duplicates**, **convoy person merge**.

    Example: **convoy migrate rekognition faces.json photos/ --gallery team**
    """
    from convoy.cli.migration.rekognition import read_list

    _migrate(read_list(listing, photos), gallery, report, dry_run, False, as_json)


@app.command()
@politely
def deepstack(
    database: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Its faceembedding.db.")],
    gallery: Gallery,
    report: Report = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring the names of DeepStack or CodeProject.AI, as people without faces: it keeps no photo.

    Example: **convoy migrate deepstack faceembedding.db --gallery home**
    """
    from convoy.cli.migration.deepstack import read_names

    _migrate(read_names(database), gallery, report, dry_run, False, as_json)


def _migrate(
    source: "Source",
    gallery: str,
    report: Path | None,
    dry_run: bool,
    compare: bool,
    as_json: bool,
    largest: bool = False,
) -> None:
    """Bring a source over and tell what came of it."""
    from convoy.cli.migration.comparison import compare as compared
    from convoy.cli.migration.enrolment import Enrolment
    from convoy.cli.migration.plan import make_plan
    from convoy.client import Convoy

    counts: Counter[str] = Counter(registered=0, known=0, refused=0)
    differences: list[Difference] = []
    with ExitStack() as stack:
        convoy = stack.enter_context(Convoy())
        enrolment = Enrolment(
            convoy,
            gallery,
            allow_conflict=source.allow_conflict,
            keeps_empty=source.keeps_empty,
            largest=largest,
        )
        enrolment.look()
        plan = make_plan(source.people, enrolment.people)
        left: list[Left] = [*source.left, *plan.left]
        photos = sum(len(one.photos) for one in plan.people)
        is_stopped = False
        if not dry_run:
            write = csv.writer(stack.enter_context(open_report(report, _columns()))) if report else None
            came: list[tuple[Somebody, Photo]] = []
            if write:
                write.writerows([_columns(), *(one.row() for one in left)])
            try:
                _enrol(enrolment, plan.people, photos, left, counts, came, write)
                if compare:
                    advance = stack.enter_context(progress("comparing", len(came)))
                    for found in compared(convoy, gallery, came, source.who):
                        advance(1)
                        differences += [found] if found else []
            except KeyboardInterrupt:
                is_stopped = True
        else:
            counts["known"] = sum(
                enrolment.faces.get(photo.face_id) == one.person_id for one in plan.people for photo in one.photos
            )
    said = {**source.counts(), "left_out": len(left) - counts["refused"], **counts}
    _tell(said, left, differences, source, compare and not dry_run, dry_run, as_json)
    if is_stopped:
        typer.echo("convoy: stopped; run the same command again to continue.", err=True)
        raise typer.Exit(INTERRUPTED)
    if left:
        raise typer.Exit(ExitCode.NO)


def _enrol(
    enrolment: Any,
    people: "tuple[Somebody, ...]",
    photos: int,
    left: "list[Left]",
    counts: Counter[str],
    came: "list[tuple[Somebody, Photo]]",
    write: Any,
) -> None:
    """Register everybody, and count and note what became of each photo."""
    with progress("registering", photos) as advance:
        for one, done in enrolment.enrol(people):
            for photo, face_id, why in done:
                if why is not None:
                    left.append(why)
                    counts["refused"] += 1
                    if write:
                        write.writerow((*why.row()[:-1], in_our_words(why.message)))
                else:
                    counts["known" if face_id in enrolment.faces else "registered"] += 1
                    came.append((one, photo))
                advance(1)


def _tell(
    said: dict[str, Any],
    left: "list[Left]",
    differences: "list[Difference]",
    source: "Source",
    is_compared: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    if as_json:
        more = {"differences": [vars(one) for one in differences]} if is_compared else {}
        document = {**said, "dry_run": dry_run, "left": [vars(one) for one in left], **more, "lost": source.lost}
        print_json(document)
        return
    if left:
        rows = [(one.reason, one.name, one.photo, in_our_words(one.message)) for one in left]
        print_table("refused or left out", ("reason", "name", "photo", "why"), rows[:SHOWN])
        if len(rows) > SHOWN:
            typer.echo(f"and {len(rows) - SHOWN} more; --report writes all of them")
    if differences:
        rows = [(one.photo, one.name, one.here, one.there) for one in differences[:SHOWN]]
        print_table("the two do not agree on", ("photo", "name", "here", "there"), rows)
        if len(differences) > SHOWN:
            typer.echo(f"and {len(differences) - SHOWN} more; --json prints all of them")
    elif is_compared:
        typer.echo("every photo that came over is recognised")
    for lost in source.lost:
        typer.echo(f"does not come over: {lost}")
    typer.echo(("would come: " if dry_run else "") + ", ".join(f"{key} {count}" for key, count in said.items()))


def _columns() -> tuple[str, ...]:
    from convoy.cli.migration.source import COLUMNS

    return COLUMNS
