"""Scores that are neither probabilities nor logits are refused: a softmax or a cut at 0 would be wrong in silence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import GRAPH_FILE, Task
from convoy.core.models.engine import Engine
from convoy.importing.inspection import inspect
from convoy.importing.model_import import Imported, import_model
from convoy.importing.request import Request

from tests import foreign_models as models
from tests.foreign_models import Drawing, write_lines

SIZE = (64, 64)


def bring_in(drawing: Drawing, folder: Path, task: Task, classes: int, **told: Any) -> Imported:
    file = drawing.save(folder / "net.onnx")
    labels = write_lines(folder / "labels.txt", [f"class {index}" for index in range(classes)])
    return import_model(inspect(Request(file, task, "MIT", models=folder / "models", labels=labels, **told)))


def rescaled(drawing: Drawing, name: str, *, squash: bool = False, factor: float = 1.0) -> Drawing:
    """The drawing with one output as a sigmoid, multiplied."""
    node = next(one for one in drawing.nodes if one.output == [name])
    drawing.nodes.remove(node)
    drawing.outputs[:] = [one for one in drawing.outputs if one.name != name]
    value = drawing.op("Sigmoid", node.input[0]) if squash else node.input[0]
    drawing.give(drawing.op("Mul", value, drawing.weight(np.float32([factor]))), name)
    return drawing


CASES: dict[str, tuple[Callable[[], Drawing], Task, int, str]] = {
    "percentages": (
        lambda: rescaled(models.classifier(4, softmax=True), "output", factor=100),
        Task.CLASSIFICATION,
        4,
        "add up to 100: probabilities on another scale",
    ),
    "a sigmoid for each class, with something behind it": (
        lambda: rescaled(models.classifier(4), "output", squash=True),
        Task.CLASSIFICATION,
        4,
        "between 0 and 1 but do not add up to 1: if they are logits, say --scores logits",
    ),
    "a mask of grey values": (
        lambda: rescaled(models.segmenter(1, size=SIZE), "out", squash=True, factor=255),
        Task.SEGMENTATION,
        2,
        "neither probabilities nor logits; say above which number is foreground with --cut",
    ),
    "percentages of boxes": (
        lambda: rescaled(models.ssd(4, logits=True, size=SIZE), "scores", squash=True, factor=100),
        Task.DETECTION,
        4,
        "probabilities not above 1; choose with --scores",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_another_scale_is_refused(name: str, tmp_path: Path) -> None:
    draw, task, classes, words = CASES[name]
    with pytest.raises(InvalidArgument, match=words):
        bring_in(draw(), tmp_path, task, classes)
    assert not (tmp_path / "models").exists()


def test_the_user_may_say_what_they_are(tmp_path: Path) -> None:
    draw, task, classes, _ = CASES["a mask of grey values"]
    folder = bring_in(draw(), tmp_path, task, classes, cut=127.5).folder
    image = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3), np.uint8)
    assert 0 < Engine(folder / GRAPH_FILE, "cpu").run(image)["class_map"].mean() < 1
    draw, task, classes, _ = CASES["a sigmoid for each class, with something behind it"]
    assert bring_in(draw(), tmp_path, task, classes, scores="logits").adapter == "logits"


def test_boxes_with_y_before_x_are_refused(tmp_path: Path) -> None:
    """TensorFlow's detection API: as shares of a square input they look like any corners."""
    drawing = models.ssd(4, size=SIZE)
    for name in ("boxes", "scores"):
        node = next(one for one in drawing.nodes if one.output == [name])
        node.output[0] = f"raw_detection_{name}"
    for one in drawing.outputs:
        one.name = f"raw_detection_{one.name}"
    with pytest.raises(InvalidArgument, match="have y before x"):
        bring_in(drawing, tmp_path, Task.DETECTION, 3)
