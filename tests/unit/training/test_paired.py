"""Two models on the same pictures: the difference is what is drawn again, and McNemar's test is exact."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from convoy_training.cli import app
from convoy_training.data import archive, image_folder
from convoy_training.metrics.accuracy import measure_counts
from convoy_training.metrics.paired import Difference, Resampled, compare_paired, mcnemar_p_value
from convoy_training.pairing import print_pairs
from scipy.stats import binomtest
from typer.testing import CliRunner

from tests.unit.training.test_layouts import folder


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (1, 9), (7, 7), (30, 61), (400, 520)])
def test_mcnemars_test_is_the_binomial_one(lost: int, won: int) -> None:
    expected = binomtest(min(lost, won), lost + won).pvalue if lost + won else 1.0
    assert mcnemar_p_value(lost, won) == pytest.approx(expected, rel=1e-9)


def test_a_small_difference_is_clear_where_both_stumble_over_the_same_pictures() -> None:
    random = np.random.default_rng(0)
    hard = random.random(1000) < 0.5
    first, second = ~hard, ~hard
    second = second | (hard & (random.random(1000) < 0.03))  # right wherever the first is, and a little more often
    other = random.random(1000) < second.mean()  # as good as the second, but on other pictures

    def measured(right: np.ndarray) -> Resampled:
        return Resampled(1000, lambda rows: {"accuracy": float(right[rows].mean())})

    (clear,) = compare_paired(measured(first), measured(second))
    (unsure,) = compare_paired(measured(first), measured(other))
    assert clear.is_clear and clear.interval[0] > 0 and clear.second - clear.first == pytest.approx(
        second.mean() - first.mean()
    )  # fmt: skip
    assert not unsure.is_clear and unsure.interval[0] < 0 < unsure.interval[1]


def test_recall_by_class_comes_from_counts() -> None:
    values = measure_counts(np.array([[3, 1], [0, 0]]), ("cat", "dog"), np.array([True, True]))
    assert values["top1_accuracy"] == 0.75 and values["recall_cat"] == 0.75 and np.isnan(values["recall_dog"])


def test_two_runs_are_compared_class_by_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for function in (archive.open_archive, image_folder.load_split):
        function.cache_clear()
    folder(tmp_path / "set", "train", "val")
    fields = {"task": "classification", "name": "t", "epochs": 1, "batch_size": 4, "optimizer": {"lr": 0.1},
              "architecture": "lenet", "data": {"format": "image_folder", "path": "set", "title": "T"}}  # fmt: skip
    Path("r.yaml").write_text(yaml.safe_dump(fields))
    runner = CliRunner()
    for seed in (0, 1):
        told = ["fit", "r.yaml", "--run", f"run{seed}", "--set", f"seed={seed}", "--accelerator", "cpu"]
        assert runner.invoke(app, told, catch_exceptions=False).exit_code == 0
    done = runner.invoke(app, ["compare", "run0", "run1"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    for name in ("top1_accuracy", "macro_f1", "recall_ant", "recall_bee"):
        (line,) = [line for line in lines if f" {name} " in line]
        assert " to " in line and ("may be chance" in line or "better" in line or "worse" in line or "the same" in line)
    assert "McNemar's exact test, p = " in lines[-1]
    assert "val/ant/" in Path("run0/report.html").read_text() or "val/bee/" in Path("run0/report.html").read_text()


def test_a_difference_that_shows_as_nothing_is_called_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    tiny = Difference("map_50", 0.90001, 0.90004, (1e-5, 5e-5))
    print_pairs([tiny, Difference("map_50_95", 0.5, 0.6, (0.05, 0.15))], ["one", "other"])
    rows = {line.split()[1]: line for line in capsys.readouterr().out.splitlines() if " map_" in line}
    assert tiny.is_clear and "+0.0000" in rows["map_50"] and "the same" in rows["map_50"]
    assert "better" in rows["map_50_95"]
