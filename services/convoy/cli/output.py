"""What a command prints: tables or JSON on standard output, questions and progress on standard error."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from convoy.client.answers.common import Box

# A table never breaks a name of up to so many characters.
UNBROKEN = 24
WIDEST = 140
"""Cells of a line where no terminal says how many it has."""
_BESIDE = 3
LONGEST_LABEL = 200
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def shown(path: Path | str) -> str:
    """A path as text that any file and terminal takes: bytes that are not UTF-8 appear as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def place_of(box: "Box") -> str:
    """A rectangle in pixels as every table has it, and as `convoy explain --place` takes it: 10,20,110,220."""
    return ",".join(f"{edge:.0f}" for edge in (box.x_min, box.y_min, box.x_max, box.y_max))


def label_of(photo: Path) -> str:
    """What a photo is called on record: its file's name, at most as long as a label may be."""
    return shown(photo.name)[-LONGEST_LABEL:]


def print_json(value: object) -> None:
    """Print answers, or lists and mappings of them, as one document."""
    from convoy.cli.json_output import to_document

    typer.echo(json.dumps(to_document(value), indent=2, ensure_ascii=False))


def print_table(
    title: str, columns: Iterable[str], rows: Iterable[Iterable[object]], if_empty: str = "there are none"
) -> None:
    """Print a table, or `if_empty` when there are no rows. A column whose name ends with a space is aligned right.

    The table breaks no word and no name of up to UNBROKEN cells, so that you can copy paths and ids. If that makes it
    wider than the terminal, or than WIDEST where there is none, each row becomes a paragraph with a line a column.
    It leaves out empty columns.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console, JustifyMethod
    from rich.markup import escape
    from rich.table import Table

    cells = [[str(cell) for cell in row] for row in rows]
    if not cells:
        typer.echo(f"{title}: {if_empty}" if title else if_empty)
        return
    if title:
        typer.echo(title)
    table = Table(box=box.SIMPLE_HEAD)
    shown: list[int] = []
    widths: list[int] = []
    names: list[str] = []
    for place, column in enumerate(columns):
        if not any(row[place] for row in cells):
            continue
        shown.append(place)
        names.append(column.rstrip())
        justify: JustifyMethod = "right" if column.endswith(" ") else "left"
        texts = [column.rstrip(), *(row[place] for row in cells)]
        pieces = [piece for text in texts for piece in ([text] if cell_len(text) <= UNBROKEN else text.split())]
        longest = max(map(cell_len, pieces), default=0)
        widths.append(longest)
        table.add_column(column.rstrip(), justify=justify, min_width=longest, no_wrap=place == 0)
    for row in cells:
        table.add_row(*(escape(row[place]) for place in shown))

    class Output(Console):
        def on_broken_pipe(self) -> None:
            """Leave it to `politely`; rich would end the command itself, as if it had failed."""
            raise BrokenPipeError

    output = Output()
    room = output.width if output.is_terminal else max(output.width, WIDEST)
    if sum(widths) + _BESIDE * len(widths) > room:
        _print_paragraphs(names, ([row[place] for place in shown] for row in cells))
    else:
        output.print(table, crop=False)


def _print_paragraphs(names: list[str], rows: Iterable[list[str]]) -> None:
    """Print each row as lines of a column's name and what it says, without those that say nothing."""
    width = max(map(len, names))
    for row in rows:
        typer.echo()
        for name, text in zip(names, row, strict=True):
            if text:
                typer.echo(f"  {name:{width}}   {text}")
    typer.echo()


def confirm(question: str, yes: bool) -> None:
    """Ask before something that cannot be undone, unless the user gave --yes."""
    if not yes:
        typer.confirm(question, abort=True, err=True)


@contextmanager
def progress(doing: str, total: int | None) -> Iterator[Callable[..., None]]:
    """Show a bar on standard error if that is a terminal. The yielded function takes steps, and a total once known."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(doing, total=total)

        def advance(steps: int, total: int | None = None) -> None:
            bar.update(task, advance=steps, total=total)

        yield advance
