"""A host that begins calls and resets them at once is cut off, and callers from elsewhere are served."""

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path

import pytest
from convoy.client import AsyncConvoy
from convoy.core.errors import Unavailable
from convoy.core.telemetry import RESET_FLOODS
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository

from tests.reset_flood import reset
from tests.serving import running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a service keep hosts out")
FLOOD, OTHER = "127.0.0.2", "127.0.0.3"
RED = pictures.encode(pictures.plain((220, 20, 20)))


async def connects(port: int, source: str, patience_s: float) -> bool:
    try:
        async with asyncio.timeout(patience_s):
            _, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    except TimeoutError:
        return False
    writer.close()
    return True


async def failure(call: Awaitable[object]) -> Unavailable | None:
    try:
        await call
    except Unavailable as error:
        return error
    return None


async def test_a_host_that_resets_its_calls_is_kept_out(tmp_path: Path) -> None:
    times: float = RESET_FLOODS._value.get()
    async with running("classification", write_repository(tmp_path)) as one:
        port = one.server.port
        floods = [
            asyncio.create_task(reset(port, float("inf"), number % 2 == 0, FLOOD, Counter())) for number in range(4)
        ]
        try:
            async with asyncio.timeout(60):
                while RESET_FLOODS._value.get() == times:
                    await asyncio.sleep(0.1)
            async with asyncio.timeout(60):  # it is counted a moment before it is kept out
                while await connects(port, FLOOD, 0.5):
                    await asyncio.sleep(0.1)
            assert await connects(port, OTHER, 30)
            async with AsyncConvoy(classification=f"127.0.0.1:{port}") as convoy:
                # Calls that were begun before are looked through first.
                async with asyncio.timeout(60):
                    while await failure(convoy.classify(RED)):
                        await asyncio.sleep(0.1)
                for _ in range(5):
                    assert (await convoy.classify(RED)).best.label == "red"
        finally:
            for flood in floods:
                flood.cancel()
            await asyncio.gather(*floods, return_exceptions=True)
