"""What the container lets a process have."""

import os
import platform
import subprocess
import sys
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


def test_a_large_message_lies_in_large_pages() -> None:
    chosen = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not chosen.exists() or "[never]" in chosen.read_text() or platform.libc_ver()[0] != "glibc":
        pytest.skip("this system has no large pages for malloc")
    code = "b = b'1' * (60 * 2**20); print(open('/proc/self/smaps_rollup').read())"
    told = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | machine.LARGE_PAGES, text=True, capture_output=True
    )
    pages = next(line for line in told.stdout.splitlines() if line.startswith("AnonHugePages"))
    assert int(pages.split()[1]) > 40 * 1024
    image = (Path(__file__).parents[3] / "services" / "Dockerfile").read_text()
    assert all(f"ENV {name}={value}\n" in image for name, value in machine.LARGE_PAGES.items())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux alone")
@pytest.mark.parametrize("of_the_process", [0, 5, 19])
@pytest.mark.parametrize("asked", [1, 19])
def test_a_thread_gives_way_to_the_loop_of_a_process_that_is_nice_itself(of_the_process: int, asked: int) -> None:
    """In a process without rights, which may lower priorities and raise none."""
    program = f"""
import os, threading
from convoy.core.machine import give_way
loops = os.nice({of_the_process})
if os.getuid() == 0:
    os.setuid(65534)
def work():
    give_way({asked})
    print(loops, os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loops, becomes = map(int, done.stdout.split())
    assert becomes == min(19, loops + asked)
