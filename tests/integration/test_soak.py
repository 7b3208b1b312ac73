"""A short soak of a real fleet, and that a leak would be seen. `make soak MINUTES=60` is the long one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from convoy.core.api import SERVICES

from benchmarks.soak import Sample, judge

ROOT = Path(__file__).resolve().parents[2]
MINUTES = "0.5"
HOUR_S = 3600


def hour(climb_mib: float = 0.0, files: int = 0, threads: int = 0) -> list[Sample]:
    """A process over an hour, one sample in ten seconds: what it has more at the end than at the beginning."""
    shares = [index / 360 for index in range(361)]
    return [Sample(s * HOUR_S, 100 + s * climb_mib, 20 + round(s * files), 8 + round(s * threads)) for s in shares]


@pytest.mark.parametrize("process", [hour(), hour(climb_mib=20), hour(climb_mib=-50), hour(files=4, threads=4)])
def test_what_hardly_grows_is_flat(process: list[Sample]) -> None:
    assert judge(process).is_good


@pytest.mark.parametrize("process", [hour(climb_mib=100), hour(files=100), hour(threads=100)])
def test_a_leak_is_seen(process: list[Sample]) -> None:
    assert not judge(process).is_good


@pytest.mark.redis
@pytest.mark.slow
def test_a_short_soak_stays_flat_and_is_reported(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.soak", "--minutes", MINUTES, "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report = (tmp_path / "soak.md").read_text()
    assert [service for service in SERVICES if f"| {service} | " not in report] == []
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")
