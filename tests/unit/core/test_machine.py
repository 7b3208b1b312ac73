"""What the container lets a process have."""

from pathlib import Path

import pytest
from convoy.core import machine


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1), ("9900000 100000", 8)]
)
def test_cores_follow_the_containers_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int
) -> None:
    (tmp_path / "cpu.max").write_text(quota)
    assert counted(tmp_path, monkeypatch) == cores


@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("150000", 2), ("50000", 1), ("9900000", 8)])
def test_cores_follow_the_quota_of_the_older_cgroups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int
) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert counted(tmp_path, monkeypatch) == cores


def counted(cgroup: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(machine, "_CGROUP", cgroup)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(8)))
    return machine.available_cores()
