"""The numbers in the manifests are those of the graphs beside them: each is measured again on its validation split."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from convoy.core.manifest import Task, load_manifest
from convoy_training.recipe_file import open_recipe
from convoy_training.session import open_onnx
from convoy_training.tasks import picture_to_picture

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = ROOT / "exported_models"
STYLES = PUBLISHED / "style-patterns" / "1"  # takes 200 steps of L-BFGS for each pair: tests/slow/test_style_metrics.py
MODELS = sorted(
    path.parent
    for path in PUBLISHED.glob("*/*/manifest.json")
    if json.loads(path.read_text())["architecture"] != "kernels"  # made from tables, not trained
    and path.parent != STYLES
)


def leave_alone(spoilt: np.ndarray, degrade: Any, level: float, mask: np.ndarray | None) -> np.ndarray:
    """In place of the yardstick: the picture, in the size of the truth."""
    scale = degrade.scale
    return spoilt.repeat(scale, 0).repeat(scale, 1)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_a_published_number_is_measured_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = load_manifest(folder)
    task, config = open_recipe(folder)
    metrics = [m for m in manifest.metrics if m.command.startswith("convoy-train evaluate")]
    if manifest.task is Task.PICTURE_TO_PICTURE:
        # What the graph gives at the first level alone: non-local means take a minute, and do not depend on it.
        first = config.degrade.model_copy(update={"measured": config.degrade.measured[:1]})
        config, metrics = config.model_copy(update={"degrade": first}), metrics[:2]
        monkeypatch.setattr(picture_to_picture, "mend_plainly", leave_alone)
    measured = {m.name: m for m in task.evaluate(open_onnx(folder / "model.onnx"), config, "validation")}
    # Whole-number kernels differ between processors, with and without VNNI; float kernels hardly do.
    tolerance = 1e-2 if manifest.precision == "int8" else 2e-3
    for metric in metrics:
        assert measured[metric.name].n == metric.n
        assert measured[metric.name].value == pytest.approx(metric.value, abs=tolerance), metric.name
