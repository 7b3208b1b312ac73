"""One service as a process: read the settings, serve until the process is told to stop, drain."""

import asyncio
import importlib
import signal
import sys

import structlog
import uvloop

from convoy.core.api import ServiceName
from convoy.core.errors import ConvoyError
from convoy.core.machine import keep_memory_small
from convoy.core.model_sets import apply_set
from convoy.core.security.neighbours import find_others
from convoy.core.serving.call_log import sample_calls
from convoy.core.serving.server import Server, Service
from convoy.core.settings import Settings, misspelt_variables, outdated_variables, read_settings
from convoy.core.telemetry import configure_logging
from convoy.core.tracing import configure_tracing, flush_traces

log = structlog.get_logger()

_SWITCH_S = 0.0005
"""How long a thread runs Python before another one gets its turn: with the default of 5 ms, the short work of a calm
caller waits that long in every thread that it passes while a flood is served."""


async def build(name: str, settings: Settings) -> Service:
    """A service by name, not started. Only its own modules are imported, so that a process stays small."""
    servicer = importlib.import_module(f"convoy.{name}.servicer")
    service: Service = await servicer.build(apply_set(settings))
    return service


async def serve(name: str, settings: Settings) -> None:
    """Run a service until SIGTERM or SIGINT, then let its calls finish and stop it."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = Server(await build(name, settings), settings)
    await server.start()
    await stop.wait()
    await server.drain()


def run(name: ServiceName) -> None:
    """Serve by the CONVOY_* variables; exits 1 with one sentence when the service cannot start."""
    try:
        settings = read_settings()
    except ConvoyError as error:
        sys.exit(f"cannot start {name}: {error}")
    keep_memory_small()
    sys.setswitchinterval(_SWITCH_S)
    configure_logging(settings)
    sample_calls(settings.log_calls_per_s)
    configure_tracing(name, settings.otlp_endpoint)
    for variable, now in outdated_variables(name).items():
        log.warning("this variable has a new name", variable=variable, use=now)
    for variable, meant in misspelt_variables().items():
        log.warning("unknown variable", variable=variable, did_you_mean=meant)
    if others := find_others(settings):
        log.warning("this service can read tokens of others; give it a folder of its own", files=others)
    try:
        uvloop.run(serve(name, settings))
    except ConvoyError as error:
        log.error("cannot start", service=name, reason=error.reason, problem=str(error))
        sys.exit(1)
    finally:
        flush_traces()
