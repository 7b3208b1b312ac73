"""One service as a process: the only place that knows all five by name."""

import asyncio
import difflib
import importlib
import os
import signal
import sys
from collections.abc import Iterable

import structlog
import uvloop
from pydantic import ValidationError

from convoy.core.errors import ConvoyError
from convoy.core.rpc import Server, Service
from convoy.core.settings import Settings
from convoy.core.telemetry import configure_logging
from convoy.core.tracing import configure_tracing, flush_traces

SERVICES = ("classification", "detection", "segmentation", "faces", "recognition")
log = structlog.get_logger()


async def build(name: str, settings: Settings) -> Service:
    """A service by name, not started. Only its own modules are imported, so that a process stays small."""
    service: Service = await importlib.import_module(f"convoy.{name}.servicer").build(settings)
    return service


async def serve(name: str, settings: Settings) -> None:
    """Run a service until SIGTERM or SIGINT, then drain it."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = Server(await build(name, settings), settings)
    await server.start()
    await stop.wait()
    await server.drain()


def run(name: str) -> None:
    """Serve by the CONVOY_* variables; exits 1 with one sentence when the service cannot start."""
    try:
        settings = Settings()
    except ValidationError as error:
        sys.exit(f"cannot start {name}: {_bad_variables(error)}")
    configure_logging(settings)
    configure_tracing(name, settings.otlp_endpoint)
    for variable, meant in _misspelt(os.environ).items():
        log.warning("unknown variable", variable=variable, did_you_mean=meant)
    try:
        uvloop.run(serve(name, settings))
    except ConvoyError as error:
        log.error("cannot start", service=name, reason=error.reason, problem=error.message)
        sys.exit(1)
    finally:
        flush_traces()


def _misspelt(variables: Iterable[str]) -> dict[str, str]:
    """CONVOY_* variables that nobody reads but that look much like one that is read, each with that one.

    Others are left alone: clients have their own, and Kubernetes sets CONVOY_FACES_SERVICE_HOST and its like.
    """
    known = {f"CONVOY_{field.upper()}" for field in Settings.model_fields}
    strangers = (name for name in variables if name.startswith("CONVOY_") and name not in known)
    close = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.9) for name in strangers}
    return {name: matches[0] for name, matches in close.items() if matches}


def _bad_variables(error: ValidationError) -> str:
    problems = (f"CONVOY_{str(e['loc'][0]).upper()}={e['input']!r}: {e['msg']}" for e in error.errors())
    return "; ".join(problems)
