"""Networks at equal compute: each trains until it has spent the same multiply-adds, then a table says what it learnt.

    python -m benchmarks.equal_compute detectors --budget 7e12
    python -m benchmarks.equal_compute classifiers --budget 1e14
    python -m benchmarks.equal_compute depth --budget 4e14

detectors: the localiser, the sliding window, two stages, anchors, and one stage without, on BCCD. classifiers: five of
`convoy-train zoo` on CIFAR-10, with a chart of accuracy by multiply-adds. depth: plain networks beside residual ones of
20 and 56 layers on CIFAR-10, with a chart of the training error.

A step costs three times the multiply-adds of looking at its pictures: once forward, twice backward. Of `depth` all
networks train equally many epochs, as in its paper: the budget is that of the largest. Runs lie below --out, and those
that are there are not trained again; the table (Markdown) and the chart (SVG) lie beside them.

For a small budget, --pictures 4000 trains on the first 4,000 pictures of CIFAR-10 alone, since an epoch of all of them
costs more. All of its validation pictures measure.
"""

import argparse
import csv
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from convoy.detection import task as detection_service
from convoy_training.data import cifar
from convoy_training.data.boxes import Split
from convoy_training.data.source import locate, read_arrays
from convoy_training.detecting.measuring import collect, detect, find_truth
from convoy_training.evaluation import Subject, open_subject
from convoy_training.metrics.precision import Boxes, measure_average_precision
from convoy_training.models.counts import count_multiply_adds
from convoy_training.recipe_file import load_recipe
from convoy_training.report.charts import Line, draw_lines
from convoy_training.runs.checkpoint import FILE as CHECKPOINT
from convoy_training.runs.loop import METRICS

RECIPES = Path("training/recipes")
BACKWARD = 3
"""What a step costs, in multiply-adds of looking at its pictures."""


@dataclass(frozen=True)
class Entry:
    """A row of a table: its name, its recipe, and what is set in it."""

    name: str
    recipe: str
    settings: tuple[str, ...] = ()


@dataclass
class Row:
    """What an entry cost and learnt: multiply-adds for a picture, epochs, and numbers by name."""

    entry: Entry
    multiply_adds: int
    epochs: int
    spent: float
    values: dict[str, float] = field(default_factory=dict)


DETECTORS = (
    Entry("localiser (one object a picture)", "bccd-localiser"),
    Entry("sliding window", "bccd-sliding-window"),
    Entry("two stages (faster-rcnn)", "bccd-faster-rcnn"),
    Entry("one stage with anchors (yolo-anchors)", "bccd-yolo", ("architecture=yolo-anchors",)),
    Entry("one stage (yolo)", "bccd-yolo"),
)
CLASSIFIERS = (
    Entry("lenet", "cifar10-plain", ("architecture=lenet",)),
    Entry("cifar-resnet20", "cifar10-plain", ("architecture=cifar-resnet20",)),
    Entry("cifar-resnet56", "cifar10-plain", ("architecture=cifar-resnet56",)),
    Entry("nin", "cifar10-plain", ("architecture=nin",)),
    Entry("whitened-resnet", "cifar10-plain", ("architecture=whitened-resnet",)),
)
DEPTHS = tuple(
    Entry(f"{kind} {depth}", f"cifar10-{kind}", (f"architecture=cifar-{word}{depth}",))
    for kind, word in (("plain", "plain"), ("residual", "resnet"))
    for depth in (20, 56)
)
TABLES: dict[str, tuple[Entry, ...]] = {"detectors": DETECTORS, "classifiers": CLASSIFIERS, "depth": DEPTHS}


def shorten(pictures: int, out: Path) -> Path:
    """Writes CIFAR-10's first training pictures and all of its validation pictures as a data set; returns its file."""
    file = out / f"cifar10-{pictures}.npz"
    if not file.exists():
        whole = read_arrays(locate(cifar.ARCHIVE), ("classes", "data", "labels", "offsets"))
        count = len(whole["labels"])
        rows = np.r_[:pictures, count - cifar.VALIDATION : count]
        starts, ends = whole["offsets"][:-1][rows], whole["offsets"][1:][rows]
        parts = [whole["data"][start:end] for start, end in zip(starts, ends, strict=True)]
        out.mkdir(parents=True, exist_ok=True)
        np.savez(
            file, data=np.concatenate(parts), offsets=np.r_[0, np.cumsum(ends - starts)], labels=whole["labels"][rows],
            classes=whole["classes"],
        )  # fmt: skip
    return file


def plan(entry: Entry, settings: Sequence[str]) -> tuple[Any, Any, int, int]:
    """The task and recipe of an entry, the multiply-adds for one picture, and the pictures of an epoch."""
    task, config = load_recipe(RECIPES / f"{entry.recipe}.yaml", [*entry.settings, *settings])
    graph = task.build_graph(task.build_model(config), config).eval()
    batches = task.build_data(config).train
    return task, config, count_multiply_adds(graph, task.example_images(config)[:1]), len(batches) * config.batch_size


