"""The tables at equal compute: how long each network trains, and what the table and the chart say."""

from pathlib import Path

import numpy as np
import pytest
from convoy_training.data import cifar
from convoy_training.recipe_file import load_recipe

from benchmarks import equal_compute
from benchmarks.equal_compute import TABLES, Entry, Row


@pytest.mark.parametrize("entry", [one for entries in TABLES.values() for one in entries], ids=lambda one: one.name)
def test_every_entry_is_a_recipe(entry: Entry, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    load_recipe(equal_compute.RECIPES / f"{entry.recipe}.yaml", [*entry.settings])


def test_each_network_trains_as_long_as_its_cost_allows() -> None:
    costs = [(1_000, 10), (4_000, 10), (9_000_000, 10)]
    assert equal_compute.count_epochs(costs, 240_000, alike=False) == [8, 2, 1]
    assert equal_compute.count_epochs(costs[:2], 240_000, alike=True) == [2, 2]


def test_the_table_leaves_out_what_a_network_does_not_have() -> None:
    rows = [
        Row(Entry("one", "r"), 2_500_000, 3, 1.5e9, {"map_50": 0.25, "ap_50_RBC": 0.5}),
        Row(Entry("two", "r"), 500_000, 9, 1.4e9, {"map_50": 0.125}),
    ]
    assert equal_compute.write_table(rows).splitlines()[2:] == [
        "| one | 2.5 M | 3 | 1.5e+09 | 0.250 | 0.500 |",
        "| two | 0.5 M | 9 | 1.4e+09 | 0.125 |  |",
    ]


def test_the_charts_are_of_accuracy_by_cost_and_of_the_training_error(tmp_path: Path) -> None:
    rows = [Row(Entry(f"plain {depth}", "r"), depth * 1_000_000, 1, 1.0, {"accuracy": 0.5}) for depth in (20, 56)]
    by_cost = equal_compute.draw("classifiers", rows, tmp_path)
    assert "plain 20" in by_cost and "accuracy" in by_cost
    for row in rows:
        run = equal_compute.name_run(tmp_path, row.entry)
        run.mkdir()
        lines = [f"{step},accuracy,{min(0.9, step / 100)}\n{step},loss,1" for step in range(100)]
        (run / "curves.csv").write_text("\n".join(["step,name,value", *lines]) + "\n")
    error = equal_compute.read_error("plain", tmp_path / "plain-20")
    assert error.x[0] == 49 and error.y[0] == pytest.approx(1 - np.arange(50).mean() / 100)
    assert "plain 56" in equal_compute.draw("depth", rows, tmp_path)
    assert equal_compute.draw("detectors", rows, tmp_path) == ""


def test_a_finished_run_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(equal_compute.subprocess, "run", lambda words, check: asked.append(words))
    entry, run = Entry("one", "bccd-yolo", ("architecture=yolo-anchors",)), tmp_path / "one"
    equal_compute.train(entry, ["seed=3"], 6, run)
    words = asked[0]
    assert {"architecture=yolo-anchors", "seed=3", "epochs=6", "plain_epochs=2"} <= set(words)
    assert "--resume" not in words
    run.mkdir()
    (run / "last.ckpt").touch()
    equal_compute.train(entry, [], 6, run)
    assert "--resume" in asked[1]
    (run / "metrics.json").touch()
    equal_compute.train(entry, [], 6, run)
    assert len(asked) == 2


def test_fewer_pictures_are_the_first_ones_and_those_that_measure_stay(tmp_path: Path) -> None:
    file = equal_compute.shorten(30, tmp_path / "out")
    train, held_out = (cifar.load_split(split, str(file)) for split in ("train", "validation"))
    whole, known = (cifar.load_split(split) for split in ("train", "validation"))
    np.testing.assert_array_equal(train.images, whole.images[:30])
    np.testing.assert_array_equal(train.labels, whole.labels[:30])
    np.testing.assert_array_equal(held_out.images, known.images)
    np.testing.assert_array_equal(held_out.labels, known.labels)
    assert train.classes == whole.classes
    assert equal_compute.shorten(30, tmp_path / "out") == file
