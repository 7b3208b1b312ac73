"""Starts the command `convoy`, also as `python -m convoy.cli`. Ctrl-C while it loads ends it without a traceback."""

import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from convoy.cli import INTERRUPTED

if TYPE_CHECKING:
    import typer

TAKES_A_VALUE = "--fleet"
"""The option before the command's name that is followed by a word of its own."""


def main() -> None:
    """Run the command."""
    before = signal.signal(signal.SIGINT, _leave)
    from convoy.cli.app import app

    signal.signal(signal.SIGINT, before)
    if "_CONVOY_COMPLETE" not in os.environ:
        keep_only_asked(app, sys.argv[1:])
    app()


def keep_only_asked(app: "typer.Typer", words: Sequence[str]) -> None:
    """Forget all other commands if the words name one: Typer takes longer to build fifty than one needs to answer.

    Help and misspelt names need them all, and keep them.
    """
    named = [word for before, word in zip(("", *words), words, strict=False) if before != TAKES_A_VALUE]
    name = next((word for word in named if not word.startswith("-")), "")
    commands = [one for one in app.registered_commands if one.callback and _name_of(one) == name]
    groups = [one for one in app.registered_groups if one.name == name]
    if commands or groups:
        app.registered_commands, app.registered_groups = commands, groups


def _name_of(command: Any) -> str:
    return str(command.name or command.callback.__name__.replace("_", "-"))


def _leave(*_: Any) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