def count_epochs(rows: Sequence[tuple[int, int]], budget: float, alike: bool) -> list[int]:
    """The epochs of each (multiply-adds, pictures): at most the budget, but one at least. alike: the fewest for all."""
    epochs = [max(1, int(budget // (BACKWARD * cost * pictures))) for cost, pictures in rows]
    return [min(epochs)] * len(epochs) if alike else epochs


def train(entry: Entry, settings: Sequence[str], epochs: int, run: Path) -> None:
    """Trains an entry in a process of its own, unless its run is finished."""
    if (run / METRICS).exists():
        return
    given = [*entry.settings, *settings, f"epochs={epochs}", f"validate_every={epochs}"]
    if "bccd-yolo" in entry.recipe or "sliding" in entry.recipe:
        given.append(f"plain_epochs={min(6, epochs // 3)}")
    words = [sys.executable, "-m", "convoy_training", "fit", str(RECIPES / f"{entry.recipe}.yaml"), "--run", str(run)]
    words += ["--accelerator", "cpu", *(["--resume"] if (run / CHECKPOINT).exists() else [])]
    for one in given:
        words += ["--set", one]
    subprocess.run(words, check=True)


def measure_detector(subject: Subject) -> dict[str, float]:
    """Average precision at IoU 0.5 by class, of a detector or a localiser, for whole pictures.

    A localiser answers one object: the mean is over the classes that it seeks, and the others have none.
    """
    task, config = subject.task, subject.config
    manifest = task.describe(config).preview()
    data: Split = task.load_split(config, "validation")  # type: ignore[attr-defined]  # both tasks have it
    options = detection_service.Options(0.001, 0.5, max_detections=100)
    found: list[Boxes] = [collect(one) for one in detect(subject.predict, manifest, data.examples, options)]
    values = measure_average_precision(found, [find_truth(example) for example in data.examples], data.classes)
    return {name: value for name, value in values.items() if name != "map_50_95"}


def measure_classifier(subject: Subject) -> dict[str, float]:
    """The share of right answers on the validation split."""
    return {"accuracy": next(one.value for one in subject.measure("validation") if one.name == "top1_accuracy")}


def measure_depth(subject: Subject) -> dict[str, float]:
    """The errors on both splits."""
    told = {}
    for split in ("train", "validation"):
        accuracy = next(one.value for one in subject.measure(split) if one.name == "top1_accuracy")
        told[f"error, {split}"] = 1 - accuracy
    return told


MEASURES: dict[str, Callable[[Subject], dict[str, float]]] = {
    "detectors": measure_detector, "classifiers": measure_classifier, "depth": measure_depth,
}  # fmt: skip


def write_table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    head = ["network", "multiply-adds a picture", "epochs", "multiply-adds of the training", *names]
    lines = [f"| {' | '.join(head)} |", f"|---{'|---:' * (len(head) - 1)}|"]
    for row in rows:
        numbers = [f"{row.values[name]:.3f}" if name in row.values else "" for name in names]
        cost = f"{row.multiply_adds / 1e6:,.1f} M", str(row.epochs), f"{row.spent:.1e}"
        lines.append(f"| {' | '.join([row.entry.name, *cost, *numbers])} |")
    return "\n".join(lines) + "\n"


def draw(table: str, rows: Sequence[Row], out: Path) -> str:
    """The chart of a table, as SVG; empty for detectors."""
    if table == "classifiers":
        points = [
            Line(one.entry.name, np.array([one.multiply_adds / 1e6]), np.array([one.values["accuracy"]]))
            for one in rows
        ]
        return draw_lines(points, "multiply-adds a picture, millions", "accuracy", log_x=True, dots=True)
    if table == "depth":
        lines = [read_error(one.entry.name, name_run(out, one.entry)) for one in rows]
        return draw_lines(lines, "step", "training error, mean of 50 steps")
    return ""


def read_error(name: str, run: Path, width: int = 50) -> Line:
    """The training error of a run, averaged over `width` steps."""
    with (run / "curves.csv").open(encoding="utf-8", newline="") as stream:
        rows = [
            (int(row["step"]), 1 - float(row["value"])) for row in csv.DictReader(stream) if row["name"] == "accuracy"
        ]
    steps, errors = np.array(rows).T
    width = min(width, len(errors))
    return Line(name, steps[width - 1 :], np.convolve(errors, np.ones(width) / width, mode="valid"))


def name_run(out: Path, entry: Entry) -> Path:
    """The run's folder: the first word or two of the entry's name."""
    return out / entry.name.partition("(")[0].strip().replace(" ", "-")


def main() -> None:
    """Train what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--budget", type=float, required=True, help="multiply-adds of each training")
    parser.add_argument("--set", action="append", default=[], dest="settings", help="a field of all recipes")
    parser.add_argument("--pictures", type=int, help="train on so many of CIFAR-10's pictures; default: on all")
    parser.add_argument("--out", type=Path, help="default: runs/equal-TABLE")
    asked = parser.parse_args()
    if asked.pictures and asked.table == "detectors":
        parser.error("--pictures: detectors train on BCCD, which is small")
    entries, out = TABLES[asked.table], asked.out or Path(f"runs/equal-{asked.table}")
    settings = [*asked.settings, *([f"data.path={shorten(asked.pictures, out)}"] if asked.pictures else [])]
    plans = [plan(entry, settings)[2:] for entry in entries]
    rows = []
    for entry, cost, epochs in zip(
        entries, plans, count_epochs(plans, asked.budget, asked.table == "depth"), strict=True
    ):
        run = name_run(out, entry)
        train(entry, settings, epochs, run)
        values = MEASURES[asked.table](open_subject(run))
        rows.append(Row(entry, cost[0], epochs, BACKWARD * cost[0] * cost[1] * epochs, values))
        print(f"{entry.name}: {epochs} epochs, {values}", flush=True)
    text = write_table(rows)
    (out / "table.md").write_text(text, encoding="utf-8")
    if chart := draw(asked.table, rows, out):
        (out / "chart.svg").write_text(chart, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
