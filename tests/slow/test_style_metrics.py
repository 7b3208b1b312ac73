"""The numbers in the manifest of a style network are those of its graph beside 200 steps of L-BFGS for each pair."""

import pytest
from convoy.core.manifest import load_manifest
from convoy_training.recipe_file import open_recipe
from convoy_training.session import open_onnx

from tests.integration.test_published_metrics import STYLES


@pytest.mark.data
def test_a_published_number_is_measured_again() -> None:
    task, config = open_recipe(STYLES)
    measured = {m.name: m for m in task.evaluate(open_onnx(STYLES / "model.onnx"), config, "validation")}
    for metric in load_manifest(STYLES).metrics:
        assert measured[metric.name].n == metric.n
        assert measured[metric.name].value == pytest.approx(metric.value, rel=2e-2), metric.name
