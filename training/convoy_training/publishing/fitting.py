"""Which architectures answer in time on this machine: `convoy-train zoo --within 5ms`, measured and not guessed."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import numpy as np
from convoy.core.manifest import GRAPH_FILE
from rich.table import Table

from convoy_training.errors import RecipeError
from convoy_training.models.architecture import Architecture, list_architectures
from convoy_training.models.measure import Cost, measure
from convoy_training.publishing.comparison import measure_times_s
from convoy_training.publishing.export import export_onnx
from convoy_training.tables import print_table
from convoy_training.task import Export, Images

FASTEST = 100e6
"""No core does more multiply-adds in a millisecond (two 512-bit units at 3 GHz: 96 million); the rest is not tried."""


@dataclass(frozen=True)
class Fit:
    """A classifier that answers in time: its cost, and its CPU time for one picture on one thread."""

    name: str
    multiply_adds: int
    parameters: int
    milliseconds: float


def read_time_ms(text: str) -> float:
    """`5ms`, `0.5 s` or `5` (milliseconds) as milliseconds. Raises RecipeError."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|)\s*", text)
    if not found or not float(found[1]):
        raise RecipeError(f"--within {text}: write a time, such as 5ms or 0.5s")
    return float(found[1]) * (1000 if found[2] == "s" else 1)


def find_fitting(within_ms: float) -> list[Fit]:
    """The classifiers that answer in time at their usual input, as registered, with random weights; slowest first.

    Each is exported and runs in ONNX Runtime, one picture at a time on one thread; the median of 50 runs in turns.
    """
    costs = [(one, _measure(one)) for one in list_architectures("classification")]
    tried = [(one, cost) for one, cost in costs if cost.multiply_adds <= FASTEST * within_ms]
    with tempfile.TemporaryDirectory() as place:
        pixels = {Path(place, one.name): _export(one, Path(place, one.name)) for one, _ in tried}
        times_s = measure_times_s(pixels) if pixels else {}
    found = [
        Fit(one.name, cost.multiply_adds, cost.parameters, 1000 * times_s[Path(place, one.name)]) for one, cost in tried
    ]
    return sorted((one for one in found if one.milliseconds <= within_ms), key=lambda one: -one.milliseconds)


def _measure(one: Architecture) -> Cost:
    return measure(one.build, one.input, pixels_last=one.pixels_last)


def _export(one: Architecture, folder: Path) -> Images:
    """Writes the network's graph into a folder, and gives one picture for it."""
    folder.mkdir()
    shape = (2, *one.input, 3) if one.pixels_last else (2, 3, *one.input)
    pixels = cast(Images, np.random.default_rng(0).normal(size=shape).astype(np.float32))
    # What rounding does to random weights says nothing of a trained network.
    export_onnx(one.build(), pixels, Export(outputs=("logits",), manifest={}, tolerance=0.1), folder / GRAPH_FILE)
    return pixels[:1]


def print_fitting(within_ms: float, as_json: bool) -> None:
    """Prints what fits, one architecture in each line."""
    fitting = find_fitting(within_ms)
    if as_json:
        print(json.dumps([asdict(one) for one in fitting], indent=2))
        return
    table = Table("architecture")
    for column in ("multiply-adds", "parameters", "one picture, one thread"):
        table.add_column(column, justify="right")
    for one in fitting:
        table.add_row(one.name, f"{one.multiply_adds:,}", f"{one.parameters:,}", f"{one.milliseconds:.2f} ms")
    print_table(table)
