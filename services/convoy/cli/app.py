"""The command `convoy`. Each group of commands has a file of its own; nothing heavy is imported before it is used."""

import os
from typing import Annotated

import typer

from convoy.cli import (
    fleet,
    gallery,
    gallery_reembed,
    gallery_transfer,
    model,
    person,
    person_register,
    recognition,
    token,
    vision,
)

app = typer.Typer(
    name="convoy",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (fleet, vision, recognition):
    group.add_to(app)
gallery_transfer.add_to(gallery.app)
gallery_reembed.add_to(gallery.app)
app.add_typer(gallery.app, name="gallery", rich_help_panel="Recognise people")
person_register.add_to(person.app)
app.add_typer(person.app, name="person", rich_help_panel="Recognise people")
app.add_typer(model.app, name="model", rich_help_panel="Run Convoy")
app.add_typer(token.app, name="token", rich_help_panel="Run Convoy")


def _point_out_misspelt() -> None:
    """Say which CONVOY_* variables nobody reads; most environments have none, and are not made to wait for it."""
    if any(name.startswith("CONVOY_") for name in os.environ):
        from convoy.core.settings import misspelt_variables

        for variable, meant in misspelt_variables().items():
            typer.echo(f"convoy: nobody reads {variable}; did you mean {meant}?", err=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"convoy {version('convoy')}")
        raise typer.Exit


@app.callback()
def convoy(
    context: typer.Context,
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Classify, detect, segment and recognise people in pictures, with the services of a Convoy fleet.

    **Start everything on this machine**, then ask:

        convoy up

        convoy classify cat.jpg

        convoy gallery create team

        convoy register ada ada1.jpg ada2.jpg --gallery team --name "Ada Lovelace"

        convoy identify party.jpg --gallery team --draw out.png

    Services elsewhere are named by CONVOY_CLASSIFICATION_ADDRESS, CONVOY_DETECTION_ADDRESS,
    CONVOY_SEGMENTATION_ADDRESS, CONVOY_FACES_ADDRESS and CONVOY_RECOGNITION_ADDRESS (host:port), the time limit of a
    call by CONVOY_TIMEOUT_S, TLS and token by CONVOY_CLIENT_CA, CONVOY_CLIENT_TOKEN_FILE and their like. With --json,
    one JSON document and nothing else goes to standard output.

    **Exit codes**: 0 yes or done; 1 the answer is no (not the person, nobody known, nothing found with --require); 2
    bad usage or input; 3 a service is away, too slow or full; 4 not allowed; 5 a fault inside a service.
    """
    if context.invoked_subcommand not in ("up", "serve"):
        # gRPC writes its own lines about a connection; commands say in a sentence what came of it.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if context.invoked_subcommand != "serve":  # A service says it in its log.
        _point_out_misspelt()


def main() -> None:
    """Run the command."""
    app()
