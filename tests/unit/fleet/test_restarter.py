"""What becomes of a process that ends by itself."""

import sys
from pathlib import Path

import pytest
from convoy.fleet.process import Process
from convoy.fleet.restarter import Restarter


class FakeProcess:
    name = "faces"
    log_path = Path("faces.log")

    def __init__(self, ending: str | None = None) -> None:
        self.how = ending
        self.is_cleared = False

    def ending(self) -> str | None:
        return self.how

    def kill_what_is_left(self) -> None:
        self.is_cleared = True


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("convoy.fleet.restarter.time.monotonic", lambda: self.now)


def test_pauses_double_up_to_half_a_minute_and_are_short_again_after_a_quiet_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, said, started = Clock(monkeypatch), [], []

    def start() -> FakeProcess:
        started.append(clock.now)
        return FakeProcess()

    first = FakeProcess()
    restarter = Restarter(first, start, said.append)  # type: ignore[arg-type]
    restarter.restart_if_ended()
    assert said == []
    for pause_s in (1, 2, 4, 8, 16, 30, 30):
        restarter.process.how = "was ended by SIGKILL"  # type: ignore[attr-defined]
        ended = restarter.process
        restarter.restart_if_ended()
        assert said[-1].startswith(f"faces was ended by SIGKILL; it restarts in {pause_s} s")
        assert ended.is_cleared  # type: ignore[attr-defined]
        clock.now += pause_s - 0.1
        restarter.restart_if_ended()
        assert restarter.process is ended
        clock.now += 0.2
        restarter.restart_if_ended()
        assert restarter.process is not ended
    assert len(said) == len(started) == 7
    clock.now += 61
    restarter.process.how = "ended by itself with status 1"  # type: ignore[attr-defined]
    restarter.restart_if_ended()
    assert "it restarts in 1 s" in said[-1]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL, as the system does when"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "was ended by SIGTERM"),
        ("raise SystemExit(3)", "ended by itself with status 3"),
    ],
)
def test_how_a_process_ended_is_told_in_words(program: str, words: str, tmp_path: Path) -> None:
    process = Process("faces", [sys.executable, "-c", program], tmp_path / "faces.log")
    process.wait(60)
    process.ask_to_stop()
    assert (process.ending() or "").startswith(words)
