"""All six services in one process, for tests: no Redis, no files to clean up, no fixed ports."""

import asyncio
import gc
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import structlog
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from convoy.client import Convoy
from convoy.core.api import SERVICES
from convoy.core.serving.server import Server, Service
from convoy.core.settings import Settings
from convoy.recognition.servicer import build_on
from convoy.service_process import build
from convoy.testing.memory_store import MemoryStore

HOST = "127.0.0.1"
T = TypeVar("T")


@dataclass(frozen=True)
class RunningFleet:
    """A fleet that runs. convoy: a client of it; addresses: host:port of each service, for clients of your own."""

    convoy: Convoy
    addresses: dict[str, str]


@contextmanager
def fleet(models: Path | None = None, **settings: Any) -> Iterator[RunningFleet]:
    """Run all six services in this process until the block ends.

    It keeps galleries in memory, and loses them at the end. Each service listens on a free port of 127.0.0.1. The fleet
    ignores CONVOY_* variables, so that a test does the same on every machine; its clients obey them as always.

    models: a model repository; by default the tiny models of convoy.testing.tiny_models, which need the package onnx.
    settings: fields of convoy.core.settings.Settings for all services, such as quality_floor=0.1.
    Raises what a service raises when it cannot start, and ModuleNotFoundError without onnx.
    """
    with ExitStack() as stack:
        _log_to_stderr(stack)
        repository = models or _write_tiny_models(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        stack.callback(_restore_collector, gc.get_threshold())
        loop = stack.enter_context(_loop_in_a_thread())
        servers: dict[str, Server] = {}
        stack.callback(lambda: loop(_stop(servers)))
        loop(_start(servers, repository, settings))
        addresses = {name: _address_of(server) for name, server in servers.items()}
        arguments: dict[str, Any] = {**addresses}
        yield RunningFleet(stack.enter_context(Convoy(**arguments)), addresses)


class _OnlyWhatIsGiven(Settings):
    """Settings that no environment variable changes."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def _log_to_stderr(stack: ExitStack) -> None:
    """Keep standard output for the test's own program, unless that has said where log lines go."""
    if not structlog.is_configured():
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr), cache_logger_on_first_use=False)
        stack.callback(structlog.reset_defaults)


async def _start(servers: dict[str, Server], models: Path, settings: dict[str, Any]) -> None:
    """Start the services one after the other, recognition last, since it needs the address of faces."""
    chosen: dict[str, Any] = {"model_poll_s": 0.0, "drain_s": 1.0, "models": models, "port": 0, "metrics_port": 0}
    for name in SERVICES:
        if "faces" in servers:
            chosen["faces_address"] = _address_of(servers["faces"])
            chosen["classification_address"] = _address_of(servers["classification"])
        own = _OnlyWhatIsGiven(**(chosen | settings))
        service = build_on(MemoryStore(), own) if name == "recognition" else await build(name, own)
        server = Server(service, own)
        await server.start()
        servers[name] = server
        await _wait_until_ready(service)


async def _wait_until_ready(service: Service) -> None:
    while not service.is_ready():
        await asyncio.sleep(0.01)


async def _stop(servers: dict[str, Server]) -> None:
    """Stop recognition first, since it calls faces; then stop the others at the same time."""
    if recognition := servers.pop("recognition", None):
        await recognition.drain()
    await asyncio.gather(*(server.drain() for server in servers.values()))


@contextmanager
def _loop_in_a_thread() -> Iterator[Any]:
    """Run an event loop in a thread; yields a function that runs a coroutine there and waits for its result."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="convoy-testing", daemon=True)
    thread.start()

    def run(work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    try:
        yield run
    finally:
        run(loop.shutdown_default_executor())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _address_of(server: Server) -> str:
    return f"{HOST}:{server.port}"


def _write_tiny_models(folder: Path) -> Path:
    try:
        from convoy.testing.tiny_models import write_repository
    except ModuleNotFoundError as error:
        hint = "pip install 'convoy-vision[import]', or pass a model repository: fleet(models)"
        raise ModuleNotFoundError(f"the tiny models need the package {error.name}: {hint}") from None
    return write_repository(folder)


def _restore_collector(threshold: tuple[int, int, int]) -> None:
    """Undo a server's changes to the garbage collector, which suit only a process of its own."""
    gc.set_threshold(*threshold)
    gc.unfreeze()
