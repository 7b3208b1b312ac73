"""What a command says: tables or JSON on standard output, a failure in one sentence on standard error, an exit code."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from functools import wraps
from typing import Annotated, ParamSpec

import typer

from convoy.core import errors

P = ParamSpec("P")
# Names of up to so many cells stand in one line of a table.
UNBROKEN = 24
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


class ExitCode(IntEnum):
    """What a script learns from a command."""

    YES = 0
    NO = 1
    BAD_INPUT = 2
    UNAVAILABLE = 3
    NOT_ALLOWED = 4
    FAULT = 5


EXIT_CODES: dict[type[errors.ConvoyError], ExitCode] = {
    errors.InvalidArgument: ExitCode.BAD_INPUT,
    errors.NotFound: ExitCode.BAD_INPUT,
    errors.AlreadyExists: ExitCode.BAD_INPUT,
    errors.FailedPrecondition: ExitCode.BAD_INPUT,
    errors.ResourceExhausted: ExitCode.UNAVAILABLE,
    errors.DeadlineExceeded: ExitCode.UNAVAILABLE,
    errors.Unavailable: ExitCode.UNAVAILABLE,
    errors.Unauthenticated: ExitCode.NOT_ALLOWED,
    errors.PermissionDenied: ExitCode.NOT_ALLOWED,
}
HINTS = {
    "SERVICE_UNREACHABLE": "start everything with `convoy up`, or say where it is (see `convoy --help`)",
    "DEADLINE_EXCEEDED": "CONVOY_TIMEOUT_S gives it more seconds",
    "QUEUE_FULL": "try again in a moment",
    "MODEL_NOT_FOUND": "`convoy model list` shows which there are",
    "WRONG_TASK": "`convoy model list` shows which model does what",
    "GALLERY_NOT_FOUND": "`convoy gallery list` shows which there are, `convoy gallery create` makes one",
    "PERSON_NOT_FOUND": "`convoy person list` shows who there is",
    "NO_CREDENTIALS": "CONVOY_CLIENT_TOKEN_FILE names the file with your token",
    "TOKEN_EXPIRED": "put a new token into the file that CONVOY_CLIENT_TOKEN_FILE names",
    "START_TIMEOUT": "the logs in the data folder say more",
}

# What the services call a choice, and what it is called here.
OPTIONS = {
    "set add_faces": "give --add",
    "with add_faces": "with --add",
    "set use_largest_face": "give --largest",
    "set allow_identity_conflict": "give --allow-conflict",
    "set allow_different": "give --allow-different",
    "set any_angle": "give --any-angle",
}


def politely(command: Callable[P, None]) -> Callable[P, None]:
    """The command, with failures told in one sentence and by the exit code."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except errors.ConvoyError as error:
            raise typer.Exit(tell_failure(error)) from None
        except OSError as error:
            typer.echo(f"convoy: {error.filename or 'the file'}: {error.strerror or error}", err=True)
            raise typer.Exit(ExitCode.BAD_INPUT) from None
        except ValueError as error:
            # Of messages, which hold numbers of so many bits.
            if "out of range" not in str(error):
                raise
            typer.echo(f"convoy: {str(error)[:1].lower()}{str(error)[1:]}", err=True)
            raise typer.Exit(ExitCode.BAD_INPUT) from None

    return wrapped


def tell_failure(error: errors.ConvoyError, subject: str = "") -> ExitCode:
    """Print the sentence, with what it is about; gives the exit code."""
    advice = error.hint or HINTS.get(error.reason, "")
    hint = f" Hint: {advice}." if advice else ""
    typer.echo(
        f"convoy: {f'{subject}: ' if subject else ''}{in_our_words(error.message)} [{error.reason}].{hint}", err=True
    )
    return exit_code(error)


def in_our_words(message: str) -> str:
    """A service's sentence with the command's options in it."""
    for theirs, ours in OPTIONS.items():
        message = message.replace(theirs, ours)
    return message


def exit_code(error: errors.ConvoyError) -> ExitCode:
    """What a failure means to a script."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), ExitCode.FAULT)


def print_json(value: object) -> None:
    """Print answers, or lists and mappings of them, as one document."""
    from convoy.cli.json_output import to_document

    typer.echo(json.dumps(to_document(value), indent=2, ensure_ascii=False))


def print_table(
    title: str, columns: Iterable[str], rows: Iterable[Iterable[object]], if_empty: str = "there are none"
) -> None:
    """Print a table, or without rows a sentence; columns of numbers (names that end with a space) are set to the right.

    No word and no name of up to UNBROKEN cells is broken, so that paths and ids can be copied: a table that needs it is
    wider than the terminal. A column in which nothing stands is left out.
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
    for place, column in enumerate(columns):
        if not any(row[place] for row in cells):
            continue
        shown.append(place)
        justify: JustifyMethod = "right" if column.endswith(" ") else "left"
        texts = [column.rstrip(), *(row[place] for row in cells)]
        pieces = [piece for text in texts for piece in ([text] if cell_len(text) <= UNBROKEN else text.split())]
        longest = max(map(cell_len, pieces), default=0)
        table.add_column(column.rstrip(), justify=justify, min_width=longest, no_wrap=place == 0)
    for row in cells:
        table.add_row(*(escape(row[place]) for place in shown))
    Console().print(table, crop=False)


def confirm(question: str, yes: bool) -> None:
    """Ask before what cannot be undone, unless --yes was given."""
    if not yes:
        typer.confirm(question, abort=True, err=True)


@contextmanager
def progress(doing: str, total: int | None) -> Iterator[Callable[..., None]]:
    """A bar on standard error, if that is a terminal; the function given takes steps, and a total once it is known."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(doing, total=total)

        def advance(steps: int, total: int | None = None) -> None:
            bar.update(task, advance=steps, total=total)

        yield advance
