"""Makes calls from Python at a low rate, to see the result of each, which h2load cannot show.

The loop fixes the time of each call beforehand and measures from that time, whether or not earlier calls are answered.
Otherwise a slow server would delay its callers and hide how slow it is (coordinated omission).
"""

import asyncio
import time
from dataclasses import dataclass
from typing import TypeAlias

import grpc
import numpy as np

Method: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]"
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Answer:
    """One call: seconds since the time at which it was due, and its status."""

    latency_s: float
    code: str


def method(channel: grpc.aio.Channel, path: str) -> Method:
    """Make a call that takes and returns serialized messages, so that the load generator needs little CPU time."""
    return channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)


def open_channel(port: int) -> grpc.aio.Channel:
    """Open a channel with its own connection to a server on this machine."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}", options)


async def probe_loop(
    call: Method, request: bytes, rate: float, seconds: float, timeout_s: float, metadata: Metadata = ()
) -> list[Answer]:
    """Make `rate` calls a second, at exponentially distributed intervals (seed 0), each with a deadline."""
    distances = np.random.default_rng(0).exponential(1 / rate, max(1, int(rate * seconds)))
    due = time.perf_counter() + np.cumsum(distances)
    tasks = []
    for moment in due:
        if (wait_s := moment - time.perf_counter()) > 0:
            await asyncio.sleep(wait_s)
        tasks.append(asyncio.create_task(_timed(call, request, float(moment), timeout_s, metadata)))
    return list(await asyncio.gather(*tasks))


def percentiles_ms(latencies_s: list[float]) -> dict[str, float]:
    """Compute p50, p90, p99 and the maximum, in milliseconds."""
    if not latencies_s:
        return {}
    values = np.percentile(latencies_s, [50, 90, 99, 100]) * 1000
    return dict(zip(("p50_ms", "p90_ms", "p99_ms", "max_ms"), np.round(values, 2).tolist(), strict=True))


async def _timed(call: Method, request: bytes, due: float, timeout_s: float, metadata: Metadata) -> Answer:
    try:
        await call(request, timeout=timeout_s, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        return Answer(time.perf_counter() - due, error.code().name)
    return Answer(time.perf_counter() - due, "OK")
