"""`find-lr` suggests a rate, and `sweep` tries values of fields, a run each."""

import csv
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from convoy_training import sweep
from convoy_training.cli import app
from convoy_training.data import archive, image_folder
from convoy_training.errors import RecipeError
from convoy_training.runs.devices import open_fabric
from convoy_training.runs.rate_finder import Search, find_rate
from convoy_training.sweep import Trial, parse_space
from convoy_training.task import Metric
from typer.testing import CliRunner

from tests.unit.training.test_layouts import folder
from tests.unit.training.tiny_task import CONFIG, TASK


def test_the_suggestion_is_where_the_loss_falls_fastest() -> None:
    rates = np.geomspace(1e-6, 10, 200)
    losses = 2 - np.tanh(np.log10(rates / 1e-3) * 2) + np.where(rates > 1, rates * 3, 0)
    assert Search(rates, losses).suggest() == pytest.approx(1e-3, rel=0.1)
    with pytest.raises(RecipeError, match="no rate makes the loss fall"):
        Search(rates, np.linspace(1, 2, 200)).suggest()


def test_a_rate_is_found_that_trains_and_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    search = find_rate(TASK, CONFIG, open_fabric("cpu", 1, "32-true"), steps=60)
    assert 1e-5 < search.suggest() < 1 and search.losses.min() < 0.8 * search.losses[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("optimizer.lr", "write it as field=low..high"),
        ("optimizer.lr=1..0.1", "write the smaller number first"),
        ("optimizer.lr=a..b", "could not convert"),
        ("optimizer.lr=nan..0.1", "give two numbers"),
        ("optimizer.lr=0.1..inf", "give two numbers"),
        ("optimizer.name=[sgd]", "at least two values"),
        ("optimizer.name=[", "while parsing"),
    ],
)
def test_a_range_that_is_none_is_refused(text: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        parse_space(text)


def test_a_sweep_that_goes_on_draws_other_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")

    def run(recipe: Path, values: dict[str, float], folder: Path, *_: object) -> Trial:
        return Trial(folder, values, "top1_accuracy", 0.5)

    write_recipe(tmp_path / "r.yaml")
    monkeypatch.setattr(sweep, "run_trial", run)
    spaces = [parse_space("optimizer.lr=1e-4..1e-1")]
    found = [
        one.values["optimizer.lr"]
        for _ in range(3)
        for one in sweep.sweep(tmp_path / "r.yaml", spaces, 2, tmp_path / "sweep", tell=lambda _: None)
    ]
    assert len(found) == 12 and len(set(found)) == 6  # earlier trials count


def test_the_best_of_all_calls_is_named_and_nan_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    values = iter([0.9, 0.2, math.nan, 0.4])
    monkeypatch.setattr(sweep.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0))
    monkeypatch.setattr(sweep, "read_metrics", lambda _: [Metric("top1_accuracy", next(values), "T", "validation", 4)])
    write_recipe(tmp_path / "r.yaml")
    spaces, place = [parse_space("optimizer.name=[sgd, adamw]")], tmp_path / "sweep"
    first = sweep.sweep(tmp_path / "r.yaml", spaces, 1, place, tell=lambda _: None)
    later = sweep.sweep(tmp_path / "r.yaml", spaces, 3, place, tell=lambda _: None)
    assert [one.value for one in first] == [0.9] and [one.value for one in later] == [0.9, 0.4, 0.2]
    with pytest.raises(RecipeError, match="begun with other --try"):
        sweep.sweep(tmp_path / "r.yaml", [parse_space("batch_size=2..4")], 1, place, tell=lambda _: None)


