"""convoy token: credentials for those who call the services."""

from pathlib import Path
from typing import Annotated

import typer

from convoy.cli.failures import politely
from convoy.cli.output import AsJson, print_json

app = typer.Typer(no_args_is_help=True, help="Make tokens for callers.")


@app.callback()
def token() -> None:
    """Make tokens for callers; the services read them from CONVOY_TOKENS_FILE."""


@app.command()
@politely
def create(
    name: Annotated[str, typer.Argument(help="Who will use it; this name is in logs and audits.")],
    scopes: Annotated[
        list[str], typer.Option("--scope", help="What they may do; give it once for each. See docs/security.md.")
    ],
    file: Annotated[Path | None, typer.Option(help="Add the line to this tokens file, which may be new.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token. It is shown this once; the services keep no more than its hash.

    Standard output is the token alone, the line for the tokens file goes to standard error or into --file.

    Example: **convoy token create door-camera --scope gallery:staff:read --file tokens**
    """
    from convoy.core.security.tokens import append_line, make_token, write_line

    made = make_token()
    line = write_line(name, made, scopes)
    if file is not None:
        append_line(file, line)
    if as_json:
        print_json({"name": name, "token": made, "line": line})
        return
    typer.echo(f"added to {file}" if file else f"line for the tokens file:\n{line}", err=True)
    typer.echo(made)
