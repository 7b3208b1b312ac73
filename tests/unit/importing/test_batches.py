"""Graphs that were made for one picture: opened where that keeps their meaning, refused or run one by one where not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import GRAPH_FILE, Task
from convoy.core.models.engine import Engine
from convoy.importing.inspection import inspect
from convoy.importing.model_import import import_model
from convoy.importing.request import Request
from onnx import numpy_helper

from tests import foreign_models as models
from tests.foreign_models import Drawing, write_lines

IMAGES = np.random.default_rng(3).integers(0, 256, (3, 64, 96, 3), np.uint8)


def import_classifier(file: Path, one_by_one: bool = False) -> Engine:
    labels = write_lines(file.with_suffix(".txt"), ["red", "green", "blue"])
    request = Request(
        file, Task.CLASSIFICATION, "MIT", models=file.parent / "models", labels=labels, one_by_one=one_by_one
    )
    return Engine(import_model(inspect(request)).folder / GRAPH_FILE, "cpu")


def detector(file: Path, drawing: Drawing, one_by_one: bool = False) -> Engine:
    drawing.save(file)
    request = Request(file, Task.FACE_DETECTION, "MIT", models=file.parent / "models", one_by_one=one_by_one)
    return Engine(import_model(inspect(request)).folder / GRAPH_FILE, "cpu")


def channel_means(drawing: Drawing, mix: bool = False, squeeze: bool = False) -> Drawing:
    """Logits [N, 3]. mix: the batch's mean is taken off. squeeze: the batch is lost on the way and put on again."""
    flat = drawing.op("Flatten", drawing.op("GlobalAveragePool", drawing.picture), axis=1)
    if mix:
        flat = drawing.op("Sub", flat, drawing.op("Mul", drawing.op("ReduceMean", flat, axes=[0]), half(drawing)))
    if squeeze:
        flat = drawing.op("Reshape", drawing.op("Reshape", flat, drawing.ints(3)), drawing.ints(1, 3))
    drawing.give(flat, "logits")
    return drawing


def half(drawing: Drawing) -> str:
    return drawing.weight(np.float32(0.5).reshape(1))


def test_a_fixed_batch_is_opened(tmp_path: Path) -> None:
    fixed = detector(tmp_path / "fixed.onnx", models.yunet(first=1, size=(64, 96), batch=1))
    free = detector(tmp_path / "free.onnx", models.yunet(size=(64, 96)))
    for name, rows in fixed.run(IMAGES).items():
        np.testing.assert_allclose(rows, free.run(IMAGES)[name], rtol=1e-5, atol=1e-4)


def test_a_fixed_batch_of_the_newest_exporters_is_opened(tmp_path: Path) -> None:
    """They mark every Reshape with allowzero, under which a 0 would mean no rows."""
    drawing = models.yunet(first=1, size=(64, 96), batch=1)
    for node in drawing.nodes:
        if node.op_type == "Reshape":
            node.attribute.append(onnx.helper.make_attribute("allowzero", 1))
    fixed = detector(tmp_path / "fixed.onnx", drawing)
    free = detector(tmp_path / "free.onnx", models.yunet(size=(64, 96)))
    for name, rows in fixed.run(IMAGES).items():
        np.testing.assert_allclose(rows, free.run(IMAGES)[name], rtol=1e-5, atol=1e-4)


