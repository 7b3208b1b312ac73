"""Measures what one caller's flood does to another caller: `python -m benchmarks.fairness --model cifar10-resnet`.

One classification service with two tokens. The calm caller asks ten times a second, first alone and then while the
other keeps 64 calls open. The flood runs at the lowest priority, since it stands for another machine and must not take
the service's cores. Each time counts from when the call was due. Prints the share of the calm caller's calls that
took less than twice its quiet median, beside the flood and without it (which shows what other work the machine does),
and what came of the flood's; and writes results/fairness.json. It takes a little over twice --seconds.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
from convoy.core.security.tokens import make_token, write_line
from convoy.testing import pictures
from convoy.v1 import classification_pb2, common_pb2

from benchmarks.conditions import in_words, write_result
from benchmarks.load import method, open_channel, probe_loop
from benchmarks.server import serving

METHOD = "/convoy.v1.ClassificationService/Classify"
RATE = 10.0


def _request(model: str) -> bytes:
    image = common_pb2.Image(encoded=pictures.encode(pictures.plain(), ".jpg"))
    return classification_pb2.ClassifyRequest(images=[image], model=common_pb2.ModelRef(name=model)).SerializeToString()


async def _flood(port: int, request: bytes, token: str, callers: int, seconds: float) -> Counter[str]:
    codes: Counter[str] = Counter()
    end = time.monotonic() + seconds

    async def one(channel: grpc.aio.Channel) -> None:
        call = method(channel, METHOD)
        while time.monotonic() < end:
            try:
                await call(request, timeout=10, metadata=(("authorization", f"Bearer {token}"),))
                codes["OK"] += 1
            except grpc.aio.AioRpcError as error:
                codes[error.code().name] += 1

    async with open_channel(port) as channel:
        await asyncio.gather(*(one(channel) for _ in range(callers)))
    return codes


async def _calm(port: int, request: bytes, token: str, seconds: float) -> list[tuple[float, str]]:
    async with open_channel(port) as channel:
        answers = await probe_loop(
            method(channel, METHOD), request, RATE, seconds, 10, (("authorization", f"Bearer {token}"),)
        )
    return [(answer.latency_s, answer.code) for answer in answers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="cifar10-resnet")
    parser.add_argument("--models", type=Path, default=Path("exported_models"))
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--flood", nargs=2, metavar=("PORT", "TOKEN"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    request = _request(options.model)
    if options.flood:
        codes = asyncio.run(
            _flood(int(options.flood[0]), request, options.flood[1], options.callers, options.seconds + 2)
        )
        print(json.dumps(codes))
        return
    calm, flood = make_token(), make_token()
    with tempfile.TemporaryDirectory() as folder:
        tokens = Path(folder) / "tokens"
        lines = [write_line(name, token, ["classification"]) for name, token in (("calm", calm), ("flood", flood))]
        tokens.write_text("\n".join(lines))
        # In one session with the callers: they stand for other machines, and must not share the cores in halves.
        with serving("classification", options.models, False, CONVOY_TOKENS_FILE=str(tokens)) as served:
            asyncio.run(_calm(served.port, request, calm, 2))
            quiet = asyncio.run(_calm(served.port, request, calm, options.seconds))
            words = [*sys.argv[1:], "--flood", str(served.port), flood]
            command = ["nice", "-n", "19", sys.executable, "-m", "benchmarks.fairness", *words]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
                time.sleep(2)
                beside = asyncio.run(_calm(served.port, request, calm, options.seconds))
                said, _ = other.communicate()
    median_s = statistics.median(latency for latency, _ in quiet)

    def under_twice(calls: list[tuple[float, str]]) -> float:
        return round(sum(code == "OK" and latency < 2 * median_s for latency, code in calls) / len(calls), 3)

    kept: dict[str, Any] = {
        "quiet_ms": round(median_s * 1000, 1),
        "quiet_p90_ms": round(statistics.quantiles([latency for latency, _ in quiet], n=10)[-1] * 1000, 1),
        "beside_ms": round(statistics.median(latency for latency, _ in beside) * 1000, 1),
        "beside_p90_ms": round(statistics.quantiles([latency for latency, _ in beside], n=10)[-1] * 1000, 1),
        "quiet_under_twice": under_twice(quiet),
        "under_twice": under_twice(beside),
        "calm": dict(Counter(code for _, code in beside)),
        "flood": json.loads(said),
    }
    print(
        f"{options.model}, {len(beside)} calls of a calm caller beside {options.callers} callers of another:\n"
        f"  under twice its quiet median: {kept['under_twice']:.1%} (the goal is 90 %; without the flood "
        f"{kept['quiet_under_twice']:.1%})\n"
        f"  median {kept['beside_ms']} ms, p90 {kept['beside_p90_ms']} ms; without the flood {kept['quiet_ms']} and "
        f"{kept['quiet_p90_ms']} ms\n"
        f"  answers: {kept['calm']}; those of the flood: {kept['flood']}\n"
        f"  {in_words()}"
    )
    asked = " ".join(["python -m benchmarks.fairness", *sys.argv[1:]])
    print(write_result("fairness", asked, {options.model: kept}))


if __name__ == "__main__":
    main()
