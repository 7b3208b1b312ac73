"""convoy gallery audit, duplicates: who changed what, and who should be looked at again."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from convoy.cli.failures import ExitCode, politely
from convoy.cli.gallery import Name
from convoy.cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from convoy.client.answers.people import Disagreement


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(politely(audit))
    app.command()(politely(duplicates))


def audit(
    name: Name,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many changes to show at most.")] = 50,
    faces: Annotated[
        bool,
        typer.Option("--faces", help="List people whose faces disagree instead; exits with 1 when there are any."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show who changed what and when, newest first; or, with --faces, whose faces do not resemble one another.

    A deleted gallery keeps its history.

    Example: **convoy gallery audit team --limit 10**

    Example: **convoy gallery audit team --faces**
    """
    from convoy.client import Convoy

    if faces:
        with Convoy() as convoy:
            found = list(convoy.find_disagreements(name))
        if as_json:
            print_json(found)
        else:
            show_disagreements(name, found)
        if found:
            raise typer.Exit(ExitCode.NO)
        return
    with Convoy() as convoy:
        events = list(islice(convoy.list_audit_events(name, page_size=min(limit, 1000)), limit))
    if as_json:
        print_json(events)
        return
    columns = ("version ", "time", "action", "person", "outcome", "caller")
    rows = [
        (
            one.version,
            one.time.isoformat(" ", "seconds") if one.time else "",
            one.action,
            one.person_id,
            one.outcome,
            one.actor,
        )
        for one in events
    ]
    print_table(name, columns, rows)


def duplicates(
    name: Name,
    threshold: Annotated[
        float | None, typer.Option(min=-1.0, max=1.0, help="The cosine similarity that two people must reach.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List people who look alike: perhaps one person under two ids. Exits with 1 when there are any."""
    from convoy.client import Convoy

    with Convoy() as convoy:
        found = list(convoy.find_duplicates(name, match_threshold=threshold))
    if as_json:
        print_json(found)
    else:
        rows = [(one.person_id, one.other_person_id, f"{one.similarity:.3f}") for one in found]
        print_table("", ("person", "looks like", "similarity "), rows)
    if found:
        raise typer.Exit(ExitCode.NO)


def show_disagreements(gallery: str, found: "list[Disagreement]") -> None:
    """Print faces that do not resemble their person's others, and what to do about them."""
    rows = [
        (one.person_id, one.face_id, one.reason, f"{one.similarity:.3f}", one.other_person_id or "-") for one in found
    ]
    print_table("faces that disagree", ("person", "face", "why", "nearest ", "shows instead"), rows)
    if found:
        typer.echo(
            f"convoy: {len({one.person_id for one in found})} people; look at their photos, and delete a face of "
            f"somebody else by `convoy person delete PERSON --face FACE --gallery {gallery}`",
            err=True,
        )
