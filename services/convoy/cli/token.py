"""convoy token: makes tokens for callers of the services."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from convoy.cli.failures import politely
from convoy.cli.output import AsJson, print_json

MOST_KEY = 1000
app = typer.Typer(no_args_is_help=True, help="Make tokens for callers.")


@app.callback()
def token() -> None:
    """Make tokens for callers. The services read them from the file of CONVOY_TOKENS_FILE."""


@app.command()
@politely
def create(
    name: Annotated[str, typer.Argument(help="The caller who will use it; logs and audits show this name.")],
    scopes: Annotated[
        list[str],
        typer.Option("--scope", help="What the caller may do; you may repeat it. docs/security.md lists the scopes."),
    ],
    file: Annotated[
        Path | None, typer.Option(help="Add the line to this tokens file; it is created if it is not there.")
    ] = None,
    value_file: Annotated[
        Path | None,
        typer.Option(
            help="Take over the key in this file instead of making a token: a random UUID (version 4), as CompreFace "
            "makes them, which its clients then keep. '-' reads it from standard input."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token. You see it only this once: the services keep only its hash.

    The token goes to standard output. The line for the tokens file goes into --file, or to standard error.

    Example: **convoy token create door-camera --scope gallery:staff:read --file tokens**
    """
    from convoy.core.security.tokens import append_line, check_taken_over, make_token, write_line

    made = make_token() if value_file is None else check_taken_over(_read(value_file))
    line = write_line(name, made, scopes)
    if file is not None:
        append_line(file, line)
    if as_json:
        print_json({"name": name, "token": made, "line": line})
        return
    typer.echo(f"added to {file}" if file else f"line for the tokens file:\n{line}", err=True)
    if value_file is None:
        typer.echo(made)


def _read(path: Path) -> str:
    """The key in a file. Raises InvalidArgument(BAD_ARGUMENT)."""
    from convoy.core.errors import InvalidArgument

    if str(path) == "-":
        return sys.stdin.read(MOST_KEY).strip()
    try:
        return path.read_text()[:MOST_KEY].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument("BAD_ARGUMENT", f"{path} is not readable: {error}") from None
