"""What a recipe may ask of the loop: added gradients, curves in other forms."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from convoy_training.errors import RecipeError
from convoy_training.report.curves import read_curves
from convoy_training.runs.loop import fit
from convoy_training.task import Data

from tests.unit.training.test_loop import Killed, changed, killed_in
from tests.unit.training.tiny_task import CONFIG, TASK, Batches, Graph


def read_rows(run: Path) -> list[dict[str, str]]:
    with (run / "curves.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_gradients_of_several_batches_are_those_of_one_large_batch(tmp_path: Path) -> None:
    """Without anything that looks at the batch as a whole, four batches of eight are one of thirty-two."""

    def build_model(config: object) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 14 * 14, 2))

    class Plain(Batches):
        """Without the noise that is drawn for each batch."""

        def __call__(self, epoch: int):
            for rows in torch.randperm(len(self.labels)).split(self.batch_size):
                yield self.images[rows].float(), self.labels[rows]

    task = changed(
        build_model=build_model,
        build_graph=lambda model, config: Graph(model),
        build_data=lambda config: Data(Plain(config.batch_size), "0" * 64),
    )
    weights = []
    for size, accumulate in ((32, 1), (8, 4)):
        config = CONFIG.model_copy(update={"batch_size": size, "accumulate": accumulate, "ema_decay": None})
        model = fit(task, config, tmp_path / f"{size}")
        weights.append(torch.cat([p.flatten() for p in model.parameters()]))
        assert len([row for row in read_rows(tmp_path / f"{size}") if row["name"] == "loss"]) == CONFIG.epochs
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-5)


def test_a_step_needs_all_its_batches(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="accumulate 9: an epoch has 32 examples, fewer than one step takes"):
        fit(TASK, CONFIG.model_copy(update={"accumulate": 9}), tmp_path)


def test_curves_are_a_table_that_a_resumed_run_goes_on_with(tmp_path: Path) -> None:
    fit(TASK, CONFIG, tmp_path / "whole")
    with pytest.raises(Killed):
        fit(killed_in(epoch=2), CONFIG, tmp_path / "cut")
    fit(TASK, CONFIG, tmp_path / "cut", resume=True)
    rows = read_rows(tmp_path / "whole")
    assert rows == read_rows(tmp_path / "cut")
    steps = [int(row["step"]) for row in rows if row["name"] == "loss"]
    assert steps == list(range(12)) and {row["name"] for row in rows} == {"loss", "lr", "validation/top1_accuracy"}
    assert len(read_curves(tmp_path / "whole")) == 2 and not np.isnan(float(rows[0]["value"]))


def test_the_last_validation_before_a_break_stays_in_the_table(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"validate_every": 1})
    fit(TASK, config, tmp_path / "whole")
    with pytest.raises(Killed):
        fit(killed_in(epoch=2), config, tmp_path / "cut")
    for _ in range(2):  # the second time, nothing is left to train
        fit(TASK, config, tmp_path / "cut", resume=True)
        assert read_rows(tmp_path / "whole") == read_rows(tmp_path / "cut")


def test_a_run_may_do_without_tensorboard(tmp_path: Path) -> None:
    fit(TASK, CONFIG.model_copy(update={"loggers": ["csv"], "epochs": 1}), tmp_path)
    assert read_rows(tmp_path) and not (tmp_path / "curves").exists()


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_logger_that_is_not_installed_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RecipeError, match=rf"loggers: {name} is not installed .*convoy-vision-training\[{name}\]"):
        fit(TASK, CONFIG.model_copy(update={"loggers": ["csv", name]}), tmp_path)
