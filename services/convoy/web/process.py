"""The web door as a process: serve until the process is told to stop, drain."""

import asyncio
import signal
import sys

import structlog
import uvloop

from convoy.client.channels import connection
from convoy.core.api import WEB
from convoy.core.errors import ConvoyError
from convoy.core.machine import keep_memory_small
from convoy.core.settings import Settings, misspelt_variables, read_settings
from convoy.core.telemetry import configure_logging
from convoy.core.tracing import configure_tracing, flush_traces
from convoy.web.server import WebServer

log = structlog.get_logger()


async def serve(settings: Settings) -> None:
    """Run the web door until SIGTERM or SIGINT, then let its requests finish and stop it."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = WebServer(settings, connection())
    await server.start()
    await stop.wait()
    await server.drain()


def run() -> None:
    """Serve by the CONVOY_* variables; exits 1 with one sentence when it cannot start."""
    try:
        settings = read_settings()
    except ConvoyError as error:
        sys.exit(f"cannot start {WEB}: {error}")
    keep_memory_small()
    configure_logging(settings)
    configure_tracing(WEB, settings.otlp_endpoint)
    for variable, meant in misspelt_variables().items():
        log.warning("unknown variable", variable=variable, did_you_mean=meant)
    try:
        uvloop.run(serve(settings))
    except ConvoyError as error:
        log.error("cannot start", service=WEB, reason=error.reason, problem=str(error))
        sys.exit(1)
    finally:
        flush_traces()
