"""The long attacks go on where they were stopped, and begin anew when all is done."""

import sys
from pathlib import Path

import pytest

from benchmarks import attack_parts

SHOWED = {
    "bad inputs": 10,
    "kills": 2,
    "acknowledged writes": 7,
    "answers": {"OK": 1, "INVALID_ARGUMENT": 9},
    "growth in MiB": {"faces": 1.5, "detection": -0.5},
}


def test_parts_that_are_done_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    results: list[dict[str, object]] = []
    fails_at = 3

    def run(part: int) -> dict[str, object] | None:
        tried.append(part)
        return None if part == fails_at else dict(SHOWED)

    monkeypatch.setattr(attack_parts, "run", run)
    monkeypatch.setattr(attack_parts, "KEPT", tmp_path / "build" / "parts.json")
    monkeypatch.setattr(attack_parts, "PARTS", range(1, 5))
    monkeypatch.setattr(attack_parts, "write_result", lambda name, command, numbers: results.append(numbers))
    monkeypatch.setattr(sys, "argv", ["attack_parts"])
    assert attack_parts.main() == 1 and tried == [1, 2, 3]
    fails_at = 0
    assert attack_parts.main() == 0 and tried == [1, 2, 3, 3, 4]
    assert results[-1]["parts"] == [1, 2, 3, 4]
    assert results[-1]["in all"] == {
        "bad inputs": 40,
        "kills": 8,
        "acknowledged writes": 28,
        "answers": {"OK": 4, "INVALID_ARGUMENT": 36},
        "largest growth in MiB": 1.5,
    }
    assert attack_parts.main() == 0 and tried[5:] == [1, 2, 3, 4]
