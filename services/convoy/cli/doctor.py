"""convoy doctor: looks at this machine and at a deployment, and says what to do."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from convoy.cli.failures import ExitCode, politely
from convoy.cli.fleet import DEFAULT_DATA, PANEL
from convoy.cli.output import AsJson, print_json, print_table

if TYPE_CHECKING:
    from convoy.doctor.findings import Finding

SIGNS = {"good": "ok", "warning": "look", "problem": "WRONG"}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel=PANEL)(politely(doctor))


def doctor(
    data: Annotated[
        Path, typer.Option(help="Folder of galleries and logs.", show_default="~/.local/share/convoy")
    ] = DEFAULT_DATA,
    models: Annotated[Path | None, typer.Option(help="Model repository; by default CONVOY_MODELS.")] = None,
    redis_url: Annotated[str | None, typer.Option(help="URL of Redis; by default CONVOY_REDIS_URL.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look at this machine, the models, the services, Redis and the certificates, and say what to do.

    Nothing is changed.

    It reads the same CONVOY_* variables as services and clients. Exits with 1 if something is wrong.

    Example: **convoy doctor**
    """
    findings = []
    for finding in _look(data, models, redis_url):
        findings.append(finding)
    if as_json:
        print_json(findings)
    else:
        rows = [(SIGNS[one.level], one.about, one.says, one.advice) for one in findings]
        print_table("", ("", "what", "found", "what to do"), rows)
    if any(one.level == "problem" for one in findings):
        raise typer.Exit(ExitCode.NO)


def _look(data: Path, models: Path | None, redis_url: str | None) -> "Iterator[Finding]":
    from importlib.util import find_spec

    from convoy.client.channels import connection
    from convoy.core.settings import read_settings
    from convoy.doctor.certificates import look_at_certificates
    from convoy.doctor.machine import look_at_machine
    from convoy.doctor.models import look_at_models
    from convoy.doctor.services import look_at_services

    settings = read_settings()
    yield from look_at_machine(data)
    wanted = [settings.classification_model, settings.detection_model, settings.segmentation_model]
    wanted += [settings.imaging_model, settings.face_detector, settings.face_embedder]
    yield from look_at_models([models] if models else settings.repositories, wanted)
    yield from look_at_certificates(settings)
    yield from look_at_services(connection())
    if find_spec("redis") is not None:
        from convoy.doctor.redis import look_at_redis

        file = settings.redis_password_file
        password = file.read_text().strip() if file else ""
        yield from look_at_redis(redis_url or settings.redis_url.get_secret_value(), password)
