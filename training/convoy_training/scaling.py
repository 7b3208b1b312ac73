"""Accuracy against people, images and compute: the curve that says what more data would bring, from runs of `fit`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from convoy_training.data import identities
from convoy_training.data.unlabelled_faces import load_unlabelled
from convoy_training.errors import RecipeError
from convoy_training.models.counts import count_multiply_adds
from convoy_training.recipe_file import open_recipe
from convoy_training.report.charts import Line, draw_lines
from convoy_training.report.page import Section
from convoy_training.runs.loop import read_metrics
from convoy_training.tasks.face_embedding import BORDER_PX, TRAINING_SETS, Config, count_samples, select_faces

MEASURES = ("lfw_pair_accuracy", "lfw_tar_at_far_1e-2", "celeba_pair_accuracy")
BACK_AND_FORTH = 3
"""A training step costs the forward pass and about twice that for the way back."""


@dataclass(frozen=True)
class Point:
    """A run: what it was trained on, what that cost, and how good it became.

    images_seen counts repetitions; multiply_adds are those of all of training, in units of 10^12.
    """

    run: str
    loss: str
    people: int
    images: int
    images_seen: int
    multiply_adds: float
    values: dict[str, float]


def read_point(run: Path) -> Point:
    """A finished run of a face embedder."""
    config = open_recipe(run)[1]
    if not isinstance(config, Config):
        raise RecipeError(f"{run} does {config.task}; `scaling` is for face embedders")
    files = identities.list_files(TRAINING_SETS, "train", select_faces(config))
    counts = Counter(file.rsplit("/", 1)[0] for file in files)
    unnamed = len(load_unlabelled(BORDER_PX)[1]) if config.teacher and config.teacher.unlabelled else 0
    seen = config.epochs * (count_samples(list(counts.values()), config) + unnamed)
    graph = config.build_embedder().train()
    # In training mode a face goes through once, without its mirror image.
    cost = count_multiply_adds(graph, np.zeros((2, 112, 112, 3), np.uint8)) / 2
    measured = {metric.name: metric.value for metric in read_metrics(run)}
    values = {name: measured[name] for name in MEASURES if name in measured}
    loss = "teacher" if config.teacher else "triplet" if config.triplets else "margin softmax"
    total = float(f"{BACK_AND_FORTH * cost * seen / 1e12:.3g}")
    return Point(run.name, loss, len(counts), len(files) + unnamed, seen, total, values)


def print_points(points: Sequence[Point]) -> None:
    """One line a run."""
    table = Table("run", "loss")
    for column in ("people", "images", "images seen", "10^12 multiply-adds", *MEASURES):
        table.add_column(column, justify="right")
    for point in points:
        numbers = [f"{n:,}" for n in (point.people, point.images, point.images_seen)]
        values = [f"{point.values[name]:.4f}" if name in point.values else "" for name in MEASURES]
        table.add_row(point.run, point.loss, *numbers, f"{point.multiply_adds:,g}", *values)
    Console(width=160).print(table)


def show_points(points: Sequence[Point]) -> list[Section]:
    """A chart for each thing that was varied, one line a measure."""
    charts, known = [], [name for name in MEASURES if any(name in point.values for point in points)]
    for name, label in (("people", "people"), ("images", "images"), ("multiply_adds", "10^12 multiply-adds")):
        ordered = sorted(points, key=lambda point: float(getattr(point, name)))
        x = np.array([getattr(point, name) for point in ordered])
        lines = [Line(m, x, np.array([point.values.get(m, np.nan) for point in ordered])) for m in known]
        charts.append(draw_lines(lines, label, "value", log_x=True))
    note = "One point a run. Runs that differ in several things at once are on one line here: look at the table too."
    return [Section("Accuracy against people, images and compute", note, charts)]


def to_dicts(points: Sequence[Point]) -> list[dict[str, object]]:
    """For JSON."""
    return [asdict(point) for point in points]
