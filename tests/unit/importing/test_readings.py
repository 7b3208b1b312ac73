"""What is taken for what: told apart by numbers, by the file's metadata or by the user, else refused."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import GRAPH_FILE, Task, load_manifest
from convoy.core.models.engine import Engine
from convoy.importing.inspection import Inspection, inspect
from convoy.importing.model_import import Imported, import_model
from convoy.importing.network import read_network
from convoy.importing.request import Request, usual_preset
from onnx import TensorProto, helper

from tests import foreign_models as models
from tests.foreign_models import Drawing, write_lines

CLASSIFICATION, DETECTION, PLANES = Task.CLASSIFICATION, Task.DETECTION, Task.SEGMENTATION
SIZE = (64, 96)


def look(file: Path, task: Task, classes: int, **told: Any) -> Inspection:
    labels = write_lines(file.with_suffix(".txt"), [f"class {index}" for index in range(classes)]) if classes else None
    facts = {"network": file, "task": task, "licence": "MIT", "models": file.parent / "models", "labels": labels}
    return inspect(Request(**(facts | told)))


def bring_in(file: Path, task: Task, classes: int, **told: Any) -> Imported:
    return import_model(look(file, task, classes, **told))


def with_metadata(drawing: Drawing, file: Path, **facts: str) -> Path:
    model = drawing.model()
    helper.set_model_props(model, facts)
    onnx.save(model, file)
    return file


def boxes_of_queries(file: Path, start: float, size: float, name: str) -> Path:
    """300 queries whose four numbers lie around `start`, `start`, `size`, `size`, a little otherwise for each."""
    drawing = Drawing((64, 64))
    numbers = np.random.default_rng(2).uniform(-0.02, 0.02, (1, 300, 4)) + np.array([start, start, size, size])
    zero = drawing.op("Mul", drawing.op("ReduceMean", drawing.picture, axes=[1, 2, 3], keepdims=1), half(drawing, 1e-6))
    flat = drawing.op("Reshape", zero, drawing.ints(0, 1, 1))
    drawing.give(drawing.op("Add", flat, drawing.weight(np.zeros((1, 300, 3), np.float32))), "logits")
    drawing.give(drawing.op("Add", flat, drawing.weight(numbers.astype(np.float32))), name)
    return drawing.save(file)


def half(drawing: Drawing, value: float) -> str:
    return drawing.weight(np.float32(value).reshape(1))


@pytest.mark.parametrize("decoded", [True, False])
def test_yolox_is_told_from_yolov5(decoded: bool, tmp_path: Path) -> None:
    file = models.yolox(4, decoded=decoded, size=SIZE).save(tmp_path / "net.onnx")
    found = look(file, DETECTION, 4)
    assert list(found.fits) == ["yolox"]
    assert found.fits["yolox"].decoded is decoded


def test_raw_boxes_are_no_boxes_of_yolov5(tmp_path: Path) -> None:
    """Three anchors a cell, as YOLOv5 has them, but exported without its grid."""
    drawing = Drawing(SIZE)
    rows = [drawing.op("Sigmoid", drawing.rows(stride, 3, 9)) for stride in models.FACE_STRIDES]
    drawing.give(drawing.op("Concat", *rows, axis=1), "output0")
    with pytest.raises(InvalidArgument, match=r"yolov5: .*not decoded, or differently"):
        bring_in(drawing.save(tmp_path / "net.onnx"), DETECTION, 4)


@pytest.mark.parametrize("kind", ["yolov5", "yolov8"])
def test_boxes_of_yolo_may_be_shares_if_that_is_said(kind: str, tmp_path: Path) -> None:
    """As exports by way of TensorFlow have them; without a word they look like boxes that are not decoded."""
    drawing = getattr(models, kind)(4, size=SIZE)
    drawing.outputs.clear()
    pixels = drawing.nodes.pop().input[0]
    sides = np.float32([96, 64, 96, 64] + [1] * (5 if kind == "yolov5" else 4))
    shares = drawing.weight(sides if kind == "yolov5" else sides.reshape(1, -1, 1))
    drawing.give(drawing.op("Div", pixels, shares), "output0")
    file = drawing.save(tmp_path / "net.onnx")
    with pytest.raises(InvalidArgument, match="not decoded"):
        bring_in(file, DETECTION, 4)
    folder = bring_in(file, DETECTION, 4, boxes="normalised", adapter=kind).folder
    whole = bring_in(
        getattr(models, kind)(4, size=SIZE).save(tmp_path / "whole.onnx"), DETECTION, 4, adapter=kind
    ).folder
    images = np.random.default_rng(2).integers(0, 256, (1, *SIZE, 3), np.uint8)
    found, wanted = (Engine(one / GRAPH_FILE, "cpu").run(images) for one in (folder, whole))
    np.testing.assert_allclose(found["boxes"], wanted["boxes"], atol=1e-3)


def test_large_boxes_around_centres_are_told_by_their_name(tmp_path: Path) -> None:
    named = boxes_of_queries(tmp_path / "named.onnx", 0.5, 0.9, "pred_boxes")
    assert look(named, DETECTION, 3).fits["detr"].form == "centres"


def test_large_boxes_without_a_name_are_asked_about(tmp_path: Path) -> None:
    file = boxes_of_queries(tmp_path / "net.onnx", 0.5, 0.9, "boxes")
    with pytest.raises(InvalidArgument, match="--boxes corners or --boxes centres"):
        bring_in(file, DETECTION, 3)
    chosen = {form: look(file, DETECTION, 3, form=form) for form in ("corners", "centres")}
    assert [list(one.fits) for one in chosen.values()] == [["ssd"], ["detr"]]


def test_small_boxes_are_told_by_their_numbers(tmp_path: Path) -> None:
    corners = boxes_of_queries(tmp_path / "corners.onnx", 0.7, 0.9, "output")
    assert list(look(corners, DETECTION, 3).fits) == ["ssd"]
    centres = boxes_of_queries(tmp_path / "centres.onnx", 0.5, 0.2, "output")
    assert list(look(centres, DETECTION, 3).fits) == ["detr"]


def test_a_single_number_and_a_single_label_say_nothing(tmp_path: Path) -> None:
    file = models.classifier(1).save(tmp_path / "net.onnx")
    with pytest.raises(InvalidArgument, match="give both labels, first the one for a low number"):
        bring_in(file, CLASSIFICATION, 1)


def test_a_single_sigmoid_is_the_second_label_s_probability(tmp_path: Path) -> None:
    drawing = Drawing((32, 32))
    mean = drawing.op("Flatten", drawing.op("GlobalAveragePool", drawing.cells(8, 1)), axis=1)
    drawing.give(drawing.op("Sigmoid", mean), "output")
    imported = bring_in(drawing.save(tmp_path / "net.onnx"), CLASSIFICATION, 2)
    assert imported.adapter == "softmax"
    image = np.random.default_rng(4).integers(0, 256, (1, 32, 32, 3), np.uint8)
    found = Engine(imported.folder / GRAPH_FILE, "cpu").run(image)["probabilities"]
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    pixels = (image / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    (wanted,) = session.run(None, {"input.1": pixels.transpose(0, 3, 1, 2).astype(np.float32)})
    np.testing.assert_allclose(found, [[1 - wanted[0, 0], wanted[0, 0]]], atol=1e-6)


def test_a_sigmoid_for_each_class_is_no_classifier(tmp_path: Path) -> None:
    drawing = Drawing((32, 32))
    logits = drawing.op("Flatten", drawing.op("GlobalAveragePool", drawing.cells(8, 4)), axis=1)
    drawing.give(drawing.op("Sigmoid", logits), "output")
    with pytest.raises(InvalidArgument, match="each class has its own probability"):
        bring_in(drawing.save(tmp_path / "net.onnx"), CLASSIFICATION, 4)


def test_a_convolutional_graph_takes_any_size_though_it_declares_one(tmp_path: Path) -> None:
    file = models.segmenter(3, size=(32, 32), batch=5).save(tmp_path / "net.onnx")
    manifest = bring_in(file, PLANES, 3, input_size=(64, 96)).manifest
    assert (manifest.input.height, manifest.input.width) == (64, 96)


def test_nodes_out_of_order_are_sorted(tmp_path: Path) -> None:
    model = models.classifier(4).model()
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    onnx.save(model, tmp_path / "net.onnx")
    assert bring_in(tmp_path / "net.onnx", CLASSIFICATION, 4).adapter == "logits"


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("opset", [9, 10])
def test_an_old_upsample_keeps_its_meaning(mode: str, opset: int, tmp_path: Path) -> None:
    drawing = Drawing((32, 48), opset=opset)
    scales = drawing.weight(np.float32([1, 1, 4, 4]))
    drawing.give(drawing.op("Upsample" if opset == 9 else "Resize", drawing.cells(4, 3), scales, mode=mode), "out")
    file = drawing.save(tmp_path / "net.onnx")
    engine = Engine(bring_in(file, PLANES, 3, preprocess="zero-one").folder / GRAPH_FILE, "cpu")
    image = np.random.default_rng(1).integers(0, 256, (1, 32, 48, 3), np.uint8)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (logits,) = session.run(None, {"input.1": (image / 255).astype(np.float32).transpose(0, 3, 1, 2)})
    np.testing.assert_array_equal(engine.run(image)["class_map"], logits.argmax(axis=1))


def test_a_graph_that_normalises_itself_gets_raw_pixels(tmp_path: Path) -> None:
    drawing = Drawing((112, 112))
    less = drawing.op("Sub", "input.1", half(drawing, 127.5))
    drawing.picture = drawing.op("Mul", less, half(drawing, 1 / 128))
    drawing.give(drawing.op("Flatten", drawing.op("AveragePool", drawing.picture, kernel_shape=[28, 28],
                                                  strides=[28, 28]), axis=1), "683")  # fmt: skip
    imported = bring_in(drawing.save(tmp_path / "net.onnx"), Task.FACE_EMBEDDING, 0)
    assert (imported.preprocessing.scale, imported.preprocessing.mean) == (1, (0, 0, 0))


def test_what_stays_of_a_preset_under_single_numbers_is_told(tmp_path: Path) -> None:
    """--scale and --mean alone leave ImageNet's deviation, which few mean."""
    file = models.classifier(4).save(tmp_path / "net.onnx")
    notes = bring_in(file, CLASSIFICATION, 4, scale=2 / 255, mean=(1.0, 1.0, 1.0)).notes
    assert any(note.startswith("std stay as in `imagenet`") for note in notes)
    notes = bring_in(file, CLASSIFICATION, 4, scale=2 / 255, mean=(1.0, 1.0, 1.0), std=(1.0, 1.0, 1.0)).notes
    assert not any("as in" in note for note in notes)


