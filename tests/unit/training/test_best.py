"""The best epoch is published and said, a run stops when nothing gets better, and a finished one goes on."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from convoy_training.errors import CheckpointError, RecipeError
from convoy_training.origin import Origin, read_origin
from convoy_training.recipe import Config
from convoy_training.runs.checkpoint import load_model, read_weights
from convoy_training.runs.loop import fit, read_metrics
from convoy_training.runs.opening import count_epochs
from convoy_training.runs.provenance import read_provenance
from convoy_training.task import Metric
from pydantic import ValidationError

from tests.unit.training.test_loop import changed
from tests.unit.training.tiny_task import CONFIG, FIELDS, TASK

VALIDATED = CONFIG.model_copy(update={"validate_every": 1})


def measuring(values: Sequence[float], name: str = "top1_accuracy") -> Any:
    """The tiny task, whose validations give these values one after another."""
    left = iter(values)
    return changed(evaluate=lambda predict, config, split: [Metric(name, next(left), "halves", split, 64)])


def test_the_best_epoch_is_published_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = fit(measuring([0.5, 0.9, 0.7]), VALIDATED, tmp_path)
    said = capsys.readouterr().out
    assert "published: epoch 2 of 3, the best by top1_accuracy (0.9000; the last has 0.7000)" in said
    assert read_metrics(tmp_path)[0].value == 0.9
    last = torch.load(tmp_path / "last.ckpt", weights_only=True)
    loaded = load_model(TASK, VALIDATED, tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    assert not torch.equal(last["average"]["module.5.weight"], loaded.state_dict()["5.weight"])
    kept = read_provenance(tmp_path)
    assert kept and not kept.unfinished and kept.describe() == "3 epochs, the best was 2"
    chosen = read_weights(tmp_path, "last")
    assert torch.equal(chosen["5.weight"], last["average"]["module.5.weight"])


def test_an_error_is_better_when_it_is_smaller(tmp_path: Path) -> None:
    fit(measuring([0.5, 0.2, 0.7], "equal_error_rate"), VALIDATED, tmp_path)
    kept = read_provenance(tmp_path)
    assert kept and kept.best == 2


def test_the_last_epoch_is_published_where_the_recipe_says_so(tmp_path: Path) -> None:
    config = VALIDATED.model_copy(update={"publish": "last"})
    fit(measuring([0.5, 0.9, 0.7]), config, tmp_path)
    assert read_metrics(tmp_path)[0].value == 0.7
    last = torch.load(tmp_path / "last.ckpt", weights_only=True)["average"]["module.5.weight"]
    assert torch.equal(load_model(TASK, config, tmp_path).state_dict()["5.weight"], last)


def test_a_run_stops_when_nothing_gets_better(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = VALIDATED.model_copy(update={"epochs": 9, "patience": 2})
    fit(measuring([0.5, 0.9, 0.7, 0.8, 0.8]), config, tmp_path)
    assert "stopped after epoch 4: no better validation in 2 epochs" in capsys.readouterr().out
    kept = read_provenance(tmp_path)
    assert kept and kept.describe() == "4 epochs, the best was 2" and not kept.unfinished
    fit(measuring([0.8]), config, tmp_path, resume=True)  # it stays stopped
    assert json.loads((tmp_path / "provenance.json").read_text())["epochs"] == 4
    with pytest.raises(ValidationError, match="patience: set validate_every or validate_share too"):
        Config.model_validate({**FIELDS, "patience": 2})


def test_a_finished_run_is_extended(tmp_path: Path) -> None:
    fit(TASK, CONFIG, tmp_path, origin=Origin("t.yaml", "convoy-train fit t.yaml"))
    longer = CONFIG.model_copy(update={"epochs": count_epochs("+2", tmp_path, True)})
    with pytest.raises(RecipeError, match="differs"):
        fit(TASK, longer, tmp_path, resume=True)
    origin = Origin("t.yaml", "convoy-train fit t.yaml --epochs +2")
    fit(TASK, longer, tmp_path, resume=True, extend=True, origin=origin)
    kept = read_provenance(tmp_path)
    assert kept and (kept.epochs, kept.planned) == (5, 5)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 5
    assert read_origin(tmp_path).command == "convoy-train fit t.yaml && convoy-train fit t.yaml --epochs +2"


@pytest.mark.parametrize(
    ("told", "resume", "reason"),
    [
        ("ten", True, "write a number"),
        ("+0", True, "write a number"),
        ("+2", False, "needs --resume"),
        ("2", True, "cannot be made shorter"),
    ],
)
def test_a_wrong_number_of_epochs_is_refused(told: str, resume: bool, reason: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("epochs: 3")
    with pytest.raises(RecipeError, match=reason):
        count_epochs(told, tmp_path, resume)


def test_a_damaged_best_checkpoint_is_named(tmp_path: Path) -> None:
    fit(measuring([0.5, 0.9, 0.7]), VALIDATED, tmp_path)
    (tmp_path / "best.ckpt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"(?s)best\.ckpt cannot be read: .*remove it to publish the last"):
        load_model(TASK, VALIDATED, tmp_path)
