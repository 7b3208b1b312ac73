"""Looks at a service's health as a probe does: a process of its own, and a connection of its own for each look.

It looks five times a second from an address that no attack comes from.
python -m tests.health_looks takes a port as a line, looks until the next line, and then prints the seconds that each
look took, as JSON; a look without an answer counts as five.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.raw_http2 import ask

HEALTH = "/grpc.health.v1.Health/Check"
HOST = "127.0.0.9"
NO_ANSWER_S = 5.0


class Probe:
    """The process that looks. It keeps the priority that the caller has now."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.health_looks"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    @contextmanager
    def looking(self, port: int) -> Iterator[list[float]]:
        """Look at the service on this port until the block ends; then the list holds the seconds of each look."""
        assert self._process.stdin and self._process.stdout
        took: list[float] = []
        self._process.stdin.write(f"{port}\n")
        try:
            yield took
        finally:
            self._process.stdin.write("\n")
            took += json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


async def _look(port: int) -> float:
    began = time.monotonic()
    with suppress(OSError, EOFError, TimeoutError):
        async with asyncio.timeout(NO_ANSWER_S):
            if b"grpc-status\x010" in await ask(port, HEALTH, host=HOST):
                return time.monotonic() - began
    return NO_ANSWER_S


async def _looks(port: int) -> list[float]:
    over = asyncio.ensure_future(asyncio.to_thread(sys.stdin.readline))
    took: list[float] = []
    while not over.done():
        took.append(await _look(port))
        await asyncio.wait([over], timeout=0.2)
    return took


if __name__ == "__main__":
    while line := sys.stdin.readline():
        print(json.dumps(asyncio.run(_looks(int(line)))), flush=True)
