"""What a service does under more load than it can carry: goodput, kept deadlines, quick refusals.

Peak is measured with a closed loop; then an open loop offers 1, 2 and 10 times as much, each call with a deadline.
Goodput counts answers that came OK within it.
"""

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.conditions import write_result
from benchmarks.load import Answer, closed_loop, method, open_channel, open_loop, percentiles_ms
from benchmarks.networks import write_network
from benchmarks.server import serving
from benchmarks.serving_overhead import TENSOR_DOOR, tensor_request


async def offer(port: int, request: bytes, seconds: float, timeout_s: float) -> dict[str, object]:
    """Peak, then multiples of it."""
    async with open_channel(port) as channel:
        call = method(channel, TENSOR_DOOR)
        await closed_loop(call, request, 8, 1.0)
        started = time.perf_counter()
        peak = len(await closed_loop(call, request, 8, seconds)) / (time.perf_counter() - started)
        numbers: dict[str, object] = {"peak_per_second": round(peak, 1), "deadline_s": timeout_s}
        for factor in (1, 2, 10):
            answers = await open_loop(call, request, peak * factor, seconds, timeout_s)
            numbers[f"{factor} x"] = judge(answers, peak, seconds)
            await asyncio.sleep(1.0)
    return numbers


def judge(answers: list[Answer], peak: float, seconds: float) -> dict[str, object]:
    """Goodput against peak; latency of the accepted and of the refused."""
    good = [a.latency_s for a in answers if a.code == "OK"]
    refused = [a.latency_s for a in answers if a.code == "RESOURCE_EXHAUSTED"]
    span_s = max(seconds, *(a.latency_s for a in answers))
    return {
        "offered_per_second": round(len(answers) / seconds, 1),
        "goodput_of_peak": round(len(good) / span_s / peak, 3),
        "answers": dict(Counter(a.code for a in answers)),
        "accepted": percentiles_ms(good),
        "refused": percentiles_ms(refused),
    }


def main() -> None:
    """Measure, print, write results/overload.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="mobilenet-v2")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--timeout", type=float, default=1.0, help="seconds that a caller gives a call")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_network(Path(folder), chosen.network)
        variables = {"CONVOY_MODEL": chosen.network}
        with serving("classification", Path(folder), **variables) as served:
            request = tensor_request(chosen.network)
            numbers = asyncio.run(offer(served.port, request, chosen.seconds, chosen.timeout))
    print(numbers)
    print(write_result("overload", "python -m benchmarks.overload", numbers))


if __name__ == "__main__":
    main()