def test_what_converters_from_tensorflow_wrote_is_guessed_otherwise(tmp_path: Path) -> None:
    model = models.classifier(4).model()
    model.producer_name = "tf2onnx"
    onnx.save(model, tmp_path / "net.onnx")
    found = look(tmp_path / "net.onnx", CLASSIFICATION, 4)
    assert usual_preset(found.choose()[0], found.network) == "tensorflow"


class TestMetadata:
    def test_of_ultralytics_says_names_and_size(self, tmp_path: Path) -> None:
        facts = {"task": "detect", "imgsz": "[320, 256]", "names": "{0: 'cat', 1: 'dog'}"}
        file = with_metadata(models.yolov8(2, size=("h", "w")), tmp_path / "net.onnx", **facts)
        manifest = bring_in(file, DETECTION, 0).manifest
        assert manifest.labels == ["cat", "dog"]
        assert manifest.input.long_side == 320

    def test_of_ultralytics_classifiers_says_pixels(self, tmp_path: Path) -> None:
        facts = {"task": "classify", "names": "{0: 'cat', 1: 'dog', 2: 'fox'}"}
        file = with_metadata(models.classifier(3, softmax=True), tmp_path / "net.onnx", **facts)
        found = look(file, CLASSIFICATION, 0)
        assert usual_preset(found.choose()[0], found.network) == "zero-one"

    def test_of_pose_says_the_points(self, tmp_path: Path) -> None:
        facts = {"task": "pose", "names": "{0: 'mouse'}", "kpt_shape": "[2, 3]", "kpt_names": "{0: ['head', 'tail']}"}
        file = with_metadata(models.yolov8_pose(1, size=SIZE), tmp_path / "net.onnx", **facts)
        imported = bring_in(file, DETECTION, 0)
        assert imported.adapter == "yolov8-pose"
        assert imported.manifest.points == ["head", "tail"]

    def test_seventeen_points_are_those_of_a_person(self, tmp_path: Path) -> None:
        facts = {"task": "pose", "names": "{0: 'mouse'}", "kpt_shape": "[17, 3]"}
        file = with_metadata(models.yolov8_pose(1, 17, size=(128, 128)), tmp_path / "net.onnx", **facts)
        points = bring_in(file, DETECTION, 0).manifest.points
        assert (points[0], points[9], len(points)) == ("nose", "left_wrist", 17)

    def test_points_without_names_are_not_guessed(self, tmp_path: Path) -> None:
        facts = {"task": "pose", "names": "{0: 'mouse'}", "kpt_shape": "[2, 3]"}
        file = with_metadata(models.yolov8_pose(1, size=SIZE), tmp_path / "net.onnx", **facts)
        with pytest.raises(InvalidArgument, match="name them with --points"):
            bring_in(file, DETECTION, 0)

    def test_of_segment_says_masks(self, tmp_path: Path) -> None:
        facts = {"task": "segment", "names": "{0: 'cat', 1: 'dog'}"}
        file = with_metadata(models.yolov8_seg(2, size=SIZE), tmp_path / "net.onnx", **facts)
        imported = bring_in(file, DETECTION, 0)
        assert (imported.adapter, imported.manifest.masks.form) == ("yolov8-seg", "prototypes")
        assert {one.name for one in imported.differences} == {"boxes", "scores", "prototypes", "coefficients"}

    @pytest.mark.parametrize(("word", "told"), [("obb", "Convoy lacks"), ("classify", "--task classification")])
    def test_of_another_task_is_refused(self, word: str, told: str, tmp_path: Path) -> None:
        facts = {"task": word, "names": "{0: 'cat', 1: 'dog'}"}
        file = with_metadata(models.yolov8(2, size=SIZE), tmp_path / "net.onnx", **facts)
        with pytest.raises(InvalidArgument, match=told):
            bring_in(file, DETECTION, 0)

    def test_of_rapidai_says_names(self, tmp_path: Path) -> None:
        file = with_metadata(models.classifier(4), tmp_path / "net.onnx", character="0\n90\n180\n270")
        assert bring_in(file, CLASSIFICATION, 0).manifest.labels == ["0", "90", "180", "270"]

    @pytest.mark.parametrize(
        ("told", "licence"),
        [
            ("AGPL-3.0 License (https://ultralytics.com/license)", "MIT"),
            ("GPL-3.0", "AGPL-3.0"),
            ("CC-BY-NC-4.0", "CC-BY-4.0"),
            ("Apache License 2.0", "BSD-3-Clause"),
        ],
    )
    def test_of_another_licence_is_refused(self, told: str, licence: str, tmp_path: Path) -> None:
        file = with_metadata(models.classifier(4), tmp_path / "net.onnx", license=told)
        with pytest.raises(InvalidArgument, match="its metadata says that its licence is") as caught:
            bring_in(file, CLASSIFICATION, 4, licence=licence)
        assert told in caught.value.message

    @pytest.mark.parametrize(
        ("told", "licence"),
        [
            ("AGPL-3.0 License (https://ultralytics.com/license)", "AGPL-3.0"),
            ("AGPL-3.0 License", "Enterprise instead of AGPL-3.0"),
            ("Apache License, Version 2.0", "Apache-2.0"),
            ("MIT", "mit"),
            ("", "MIT"),
        ],
    )
    def test_of_the_same_licence_is_taken(self, told: str, licence: str, tmp_path: Path) -> None:
        file = with_metadata(models.classifier(4), tmp_path / "net.onnx", license=told)
        assert bring_in(file, CLASSIFICATION, 4, licence=licence).manifest.licence == licence


