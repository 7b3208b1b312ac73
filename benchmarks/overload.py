"""Measures a service under more load than it can carry: goodput, kept deadlines, quick refusals.

A closed loop measures the peak. Then h2load offers 1, 2 and 10 times as much in an open loop, and each call has a
deadline. Goodput is the number of calls that the server itself counts as OK, relative to the peak of the same round. A
slow generator adds a few calls a second, and measures from the moment each was due, to show how long an answer or a
refusal takes. `--beside` loads further models that nobody calls. Calls name their model in the metadata, unless you
give `--unnamed`.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.conditions import write_result
from benchmarks.h2load import Load, closed_loop, grpc_target, open_loop
from benchmarks.load import Answer, Metadata, method, open_channel, percentiles_ms, probe_loop
from benchmarks.networks import pictures, write_network
from benchmarks.requests import TENSOR_DOOR, tensor_request
from benchmarks.server import Served, serving

FACTORS = (1, 2, 10)
PROBES_PER_SECOND = 15.0
NETWORKS = ("mobilenet-v2.uint8", "resnet50.uint8")


def offer(
    served: Served, request: bytes, seconds: float, timeout_s: float, repeats: int, metadata: Metadata
) -> dict[str, object]:
    """Measure the peak and then multiples of it, several times."""
    asked = grpc_target(served.port, TENSOR_DOOR, request, None, metadata)
    urgent = grpc_target(served.port, TENSOR_DOOR, request, round(timeout_s * 1000), metadata)
    closed_loop(asked, 8, 1.0)
    peaks, rounds = [], defaultdict(list)
    for _ in range(repeats):
        peaks.append(closed_loop(asked, 8, seconds).per_second)
        for factor in FACTORS:
            before, cpu_s, started = served.answered(), served.cpu_s(), time.perf_counter()
            with ThreadPoolExecutor(1) as pool:
                probes = pool.submit(_probe, served.port, request, seconds, timeout_s, metadata)
                load = open_loop(urgent, peaks[-1] * factor, seconds)
                elapsed_s = time.perf_counter() - started
                good = served.answered() - before
                refused_cpu_s = served.cpu_s() - cpu_s
                answers = probes.result()
            rounds[factor].append((good / elapsed_s / peaks[-1], load, elapsed_s, refused_cpu_s, answers))
            time.sleep(1.0)
    return {
        "peak_per_second": round(statistics.median(peaks), 1),
        "deadline_s": timeout_s,
        **{f"{factor} x": judge(runs) for factor, runs in rounds.items()},
    }


def judge(runs: list[tuple[float, Load, float, float, list[Answer]]]) -> dict[str, object]:
    """Measure goodput against peak, latency of accepted and of refused calls, and who used the cores."""
    answers = [answer for *_, probes in runs for answer in probes]
    return {
        "goodput_of_peak": round(statistics.median(good for good, *_ in runs), 3),
        "each": [round(good, 3) for good, *_ in runs],
        "offered_per_second": round(statistics.median(load.answers / elapsed for _, load, elapsed, *_ in runs), 1),
        "load_generator_cores": round(statistics.median(load.cpu_s / elapsed for _, load, elapsed, *_ in runs), 2),
        "server_cores": round(statistics.median(cpu / elapsed for _, _, elapsed, cpu, _ in runs), 2),
        **{code: percentiles_ms(latencies) for code, latencies in _by_code(answers)},
    }


def _probe(port: int, request: bytes, seconds: float, timeout_s: float, metadata: Metadata) -> list[Answer]:
    async def probe() -> list[Answer]:
        async with open_channel(port) as channel:
            call = method(channel, TENSOR_DOOR)
            return await probe_loop(call, request, PROBES_PER_SECOND, seconds, timeout_s, metadata)

    return asyncio.run(probe())


def _by_code(answers: list[Answer]) -> Iterator[tuple[str, list[float]]]:
    for code in sorted({answer.code for answer in answers}):
        yield code, [answer.latency_s for answer in answers if answer.code == code]


def main() -> None:
    """Measure, print, and write results/overload.json, which is for one loaded model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each run")
    parser.add_argument("--timeout", type=float, default=1.0, help="seconds that a caller gives a call")
    parser.add_argument("--beside", nargs="+", default=(), help="further networks to load")
    parser.add_argument("--unnamed", action="store_true", help="name the model only in the message")
    chosen = parser.parse_args()
    numbers = {}
    for name in chosen.networks:
        with tempfile.TemporaryDirectory() as folder:
            for loaded in {name, *chosen.beside}:
                write_network(Path(folder), loaded)
            metadata = () if chosen.unnamed else (("convoy-model", name),)
            request = tensor_request(name, pictures(name, 1))
            with serving("classification", Path(folder), CONVOY_MODEL=name) as served:
                numbers[name] = offer(served, request, chosen.seconds, chosen.timeout, chosen.repeats, metadata)
        print(name, numbers[name], flush=True)
    if chosen.beside or chosen.unnamed:
        return
    print(write_result("overload", " ".join(["python -m benchmarks.overload", *sys.argv[1:]]), numbers))


if __name__ == "__main__":
    main()