def test_insightface_s_fixed_batch_is_sorted_out(tmp_path: Path) -> None:
    """Its outputs have no batch at all, and with several pictures the cells come before them."""
    fixed = detector(tmp_path / "fixed.onnx", models.scrfd(flat=True, size=("h", "w"), batch=1))
    free = detector(tmp_path / "free.onnx", models.scrfd(size=("h", "w")))
    for name, rows in fixed.run(IMAGES).items():
        np.testing.assert_allclose(rows, free.run(IMAGES)[name], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("how", ["mix", "squeeze"])
def test_a_graph_that_mixes_rows_or_fails_is_refused_with_the_cure(
    how: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    batch = "N" if how == "mix" else 1
    file = channel_means(Drawing((32, 32), batch), **{how: True}).save(tmp_path / "net.onnx")
    with pytest.raises(
        InvalidArgument, match=r"net\.onnx: it cannot take several pictures at once .*--one-by-one"
    ) as caught:
        import_classifier(file)
    assert caught.value.reason == "BAD_NETWORK"
    assert capfd.readouterr().err == ""
    assert list((tmp_path / "models").rglob("*")) == []


@pytest.mark.parametrize("how", ["mix", "squeeze"])
def test_one_by_one_gives_every_picture_its_own_answer(how: str, tmp_path: Path) -> None:
    batch = "N" if how == "mix" else 1
    file = channel_means(Drawing((32, 32), batch), **{how: True}).save(tmp_path / "net.onnx")
    engine = import_classifier(file, one_by_one=True)
    together = engine.run(IMAGES[:, :32, :32])["probabilities"]
    for place in range(3):
        alone = engine.run(IMAGES[place : place + 1, :32, :32])["probabilities"]
        np.testing.assert_allclose(together[place], alone[0], atol=1e-6)
    assert np.ptp(together, axis=0).max() > 1e-4


def test_one_by_one_takes_any_size(tmp_path: Path) -> None:
    drawing = models.scrfd(size=("h", "w"), batch=1)
    scanned = detector(tmp_path / "scanned.onnx", drawing, one_by_one=True)
    free = detector(tmp_path / "free.onnx", models.scrfd(size=("h", "w")))
    for name, rows in scanned.run(IMAGES).items():
        np.testing.assert_allclose(rows, free.run(IMAGES)[name], rtol=1e-5, atol=1e-4)


def test_names_of_the_foreign_graph_may_be_ours(tmp_path: Path) -> None:
    drawing = channel_means(Drawing((32, 32)))
    model = drawing.model()
    text = {"input.1": "images", "logits": "probabilities", "value0": "boxes", "weight0": "convoy/constant_0"}
    for node in model.graph.node:
        node.input[:] = [text.get(name, name) for name in node.input]
        node.output[:] = [text.get(name, name) for name in node.output]
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info, *model.graph.initializer]:
        value.name = text.get(value.name, value.name)
    onnx.save(model, tmp_path / "net.onnx")
    assert import_classifier(tmp_path / "net.onnx").run(IMAGES[:, :32, :32])["probabilities"].shape == (3, 3)


def test_weights_among_the_inputs_and_an_old_opset(tmp_path: Path) -> None:
    """As exporters wrote in 2018: IR version 3 lists weights as inputs; opset 9 is raised."""
    drawing = Drawing((32, 32), opset=9)
    flat = drawing.op("Flatten", drawing.op("GlobalAveragePool", drawing.picture), axis=1)
    drawing.give(drawing.op("Add", flat, drawing.weight(np.float32([1, 2, 3]))), "logits")
    model = drawing.model()
    model.ir_version = 3
    weight = model.graph.initializer[0]
    kind = onnx.helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
    model.graph.input.append(kind)
    onnx.save(model, tmp_path / "net.onnx")
    found = import_classifier(tmp_path / "net.onnx").run(IMAGES[:1, :32, :32])["probabilities"][0]
    pixels = (IMAGES[0, :32, :32] / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    powers = np.exp(pixels.mean(axis=(0, 1)) + numpy_helper.to_array(weight))
    np.testing.assert_allclose(found, powers / powers.sum(), rtol=1e-4)


@pytest.mark.parametrize("kind", ["float16", "uint8"])
def test_other_types_of_pixels(kind: str, tmp_path: Path) -> None:
    number = {"float16": onnx.TensorProto.FLOAT16, "uint8": onnx.TensorProto.UINT8}[kind]
    drawing = Drawing((32, 32))
    pixels = drawing.op("Cast", "input.1", to=onnx.TensorProto.FLOAT)
    flat = drawing.op("Flatten", drawing.op("GlobalAveragePool", pixels), axis=1)
    tenth = drawing.weight(np.float32([0.1]))
    drawing.give(drawing.op("Cast", drawing.op("Mul", flat, tenth), to=onnx.TensorProto.FLOAT16), "logits")
    drawing.inputs[0].type.tensor_type.elem_type = number
    engine = import_classifier(drawing.save(tmp_path / "net.onnx"))
    rgb = IMAGES[0, :32, :32].astype(np.float64)
    wanted = rgb if kind == "uint8" else (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    powers = np.exp(wanted.mean(axis=(0, 1)) / 10)
    found = engine.run(IMAGES[:1, :32, :32])["probabilities"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], powers / powers.sum(), rtol=2e-2)
