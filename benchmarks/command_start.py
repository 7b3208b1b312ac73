"""Measures how long `convoy classify photo.jpg` takes from start to end, beside an earlier checkout.

    python -m benchmarks.command_start
    python -m benchmarks.command_start --beside ../convoy-before --rounds 20

The service runs already. Both commands ask it in turns. `python -c pass` says how much of that is Python itself.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from convoy.testing.pictures import encode, portrait

from benchmarks.conditions import in_words
from benchmarks.server import serving

ROOT = Path(__file__).resolve().parents[1]


def run(command: list[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Seconds by the clock and of CPU time that a command takes."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after, took = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--beside", type=Path, help="another checkout, such as one of the commit before")
    asked = parser.parse_args()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONVOY_")}
    checkouts = {"this checkout": ROOT} | ({"beside": asked.beside.resolve()} if asked.beside else {})
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in ("python -c pass", *checkouts)}
    with tempfile.TemporaryDirectory() as folder, serving("classification", ROOT / "exported_models") as served:
        photo = Path(folder) / "photo.jpg"
        photo.write_bytes(encode(portrait(1), ".jpg"))
        clean["CONVOY_CLASSIFICATION_ADDRESS"] = f"127.0.0.1:{served.port}"
        for _ in range(asked.rounds):
            took["python -c pass"].append(run([sys.executable, "-c", "pass"], clean))
            for name, checkout in checkouts.items():
                command = [sys.executable, "-m", "convoy.cli", "classify", str(photo)]
                took[name].append(run(command, clean | {"PYTHONPATH": str(checkout / "services")}))
    middle = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in took.items()}
    for name, (clock_s, cpu_s) in middle.items():
        print(f"{name:16}{clock_s:8.3f} s by the clock, {cpu_s:.3f} s of CPU time")
    if asked.beside:
        clock, cpu = (here / there for here, there in zip(middle["this checkout"], middle["beside"], strict=True))
        print(f"this checkout takes {clock:.2f} times as long, and {cpu:.2f} times the CPU time")
    print(in_words())


if __name__ == "__main__":
    main()
