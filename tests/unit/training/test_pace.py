"""When a training validates between its epochs."""

import json
from pathlib import Path

import pytest
from convoy_training.runs import pace as module
from convoy_training.runs.loop import fit
from convoy_training.runs.pace import Pace
from pydantic import ValidationError

from tests.unit.training.tiny_task import CONFIG, TASK


def test_validations_take_their_share_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    pace, validated = Pace(0, 0.2), []
    for epoch in range(1, 21):
        if pace.is_due(epoch, 10.0):
            validated.append(epoch)
            with pace:
                now[0] += 10.0
    assert validated == [1, 5, 9, 13, 17]  # 40 s of training for each 10 s


def test_a_number_of_epochs_counts_them() -> None:
    assert [epoch for epoch in range(1, 8) if Pace(3, 0).is_due(epoch, 1.0)] == [3, 6]
    assert not any(Pace(0, 0).is_due(epoch, 1.0) for epoch in range(1, 8))


def test_a_run_that_validates_by_share_publishes_its_best(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"validate_share": 0.5, "epochs": 3})
    fit(TASK, config, tmp_path)
    assert (tmp_path / "best.ckpt").exists()
    assert json.loads((tmp_path / "provenance.json").read_text())["best"] >= 1


def test_only_one_rule_may_be_given() -> None:
    fields = CONFIG.model_dump()
    with pytest.raises(ValidationError, match="give one of them, not both"):
        type(CONFIG).model_validate(fields | {"validate_every": 2, "validate_share": 0.1})
    type(CONFIG).model_validate(fields | {"patience": 2, "validate_share": 0.1})
