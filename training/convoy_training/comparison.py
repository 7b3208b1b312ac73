"""Published models side by side: accuracy and speed."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, Manifest, load_manifest
from rich.table import Table

from convoy_training.card import format_count, format_value
from convoy_training.export import open_onnx
from convoy_training.quantize import SUFFIX
from convoy_training.recipe import Images, load_recipe
from convoy_training.tables import print_table

RUNS = 30


def find_forms(folder: Path) -> list[Path]:
    """A published model and, where they lie beside it, its smaller forms of the same version."""
    name, models = folder.resolve().parent.name, folder.resolve().parent.parent
    forms = [models / f"{name}-{suffix}" / folder.name for suffix in SUFFIX.values()]
    return [folder, *(form for form in forms if (form / MANIFEST_FILE).exists())]


def print_comparison(folders: list[Path]) -> None:
    """One line a model: precision, size, multiply-adds, its first metric, and the time of one image on one thread."""
    table = Table("model", "precision")
    for column in ("file", "multiply-adds", "measured", "one image, one thread"):
        table.add_column(column, justify="right")
    for folder in folders:
        manifest = load_manifest(folder)
        recipe, config = load_recipe(Path(manifest.training.recipe))
        time_s = measure_time_s(folder / GRAPH_FILE, recipe.example_images(config)[:1])
        table.add_row(*_describe(manifest, folder), f"{time_s * 1e3:.2f} ms")
    print_table(table)


def measure_time_s(file: Path, image: Images) -> float:
    """The median of several runs on one image [1,H,W,3], after a warm-up."""
    predict, times = open_onnx(file, threads=1), []
    for _ in range(RUNS):
        began = time.perf_counter()
        predict(image)
        times.append(time.perf_counter() - began)
    return float(np.median(times[3:]))


def _describe(manifest: Manifest, folder: Path) -> list[str]:
    first = manifest.metrics[0] if manifest.metrics else None
    size = f"{(folder / GRAPH_FILE).stat().st_size / 2**20:.1f} MiB"
    measured = f"{first.name} {format_value(first)}" if first else "not measured"
    return [
        f"{manifest.name}/{manifest.version}",
        manifest.precision,
        size,
        format_count(manifest.multiply_adds),
        measured,
    ]
