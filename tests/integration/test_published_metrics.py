"""The numbers in the manifests are those of the graphs beside them: each is measured again on its validation split."""

import json
from pathlib import Path

import pytest
from convoy.core.manifest import load_manifest
from convoy_training.recipe_file import open_recipe
from convoy_training.session import open_onnx

ROOT = Path(__file__).resolve().parents[2]
MODELS = sorted(
    path.parent
    for path in (ROOT / "exported_models").glob("*/*/manifest.json")
    if json.loads(path.read_text())["architecture"] != "kernels"  # made from tables, not trained
)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_a_published_number_is_measured_again(folder: Path) -> None:
    manifest = load_manifest(folder)
    task, config = open_recipe(folder)
    measured = {m.name: m for m in task.evaluate(open_onnx(folder / "model.onnx"), config, "validation")}
    # Whole-number kernels differ between processors, with and without VNNI; float kernels hardly do.
    tolerance = 1e-2 if manifest.precision == "int8" else 2e-3
    for metric in (m for m in manifest.metrics if m.command.startswith("convoy-train evaluate")):
        assert measured[metric.name].n == metric.n
        assert measured[metric.name].value == pytest.approx(metric.value, abs=tolerance), metric.name
