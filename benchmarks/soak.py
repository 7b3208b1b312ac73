"""Puts mixed load on the whole fleet for minutes or hours, and checks that its processes do not grow.

    .venv/bin/python -m benchmarks.soak --minutes 5 --out benchmarks/results/soak

The first third of the run is warm-up. Over the rest, the command fits a line to each process's resident memory. The
line may climb by 24 MiB in all and 8 MiB an hour; open files and threads may grow by 8. It writes soak.md and soak.png,
and exits with 1 if a bound is broken, a process ended, or a call failed that should not have.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import psutil
from convoy.client import Convoy, plans
from convoy.core.errors import ConvoyError, InvalidArgument
from convoy.fleet import Fleet, free_ports
from convoy.testing import pictures
from convoy.testing.bad_pictures import bombs
from convoy.testing.tiny_models import write_repository

from benchmarks.conditions import conditions
from benchmarks.processes import processes

mpl.use("Agg")
MIB = 2**20
WARM_UP = 1 / 3
CLIMB_MIB, CLIMB_MIB_AN_HOUR, MORE_HANDLES = 24.0, 8.0, 8
PEOPLE = 50
GALLERY = "soak"
BOMBS = tuple(bombs().values())
PORTRAIT = pictures.encode(pictures.portrait(0))
STREET = pictures.encode(pictures.with_box((10, 10, 60, 60)), ".jpg")


class Sample(NamedTuple):
    """A process at one moment: seconds since the start, resident MiB, open files, threads."""

    seconds: float
    resident_mib: float
    files: int
    threads: int


class Verdict(NamedTuple):
    """The result for a process; climb_mib: climb of the fitted line after warm-up."""

    first_mib: float
    last_mib: float
    climb_mib: float
    slope_mib_an_hour: float
    more_files: int
    more_threads: int
    is_good: bool


def works(convoy: Convoy) -> list[Callable[[], object]]:
    """List the calls of a round: every service, streams, people who come and go, and hostile pictures."""
    numbers = count()

    def stream() -> None:
        for _ in convoy.stream(plans.detect(STREET) for _ in range(16)):
            pass

    def come_and_go() -> None:
        number = next(numbers)
        photo = pictures.encode(pictures.portrait(1 + number % 1000))
        convoy.register(GALLERY, f"p{number}", [photo], allow_identity_conflict=True)
        if number >= PEOPLE:
            convoy.delete_person(GALLERY, f"p{number - PEOPLE}")

    def refused() -> None:
        for bomb in BOMBS:
            try:
                convoy.classify(bomb)
            except InvalidArgument:
                continue
            raise AssertionError("a decompression bomb was accepted")

    return [
        lambda: convoy.classify_many([STREET] * 4),
        stream,
        lambda: convoy.segment(STREET),
        lambda: convoy.embed_faces(PORTRAIT),
        lambda: convoy.identify(GALLERY, PORTRAIT),
        come_and_go,
        refused,
    ]


def soak(fleet: Fleet, seconds: float, interval_s: float) -> tuple[dict[str, list[Sample]], Counter[str]]:
    """Collect samples of each process, and how calls ended."""
    outcomes, stop = Counter[str](), threading.Event()

    def caller(work: Callable[[], object]) -> None:
        while not stop.is_set():
            try:
                work()
                outcomes["OK"] += 1
            except (ConvoyError, AssertionError) as error:
                outcomes[getattr(error, "reason", str(error))] += 1

    alive = processes(fleet)
    samples: dict[str, list[Sample]] = {service: [] for service in alive}
    with fleet.client() as convoy:
        convoy.create_gallery(GALLERY)
        convoy.register(GALLERY, "known", [PORTRAIT])
        threads = [threading.Thread(target=caller, args=(work,), daemon=True) for work in works(convoy)]
        for thread in threads:
            thread.start()
        started = time.monotonic()
        while (now := time.monotonic() - started) < seconds:
            for service, process in alive.items():
                samples[service].append(look(process, now))
            time.sleep(interval_s)
        stop.set()
        for thread in threads:
            thread.join()
    fleet.check()
    return samples, outcomes


def look(process: psutil.Process, seconds: float) -> Sample:
    """Take a sample of a process."""
    return Sample(seconds, process.memory_info().rss / MIB, process.num_fds(), process.num_threads())


def judge(samples: list[Sample]) -> Verdict:
    """Fit a line by least squares to the samples after warm-up, and compare it with the bounds."""
    kept = samples[int(len(samples) * WARM_UP) :]
    seconds, resident, files, threads = np.array(kept).T
    slope = float(np.polyfit(seconds, resident, 1)[0])
    span_s = float(seconds[-1] - seconds[0])
    half = len(kept) // 2
    more_files = int(np.median(files[half:]) - np.median(files[:half]))
    more_threads = int(np.median(threads[half:]) - np.median(threads[:half]))
    is_good = (
        slope * span_s <= CLIMB_MIB + CLIMB_MIB_AN_HOUR * span_s / 3600
        and max(more_files, more_threads) <= MORE_HANDLES
    )
    return Verdict(resident[0], resident[-1], slope * span_s, slope * 3600, more_files, more_threads, is_good)


def draw(samples: dict[str, list[Sample]], path: Path) -> None:
    """Draw the resident memory of each process over the run."""
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4))
    for service, rows in samples.items():
        axes.plot([row.seconds / 60 for row in rows], [row.resident_mib for row in rows], label=service)
    axes.set(xlabel="minutes", ylabel="resident memory, MiB", ylim=(0, None))
    axes.legend()
    figure.savefig(path, bbox_inches="tight", dpi=100)


def report(command: str, minutes: float, verdicts: dict[str, Verdict], outcomes: Counter[str]) -> str:
    """Write the report."""
    facts = conditions()
    lines = [
        f"# Soak of {minutes:g} minutes",
        "",
        f"`{command}`, {facts['date']}, {facts['cpu']}, {facts['cores']} cores. Rounds of calls: "
        + ", ".join(f"{number:,} {reason}" for reason, number in outcomes.most_common())
        + ".",
        "",
        "| process | MiB after warm-up | at the end | climb of the fitted line | an hour | files | threads | |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for service, v in verdicts.items():
        numbers = f"{v.first_mib:.1f} | {v.last_mib:.1f} | {v.climb_mib:+.1f} | {v.slope_mib_an_hour:+.1f}"
        word = "flat" if v.is_good else "GROWS"
        lines.append(f"| {service} | {numbers} | {v.more_files:+d} | {v.more_threads:+d} | {word} |")
    lines += [
        "",
        f"Allowed: {CLIMB_MIB:g} MiB and {CLIMB_MIB_AN_HOUR:g} MiB an hour; {MORE_HANDLES} files and threads more. The"
        " first third of the run is warm-up.",
        "",
        "![Resident memory of each process](soak.png)",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    """Run, write the report, and return 0 if all was well, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--models", type=Path, help="model repository; by default tiny graphs that cost almost nothing")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/soak"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="convoy-soak-") as folder:
        models = chosen.models or write_repository(Path(folder) / "models")
        with Fleet(Path(folder) / "data", models, free_ports(), metrics=False) as fleet:
            samples, outcomes = soak(fleet, chosen.minutes * 60, max(0.5, chosen.minutes * 60 / 400))
    verdicts = {service: judge(rows) for service, rows in samples.items()}
    chosen.out.mkdir(parents=True, exist_ok=True)
    draw(samples, chosen.out / "soak.png")
    command = f"python -m benchmarks.soak --minutes {chosen.minutes:g}"
    text = report(command, chosen.minutes, verdicts, outcomes)
    (chosen.out / "soak.md").write_text(text)
    print(text)
    return 0 if all(verdict.is_good for verdict in verdicts.values()) and set(outcomes) == {"OK"} else 1


if __name__ == "__main__":
    sys.exit(main())
