"""The command `convoy`: it puts the groups of commands together and imports nothing heavy before a command needs it."""

import os
from typing import Annotated

import typer

from convoy.cli import (
    doctor,
    doors,
    explanation,
    fleet,
    gallery,
    gallery_aliases,
    gallery_reembed,
    gallery_review,
    gallery_transfer,
    imaging,
    migrate,
    model,
    person,
    person_register,
    recognition,
    signals,
    token,
    track,
    vision,
    volumes,
)

app = typer.Typer(
    name="convoy",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (fleet, doctor, vision, volumes, signals, track, imaging, explanation, recognition):
    group.add_to(app)
for part in (gallery_review, gallery_aliases, gallery_transfer, gallery_reembed):
    part.add_to(gallery.app)
app.add_typer(gallery.app, name="gallery", rich_help_panel="Recognise people")
person_register.add_to(person.app)
app.add_typer(person.app, name="person", rich_help_panel="Recognise people")
app.add_typer(migrate.app, name="migrate", rich_help_panel="Recognise people")
app.add_typer(model.app, name="model", rich_help_panel="Run Convoy")
app.add_typer(token.app, name="token", rich_help_panel="Run Convoy")
app.add_typer(doors.app, name="doors", rich_help_panel="Run Convoy")


if "_CONVOY_COMPLETE" in os.environ:
    # The shell asks for names, and has no place for gRPC's own lines.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")


def _point_out_misspelt() -> None:
    """Point out CONVOY_* variables that nothing reads. The client's own variables cost no import."""
    from convoy.core.client_settings import VARIABLES

    if any(name.startswith("CONVOY_") and name not in VARIABLES for name in os.environ):
        from convoy.core.settings import misspelt_variables

        for variable, meant in misspelt_variables().items():
            typer.echo(f"convoy: {variable} is not a setting; did you mean {meant}?", err=True)


def _choose_fleet(name: str) -> None:
    """Ask the fleet of this name: the addresses become settings of this process."""
    from convoy.cli.failures import tell_failure
    from convoy.core.errors import ConvoyError
    from convoy.fleet import named

    try:
        os.environ.update(named.variables(name))
    except ConvoyError as error:
        raise typer.Exit(tell_failure(error)) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        from convoy.core.versions import convoy_version

        typer.echo(f"convoy {convoy_version()}")
        raise typer.Exit


@app.callback()
def convoy(
    context: typer.Context,
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    fleet_name: Annotated[
        str, typer.Option("--fleet", metavar="NAME", help="Ask the fleet that `convoy up --name NAME` runs here.")
    ] = "",
) -> None:
    """Ask the services of a Convoy fleet what pictures show and who is in them.

    **Start all services on this machine**, then ask:

        convoy up

        convoy classify cat.jpg

        convoy gallery create team

        convoy register ada ada1.jpg ada2.jpg --gallery team --name "Ada Lovelace"

        convoy identify party.jpg --gallery team --draw out.png

    **Settings** are environment variables. To reach services elsewhere, set CONVOY_CLASSIFICATION_ADDRESS,
    CONVOY_DETECTION_ADDRESS, CONVOY_SEGMENTATION_ADDRESS, CONVOY_FACES_ADDRESS, CONVOY_RECOGNITION_ADDRESS and
    CONVOY_IMAGING_ADDRESS to host:port; **--fleet NAME** does so for a fleet on this machine. CONVOY_TIMEOUT_S limits
    the time of a call. CONVOY_CLIENT_CA turns TLS on, and CONVOY_CLIENT_TOKEN_FILE names the file with your token.

    **--json** prints one JSON document to standard output and nothing else.

    **Exit codes**: 0 yes or done; 1 the answer is no (not the person, nobody known, nothing found with --require); 2
    bad usage or input; 3 a service is away, too slow or full; 4 not allowed; 5 a fault inside a service.
    """
    if context.invoked_subcommand not in ("up", "serve"):
        # gRPC would print its own lines about connections; a command says in a sentence what went wrong.
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    if fleet_name:
        _choose_fleet(fleet_name)
    if context.invoked_subcommand != "serve":  # A service says this in its log.
        _point_out_misspelt()