def test_an_old_folder_is_told_before_the_first_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    optuna = pytest.importorskip("optuna")
    write_recipe(tmp_path / "r.yaml")
    monkeypatch.setattr(sweep, "run_trial", lambda *_: pytest.fail("a run has begun"))
    spaces = [parse_space("optimizer.lr=1e-4..1e-1")]

    def run(folder: str) -> None:
        sweep.sweep(tmp_path / "r.yaml", spaces, 2, tmp_path / folder, tell=lambda _: None)

    (tmp_path / "runs/001").mkdir(parents=True)  # its journal was removed
    with pytest.raises(RecipeError, match=r"runs/001: is no run of this sweep"):
        run("runs")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/sweep.csv").write_text("run,metric,value,batch_size\nr/000,top1_accuracy,0.5,4\n")
    with pytest.raises(RecipeError, match="is not of a sweep with these --try"):
        run("other")
    # Older versions did not note how a sweep was begun.
    (tmp_path / "older").mkdir()
    backend = optuna.storages.journal.JournalFileBackend(str(tmp_path / "older/sweep.journal"))
    study = optuna.create_study(storage=optuna.storages.JournalStorage(backend), study_name="sweep")
    study.ask().suggest_int("batch_size", 2, 4)
    with pytest.raises(RecipeError, match="begun with other --try"):
        run("older")


def test_a_value_that_is_no_number_is_a_failed_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    write_recipe(tmp_path / "r.yaml")
    rows = ["run,metric,value,optimizer.lr", "r/0,top1_accuracy,nan,0.1", "r/1,top1_accuracy,0.4,0.2", "r/2,,,0.3"]
    (tmp_path / "old").mkdir()
    (tmp_path / "old/sweep.csv").write_text("\n".join(rows) + "\n")
    spaces = [parse_space("optimizer.lr=1e-4..1e-1")]
    assert [one.value for one in sweep.read_results(tmp_path / "old/sweep.csv", spaces)] == [None, 0.4, None]
    monkeypatch.setattr(sweep.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0))
    monkeypatch.setattr(sweep, "read_metrics", lambda _: [])  # a run of another version, or one that was cut off
    assert sweep.run_trial(tmp_path / "r.yaml", {}, tmp_path / "old/0", (), "cpu").value is None


@pytest.mark.parametrize(
    ("tries", "fixed", "reason"),
    [
        (["optimiser.lr=0.1..0.2"], [], "optimiser"),
        (["optimizer.lr=-1..0.2"], [], "greater than 0"),
        (["optimizer.name=[sgd, lion]"], [], "'sgd', 'adamw' or 'muon'"),
        (["seed=1..2", "seed=3..4"], [], "given twice"),
        (["seed=1..2"], ["seed=7"], "--set gives it too"),
    ],
)
def test_what_no_recipe_takes_is_refused_before_the_first_run(
    tries: list[str], fixed: list[str], reason: str, tmp_path: Path
) -> None:
    pytest.importorskip("optuna")
    write_recipe(tmp_path / "r.yaml")
    with pytest.raises(RecipeError, match=reason):
        sweep.sweep(tmp_path / "r.yaml", [parse_space(one) for one in tries], 1, tmp_path / "sweep", fixed)
    assert not (tmp_path / "sweep").exists()


def write_recipe(file: Path) -> None:
    fields = {"task": "classification", "name": "t", "epochs": 1, "batch_size": 4, "optimizer": {"lr": 0.1},
              "architecture": "lenet", "data": {"format": "image_folder", "path": "set", "title": "T"}}  # fmt: skip
    file.write_text(yaml.safe_dump(fields))


@pytest.mark.slow
def test_a_sweep_is_a_run_for_each_trial_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    for function in (archive.open_archive, image_folder.load_split):
        function.cache_clear()
    folder(tmp_path / "set", "train", "val")
    write_recipe(Path("r.yaml"))
    words = [
        "sweep",
        "r.yaml",
        "--try",
        "optimizer.lr=1e-3..1e-1",
        "--try",
        "batch_size=[4, 400]",
        "--accelerator",
        "cpu",
    ]
    for number in (2, 1):
        # A call of which no trial comes to its end is an error.
        done = CliRunner().invoke(app, [*words, "--trials", str(number), "--seed", "3"])
    with Path("runs/r-sweep/sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"][-3:] for row in rows] == ["000", "001", "002"]
    for row in rows:  # 400 pictures are more than there are
        assert bool(row["value"]) == (row["batch_size"] == "4") == Path(row["run"], "report.html").exists()
        assert 1e-3 <= float(row["optimizer.lr"]) <= 1e-1
        assert row["value"] or "fewer than one step takes" in Path(row["run"] + ".log").read_text()
    assert done.exit_code in (0, 1)