def test_crop_padding_and_face_crop_stand_in_the_manifest(tmp_path: Path) -> None:
    file = models.classifier(4).save(tmp_path / "net.onnx")
    spec = load_manifest(bring_in(file, CLASSIFICATION, 4, crop=0.875).folder).input
    assert (spec.resize, spec.crop) == ("center_crop", 0.875)
    spec = bring_in(file, CLASSIFICATION, 4, resize="letterbox", pad_value=0, pad_at="both").manifest.input
    assert (spec.pad_value, spec.pad_at) == (0, "both")
    imported = bring_in(file, CLASSIFICATION, 4, face_crop=2.7, crop=0.5)
    assert imported.manifest.input.face_crop == 2.7
    assert "--crop 0.5 --face-crop 2.7" in imported.manifest.training.command


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"crop": 1.5}, "less than or equal to 1"),
        ({"crop": 0.5, "resize": "letterbox"}, "only resize=center_crop or stretch"),
        ({"pad_at": "both"}, "only resize=letterbox pads"),
        ({"pad_value": 300}, "less than or equal to 255"),
    ],
)
def test_what_cannot_be_is_refused(told: dict[str, Any], words: str, tmp_path: Path) -> None:
    file = models.classifier(4).save(tmp_path / "net.onnx")
    with pytest.raises(InvalidArgument, match=words):
        bring_in(file, CLASSIFICATION, 4, **told)


def test_face_crops_are_for_classifiers(tmp_path: Path) -> None:
    file = models.segmenter(3, size=(32, 32)).save(tmp_path / "net.onnx")
    with pytest.raises(InvalidArgument, match="face_crop is only for classifiers"):
        bring_in(file, PLANES, 3, face_crop=2.0)


def test_weights_outside_of_a_file_come_inside_and_are_named(tmp_path: Path) -> None:
    drawing = models.classifier(4)
    drawing.weights[0].CopyFrom(
        onnx.numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), drawing.weights[0].name)
    )
    model = drawing.model()
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    imported = bring_in(tmp_path / "net.onnx", CLASSIFICATION, 4)
    assert "weights.bin, SHA-256 " in imported.manifest.training.recipe
    assert imported.manifest.files == {}
    assert not any(one.data_location == TensorProto.EXTERNAL for one in
                   onnx.load(imported.folder / GRAPH_FILE, load_external_data=False).graph.initializer)  # fmt: skip


def test_the_file_s_own_opset_is_what_is_compared_with(tmp_path: Path) -> None:
    """The file is run as it is: nothing of it is raised or opened unless it must be."""
    file = models.classifier(4).save(tmp_path / "net.onnx")
    assert read_network(file).plain == file
