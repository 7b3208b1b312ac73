"""convoy person register: many people from a folder or a table."""

import csv
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convoy.cli.failures import ExitCode, in_our_words, politely
from convoy.cli.output import AsJson, print_json, print_table, progress
from convoy.cli.recognition import Gallery

if TYPE_CHECKING:
    from convoy.cli.bulk import Bulk, Outcome

INTERRUPTED = 130
Source = Annotated[
    Path, typer.Argument(exists=True, help="A folder with a folder or a photo for each person, or a CSV file.")
]
Report = Annotated[Path | None, typer.Option(help="Write the refused photos with their reasons here, as CSV.")]


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
    as_json: AsJson = False,
) -> None:
    """Register many people. Exits with 1 when some photos were refused.

    A folder holds for each person a folder of photos, or one photo named after the person. A CSV file has the columns
    path and person_id, and optionally name and tags; every other column is a fact. You may stop the command with
    Ctrl-C: run it again and it continues.

    Example: **convoy person register photos/ --gallery team --report refused.csv**
    """
    from convoy.cli.bulk import Bulk, read_source
    from convoy.client import Convoy

    entries = read_source(source)
    with Convoy() as convoy:
        bulk = Bulk(
            convoy,
            gallery,
            entries,
            use_largest_face=largest,
            allow_identity_conflict=allow_conflict,
            allow_different=allow_different,
        )
        refused, counts = run(bulk, report)
    if as_json:
        print_json({**counts, "refusals": [{**vars(one), "path": str(one.path)} for one in refused]})
    else:
        if refused:
            print_table("refused", ("reason", "person", "photo", "why"), map(_row, refused))
        typer.echo(", ".join(f"{key} {count}" for key, count in counts.items()))
    if counts.get("not_tried"):
        typer.echo("convoy: stopped; run the same command again to continue.", err=True)
        raise typer.Exit(INTERRUPTED)
    if refused:
        raise typer.Exit(ExitCode.NO)


def run(bulk: "Bulk", report: Path | None) -> "tuple[list[Outcome], dict[str, int]]":
    """Register all; return the refused photos and the counts by outcome. Ctrl-C ends it early."""
    total = bulk.photos
    refused: list[Outcome] = []
    counts: Counter[str] = Counter(registered=0, known=0, refused=0)
    with ExitStack() as stack:
        advance = stack.enter_context(progress("registering", total))
        write = csv.writer(stack.enter_context(report.open("w", newline=""))) if report else None
        if write:
            write.writerow(("path", "person_id", "reason", "message"))
        try:
            for outcome in bulk.outcomes():
                counts[_kind(outcome)] += 1
                if not outcome.accepted:
                    refused.append(outcome)
                    if write:
                        write.writerow((outcome.path, outcome.person_id, outcome.reason, outcome.message))
                advance(1)
        except KeyboardInterrupt:
            counts["not_tried"] = total - counts.total()
    return refused, dict(counts)


def _kind(outcome: "Outcome") -> str:
    if not outcome.accepted:
        return "refused"
    return "known" if outcome.reason else "registered"


def _row(outcome: "Outcome") -> tuple[object, ...]:
    return outcome.reason, outcome.person_id, outcome.path, in_our_words(outcome.message)
