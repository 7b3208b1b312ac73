"""convoy person register: many people from a folder or a table."""

import csv
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convoy.cli import INTERRUPTED
from convoy.cli.bulk_sources import Ids
from convoy.cli.failures import ExitCode, in_our_words, politely
from convoy.cli.output import AsJson, print_json, print_table, progress, shown
from convoy.cli.recognition import Gallery
from convoy.cli.reports import open_report

if TYPE_CHECKING:
    from convoy.cli.bulk import Bulk
    from convoy.cli.bulk_sources import Outcome

COLUMNS = ("path", "person_id", "reason", "message")
Source = Annotated[
    Path, typer.Argument(exists=True, help="A folder with a folder or a photo for each person, or a CSV file.")
]
Report = Annotated[Path | None, typer.Option(help="Write what was refused or left out, with the reasons, here as CSV.")]


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("register")(politely(register_all))


def register_all(
    source: Source,
    gallery: Gallery,
    report: Report = None,
    largest: Annotated[
        bool, typer.Option("--largest", help="If a photo shows several faces, take the largest.")
    ] = False,
    allow_conflict: Annotated[
        bool, typer.Option("--allow-conflict", help="Register faces even if they match somebody else.")
    ] = False,
    allow_different: Annotated[
        bool, typer.Option("--allow-different", help="Register photos though their faces do not resemble one another.")
    ] = False,
    ids: Annotated[
        Ids, typer.Option(help="What to do with a name that is no valid id: leave it out (as-is), or change it (slug).")
    ] = Ids.SLUG,
    as_json: AsJson = False,
) -> None:
    """Register many people. Exits with 1 when some photos were refused, or anything was left out.

    A folder holds for each person a folder of photos, or one photo named after the person. A folder whose name is a
    valid id keeps it; "Joe Biden" becomes joe-biden, with that name to read. A CSV file has the columns path and
    person_id, and optionally name and tags; every other column is a fact. Every file and folder that is left out is
    listed with its reason, and so is everybody without a usable photo. You may stop the command with Ctrl-C: run it
    again and it continues.

    Example: **convoy person register photos/ --gallery team --report refused.csv**
    """
    from convoy.cli.bulk import Bulk
    from convoy.cli.bulk_sources import read_source
    from convoy.client import Convoy

    people = read_source(source, ids)
    with Convoy() as convoy:
        bulk = Bulk(
            convoy,
            gallery,
            people,
            use_largest_face=largest,
            allow_identity_conflict=allow_conflict,
            allow_different=allow_different,
        )
        refused, counts = run(bulk, report)
    if as_json:
        photos, others = ([_document(one) for one in refused if one.is_photo is kind] for kind in (True, False))
        print_json({**counts, "refusals": photos, "left_out_files": others})
    else:
        if refused:
            print_table("refused or left out", ("reason", "person", "file", "why"), map(_row, refused))
        typer.echo(", ".join(f"{key} {count}" for key, count in counts.items()))
    if counts.get("not_tried"):
        typer.echo("convoy: stopped; run the same command again to continue.", err=True)
        raise typer.Exit(INTERRUPTED)
    if refused:
        raise typer.Exit(ExitCode.NO)


def run(bulk: "Bulk", report: Path | None) -> "tuple[list[Outcome], dict[str, int]]":
    """Register all; return what was refused or left out, and the counts by outcome. Ctrl-C ends it early."""
    refused: list[Outcome] = []
    counts: Counter[str] = Counter(registered=0, known=0, refused=0, left_out=0, people_without_photo=0)
    with ExitStack() as stack:
        advance = stack.enter_context(progress("registering", bulk.steps))
        write = csv.writer(stack.enter_context(open_report(report, COLUMNS))) if report else None
        if write:
            write.writerow(COLUMNS)
        done = 0
        try:
            for outcome in bulk.outcomes():
                counts[_kind(outcome)] += 1
                done += 1
                if not outcome.accepted:
                    refused.append(outcome)
                    if write:
                        write.writerow(
                            (shown(outcome.path), outcome.person_id, outcome.reason, in_our_words(outcome.message))
                        )
                advance(1)
        except KeyboardInterrupt:
            counts["not_tried"] = bulk.steps - done
    return refused, dict(counts)


def _kind(outcome: "Outcome") -> str:
    if outcome.accepted:
        return "known" if outcome.reason else "registered"
    if outcome.reason == "NO_PHOTO":
        return "people_without_photo"
    return "refused" if outcome.is_photo else "left_out"


def _document(outcome: "Outcome") -> dict[str, object]:
    said = {key: value for key, value in vars(outcome).items() if key != "is_photo"}
    return {**said, "path": shown(outcome.path)}


def _row(outcome: "Outcome") -> tuple[object, ...]:
    return outcome.reason, outcome.person_id, shown(outcome.path), in_our_words(outcome.message)
