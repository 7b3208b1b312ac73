"""The commands that run Convoy on this machine: up, serve, health, demo."""

import signal
import time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from convoy.cli.failures import ExitCode, politely
from convoy.cli.output import AsJson, print_json, print_table
from convoy.core.api import FIRST_PORT, SERVICES, WEB, ProcessName, ServiceName
from convoy.core.errors import ConvoyError


def _data_folder() -> Path:
    """The folder of galleries and logs; in a container, a user may have no home."""
    try:
        return Path.home() / ".local" / "share" / "convoy"
    except RuntimeError:
        return Path("convoy-data")


PANEL = "Run Convoy"
DEFAULT_DATA = _data_folder()
CHECK_INTERVAL_S = 0.5


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (up, serve, health, demo):
        app.command(rich_help_panel=PANEL)(politely(command))


def up(
    data: Annotated[
        Path, typer.Option(help="Folder of galleries and logs.", show_default="~/.local/share/convoy")
    ] = DEFAULT_DATA,
    models: Annotated[Path | None, typer.Option(help="Model repository; by default CONVOY_MODELS.")] = None,
    ports_from: Annotated[
        int,
        typer.Option(
            min=1,
            max=60000,
            help="First of the consecutive ports of the services; the web door then has the next one, "
            "and 8080 otherwise. The metrics pages are at these ports + 1000.",
        ),
    ] = FIRST_PORT,
    name: Annotated[
        str, typer.Option(help="Name by which `convoy --fleet NAME` finds it.", show_default="convoy, convoy-PORT")
    ] = "",
    redis_url: Annotated[
        str | None, typer.Option(help="URL of a Redis to use instead of an embedded one: redis://, rediss://, unix://.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start Redis, the services and the web door on this machine, on loopback, and run them until Ctrl-C.

    Galleries are in the data folder, and every change is on disk before Convoy acknowledges it. If a process ends by
    itself, it is restarted. After Ctrl-C or SIGTERM, running requests finish first. With --redis-url, the command waits
    up to 30 seconds for that Redis.

    Example: **convoy up --data ./people --models exported_models**
    """
    from convoy.core.settings import read_settings
    from convoy.core.versions import shadowing_distribution
    from convoy.fleet import Fleet, default_ports, default_web_port, named

    if name:
        named.check_free(name)
    name = name or named.usual_name(ports_from)
    if warning := shadowing_distribution():
        typer.echo(f"convoy: {warning}", err=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    fleet = Fleet(
        data,
        models or read_settings().repositories,
        default_ports(ports_from),
        redis_url=redis_url,
        web_port=default_web_port(ports_from),
        on_ready=lambda name: typer.echo(f"{name} is ready", err=True),
        tell=lambda sentence: typer.echo(f"convoy: {sentence}", err=True),
    )
    try:
        with fleet, named.noted(name, fleet.addresses):
            _show_addresses(fleet.addresses | ({WEB: fleet.web_url} if fleet.web_url else {}), fleet.data, as_json)
            if ports_from != FIRST_PORT and not as_json:
                _show_how_to_reach(name, fleet.addresses)
            while True:
                time.sleep(CHECK_INTERVAL_S)
                fleet.restart_ended()
    except KeyboardInterrupt:
        typer.echo("answered all requests and stopped all processes", err=True)


def serve(
    service: Annotated[
        ProcessName, typer.Argument(help="The service; or **web**, the door for HTTP/JSON and the console.")
    ],
) -> None:
    """Run one service, or the web door, until SIGTERM or Ctrl-C. CONVOY_* variables configure it.

    Example: **CONVOY_PORT=50061 convoy serve faces**
    """
    if service == "web":
        from convoy.web.process import run as run_web

        run_web()
    else:
        from convoy.service_process import run

        run(service)


def health(
    service: Annotated[ServiceName | None, typer.Argument(help="Service to check; by default all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check whether services are ready for calls. Exits with 3 unless all of them are."""
    from convoy.client import Convoy
    from convoy.client.channels import connection

    addresses = connection().addresses
    chosen = SERVICES if service is None else (service,)
    with Convoy(timeout_s=5) as convoy:
        states = {one: _state(convoy, one) for one in chosen}
    if as_json:
        print_json({one: {"address": addresses[one], "status": states[one]} for one in chosen})
    else:
        print_table("", ("service", "address", "status"), [(one, addresses[one], states[one]) for one in chosen])
    if any(state != "SERVING" for state in states.values()):
        raise typer.Exit(ExitCode.UNAVAILABLE)


def demo(
    photos: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Folder of photos of your own people, one sub-folder for each person."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the annotated pictures.")] = Path("demo_output"),
    fpir: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Highest acceptable chance that a search names a stranger.")
    ] = None,
    models: Annotated[
        str, typer.Option(metavar="SET", help="Pull this set of open networks, such as **starter**, and use it.")
    ] = "",
    brought: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER", help="With --models: take the files only from here."),
    ] = None,
) -> None:
    """Show what Convoy does, on this machine and with real pictures. Exits with 0 only if every answer is right.

    Example: **convoy demo --photos my_people**
    """
    from convoy.demo.main import tell

    if not tell(photos, out, fpir, models, brought):
        raise typer.Exit(ExitCode.NO)


def _state(convoy: Any, service: ServiceName) -> str:
    try:
        return str(convoy.check_health(service))
    except ConvoyError as error:
        return error.reason


def _show_addresses(addresses: Any, data: Path, as_json: bool) -> None:
    if as_json:
        print_json(addresses)
        return
    print_table("", ("service", "address"), addresses.items())
    typer.echo(f"galleries and logs are in {data}; Ctrl-C stops everything")


def _show_how_to_reach(name: str, addresses: Any) -> None:
    """Say how a command in another terminal finds services on other ports than the usual ones."""
    from convoy.fleet import named

    typer.echo(f"`convoy --fleet {name} ...` asks this fleet; for other programs:")
    for variable, address in named.as_variables(addresses).items():
        typer.echo(f"export {variable}={address}")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
