"""The command itself: what it says of itself, and how it ends when something is wrong."""

import sys
from typing import Annotated, NoReturn

import typer
from convoy.core.errors import ConvoyError

from convoy_training.errors import TrainingError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"convoy-train {version('convoy-vision-training')}")
        raise typer.Exit


@app.callback()
def convoy_train(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Train, measure and publish the models that Convoy serves. Data is also looked for in the folder CONVOY_DATA."""


def main() -> None:
    """Runs the command; an expected error is one sentence and exit code 1."""
    try:
        app()
    except (TrainingError, ConvoyError) as error:
        if detail := getattr(error, "detail", ""):
            typer.echo(detail, err=True)
        _give_up(str(error))
    except OSError as error:
        _give_up(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _give_up(problem: str) -> NoReturn:
    typer.echo(f"error: {' '.join(problem.split())}", err=True)
    sys.exit(1)
