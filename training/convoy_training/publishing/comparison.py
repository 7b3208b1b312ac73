"""Compares published models side by side, by accuracy and speed."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Manifest
from rich.table import Table

from convoy_training.errors import RecipeError
from convoy_training.publishing.quantize import SUFFIX
from convoy_training.recipe_file import load_published, open_recipe
from convoy_training.report.numbers import format_count, format_value
from convoy_training.session import open_onnx
from convoy_training.tables import print_table
from convoy_training.task import Images

RUNS, WARM_UP = 50, 5


def find_forms(folder: Path) -> list[Path]:
    """A published model and those of its smaller forms, of the same version, that lie beside it."""
    name, models = folder.resolve().parent.name, folder.resolve().parent.parent
    forms = [models / f"{name}-{suffix}" / folder.name for suffix in SUFFIX.values()]
    return [folder, *(form for form in forms if (form / MANIFEST_FILE).exists())]


def print_comparison(folders: list[Path], metrics: Collection[str] = ()) -> None:
    """Prints one line per model: precision, size, multiply-adds, metrics (the first, or those named), CPU time.

    Raises RecipeError if none of the models has a named metric.
    """
    table = Table("model", "precision")
    for column in ("file", "multiply-adds", "measured", "one image, one thread"):
        table.add_column(column, justify="right")
    manifests = [load_published(folder) for folder in folders]
    known = dict.fromkeys(metric.name for manifest in manifests for metric in manifest.metrics)
    if unknown := [name for name in metrics if name not in known]:
        raise RecipeError(f"--metric {unknown[0]}: none of these models has it; there are {', '.join(known)}")
    times_s = measure_times_s({folder: example_image(folder) for folder in folders})
    for folder, manifest in zip(folders, manifests, strict=True):
        table.add_row(*_describe(manifest, folder, metrics), f"{times_s[folder] * 1e3:.2f} ms")
    print_table(table)


def example_image(folder: Path) -> Images:
    """One image [1,H,W,3] of the validation split, as the service would give it to the graph."""
    task, config = open_recipe(folder)
    return task.example_images(config)[:1]


def measure_times_s(images: Mapping[Path, Images]) -> dict[Path, float]:
    """The CPU seconds of each model for its image on one thread: the median of several runs after a warm-up.

    The models run in turns, so that other work on the machine slows all of them alike.
    """
    predicts = {folder: open_onnx(folder / GRAPH_FILE, threads=1) for folder in images}
    times: dict[Path, list[float]] = {folder: [] for folder in images}
    for _ in range(RUNS + WARM_UP):
        for folder, image in images.items():
            began = time.process_time()
            predicts[folder](image)
            times[folder].append(time.process_time() - began)
    return {folder: float(np.median(values[WARM_UP:])) for folder, values in times.items()}


def _describe(manifest: Manifest, folder: Path, metrics: Collection[str]) -> list[str]:
    shown = [m for m in manifest.metrics if m.name in metrics] if metrics else manifest.metrics[:1]
    size = f"{(folder / GRAPH_FILE).stat().st_size / 2**20:.1f} MiB"
    measured = "\n".join(f"{metric.name} {format_value(metric)}" for metric in shown) or "not measured"
    return [
        f"{manifest.name}/{manifest.version}",
        manifest.precision,
        size,
        format_count(manifest.multiply_adds),
        measured,
    ]
