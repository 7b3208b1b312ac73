"""D-FINE's and RT-DETR's exports: a second input scales the boxes, and only the best queries come out."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import GRAPH_FILE, Task
from convoy.core.models.engine import Engine
from convoy.importing.inspection import inspect
from convoy.importing.model_import import Imported, import_model
from convoy.importing.request import Request
from onnx import TensorProto

from tests import foreign_models as models
from tests.foreign_models import write_lines

SIDE, CLASSES = 96, 4


def bring_in(file: Path, folder: Path, classes: int = CLASSES, **told: Any) -> Imported:
    labels = write_lines(folder / "labels.txt", [f"class {index}" for index in range(classes)])
    request = {"licence": "MIT", "models": folder / "models", "labels": labels, **told}
    return import_model(inspect(Request(file, Task.DETECTION, **request)))


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32, TensorProto.FLOAT])
@pytest.mark.parametrize("batch", ["N", 1])
def test_boxes_are_in_pixels_of_the_input(kind: int, batch: int | str, tmp_path: Path) -> None:
    drawing = models.detr_best(CLASSES, kind=kind, size=(SIDE, SIDE), batch=batch)
    file = drawing.save(tmp_path / "net.onnx")
    imported = bring_in(file, tmp_path, one_by_one=batch == 1)
    assert imported.adapter == "detr"
    images = np.random.default_rng(5).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    found = Engine(imported.folder / GRAPH_FILE, "cpu").run(images)
    session = onnxruntime.InferenceSession(str(file))
    for place, image in enumerate(images):
        sizes = np.array([[SIDE, SIDE]], {TensorProto.INT64: "i8", TensorProto.INT32: "i4"}.get(kind, "f4"))
        pixels = np.float32(image.transpose(2, 0, 1)[None] / 255)
        labels, boxes, scores = session.run(None, {"input.1": pixels, "orig_target_sizes": sizes})
        np.testing.assert_allclose(found["boxes"][place], boxes[0], atol=0.01)
        assert found["scores"][place].shape == (20, CLASSES)
        np.testing.assert_array_equal(found["scores"][place].argmax(axis=1), labels[0])
        np.testing.assert_allclose(found["scores"][place].max(axis=1), scores[0], atol=1e-5)
        assert np.count_nonzero(found["scores"][place]) == 20


def test_each_query_may_have_several_labels_so_nothing_is_suppressed(tmp_path: Path) -> None:
    file = models.detr_best(CLASSES, size=(SIDE, SIDE)).save(tmp_path / "net.onnx")
    assert bring_in(file, tmp_path).manifest.thresholds.iou == 1.0


def test_an_input_that_is_not_square_is_refused(tmp_path: Path) -> None:
    for size in ((64, 96), ("h", "w")):
        drawing = models.detr_best(CLASSES, size=(64, 96))
        if size[0] == "h":
            for axis, name in ((2, "h"), (3, "w")):
                drawing.inputs[0].type.tensor_type.shape.dim[axis].dim_param = name
        with pytest.raises(
            InvalidArgument, match=r"orig_target_sizes takes \(width, height\) or \(height, width\).*square"
        ):
            bring_in(drawing.save(tmp_path / "net.onnx"), tmp_path)


@pytest.mark.parametrize("labels", [CLASSES - 1, CLASSES + 1])
def test_labels_of_another_number_are_refused(labels: int, tmp_path: Path) -> None:
    """Also where the classes without a name do not occur on the pictures of the proof."""
    file = models.detr_best(CLASSES, size=(SIDE, SIDE)).save(tmp_path / "net.onnx")
    with pytest.raises(InvalidArgument, match=f"it has {CLASSES} classes but there are {labels} labels"):
        bring_in(file, tmp_path, classes=labels, adapter="detr")


def test_another_second_input_is_refused(tmp_path: Path) -> None:
    drawing = models.detr_best(CLASSES, size=(SIDE, SIDE))
    drawing.inputs[1].name = "scale_factor"
    for node in drawing.nodes:
        node.input[:] = ["scale_factor" if name == "orig_target_sizes" else name for name in node.input]
    with pytest.raises(InvalidArgument, match=r"must have one input, the picture, but has 2"):
        bring_in(drawing.save(tmp_path / "net.onnx"), tmp_path)
