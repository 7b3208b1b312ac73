"""What cannot be imported is refused in one sentence that names the file and what helps, and leaves nothing behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from convoy.core.errors import AlreadyExists, ConvoyError, FailedPrecondition, InvalidArgument
from convoy.core.manifest import GreyWindow, Task, load_manifest
from convoy.importing import publication
from convoy.importing.inspection import inspect
from convoy.importing.model_import import Imported, import_model
from convoy.importing.request import Request
from onnx import TensorProto, helper

from tests import foreign_models as models
from tests.foreign_models import Drawing, write_lines

FOUR = ["cat", "dog", "bird", "fish"]
CLASSIFICATION, DETECTION, FACES = Task.CLASSIFICATION, Task.DETECTION, Task.FACE_DETECTION


def two_inputs(**facts: Any) -> Drawing:
    drawing = models.classifier(4)
    drawing.inputs.append(helper.make_tensor_value_info("image_size", TensorProto.FLOAT, [1, 2]))
    return drawing


def two_channels(**facts: Any) -> Drawing:
    drawing = Drawing((32, 32))
    drawing.inputs[0].type.tensor_type.shape.dim[1].dim_value = 2
    drawing.give(drawing.op("Flatten", drawing.picture, axis=1), "logits")
    return drawing


def any_channels(**facts: Any) -> Drawing:
    drawing = Drawing((32, 32))
    for length in drawing.inputs[0].type.tensor_type.shape.dim:
        length.dim_param = "any"
    drawing.give(drawing.op("GlobalAveragePool", drawing.picture), "logits")
    return drawing


def rows_only(**facts: Any) -> Drawing:
    drawing = Drawing((32, 32))
    drawing.inputs[0] = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["N", 12])
    drawing.give(drawing.op("Relu", drawing.picture), "logits")
    return drawing


def raw_scores(**facts: Any) -> Drawing:
    """YOLOv8's layout without its sigmoid."""
    drawing = Drawing((64, 96))
    rows = drawing.op("Concat", drawing.decoded(8, 1), drawing.rows(8, 1, 4, scale=3.0), axis=2)
    drawing.give(drawing.op("Transpose", rows, perm=[0, 2, 1]), "output0")
    return drawing


def mixed_up(**facts: Any) -> Drawing:
    """Four pictures at once, no other number, and each answer depends on all of them."""
    drawing = Drawing((32, 32), 4)
    flat = drawing.op("Flatten", drawing.op("GlobalAveragePool", drawing.cells(8, 4)), axis=1)
    drawing.give(drawing.op("Sub", flat, drawing.op("ReduceMean", flat, axes=[0])), "logits")
    return drawing


def not_a_number(**facts: Any) -> Drawing:
    drawing = Drawing((32, 32))
    logits = drawing.op("Flatten", drawing.op("GlobalAveragePool", drawing.cells(8, 4)), axis=1)
    drawing.give(drawing.op("Mul", logits, drawing.weight(np.float32([np.inf] * 4))), "logits")
    return drawing


def corners_for_every_anchor(**facts: Any) -> Drawing:
    """As many boxes as a RetinaNet has anchors, and yet they may be corners already."""
    drawing = Drawing((128, 128))
    starts = [drawing.op("Sigmoid", drawing.rows(stride, 9, 2)) for stride in models.RETINANET_STRIDES]
    start = drawing.op("Concat", *starts, axis=1)
    drawing.give(drawing.op("Concat", start, drawing.op("Add", start, start), axis=2), "boxes")
    scores = [drawing.op("Sigmoid", drawing.rows(stride, 9, 4)) for stride in models.RETINANET_STRIDES]
    drawing.give(drawing.op("Concat", *scores, axis=1), "scores")
    return drawing


def suppressed(**facts: Any) -> Drawing:
    drawing = Drawing((64, 96))
    classes = drawing.op("Floor", drawing.op("Relu", drawing.rows(8, 1, 1)))
    drawing.give(drawing.op("Concat", drawing.rows(8, 1, 5), classes, axis=2), "output0")
    return drawing


class Refusal(NamedTuple):
    draw: Callable[..., Drawing]
    task: Task
    reason: str
    words: str
    request: dict[str, Any] = {}  # noqa: RUF012  (never changed)
    labels: list[str] = FOUR


REFUSALS = {
    "two inputs": Refusal(two_inputs, CLASSIFICATION, "BAD_NETWORK", r"but has 2: input\.1, image_size"),
    "two channels": Refusal(two_channels, CLASSIFICATION, "BAD_NETWORK", "not one or three channels"),
    "which length is the channels": Refusal(any_channels, CLASSIFICATION, "BAD_NETWORK", "--layout nchw or nhwc"),
    "no picture": Refusal(rows_only, CLASSIFICATION, "BAD_NETWORK", "pictures need four axes"),
    "a batch of four that mixes its pictures": Refusal(
        mixed_up, CLASSIFICATION, "BAD_NETWORK", "fixed at 4 and cannot be opened .*; export it again"
    ),
    "not numbers": Refusal(not_a_number, CLASSIFICATION, "BAD_NETWORK", "not all finite"),
    "too few labels": Refusal(
        lambda: models.classifier(5), CLASSIFICATION, "UNKNOWN_LAYOUT", "it has 5 classes but there are 4 labels"
    ),
    "no labels": Refusal(lambda: models.classifier(4), CLASSIFICATION, "BAD_ARGUMENT", "--labels FILE", labels=[]),
    "a label twice": Refusal(
        lambda: models.classifier(4),
        CLASSIFICATION,
        "BAD_ARGUMENT",
        "'cat' is on lines 1 and 3",
        labels=["cat", "dog", "cat", "fish"],
    ),
    "an empty line": Refusal(
        lambda: models.classifier(4), CLASSIFICATION, "BAD_ARGUMENT", "line 2 is empty", labels=["cat", "", "dog"]
    ),
    "no such adapter": Refusal(
        lambda: models.classifier(4), CLASSIFICATION, "BAD_ARGUMENT", "it has: softmax, logits", {"adapter": "yolov8"}
    ),
    "logits called softmax": Refusal(
        lambda: models.classifier(4), CLASSIFICATION, "UNKNOWN_LAYOUT", "they are logits", {"adapter": "softmax"}
    ),
    "softmax called logits": Refusal(
        lambda: models.classifier(4, softmax=True),
        CLASSIFICATION,
        "UNKNOWN_LAYOUT",
        "probabilities already",
        {"adapter": "logits"},
    ),
    "wrong adapter": Refusal(
        lambda: models.yolov8(4, size=(64, 96)),
        DETECTION,
        "UNKNOWN_LAYOUT",
        "adapter yolov5 does not fit",
        {"adapter": "yolov5"},
    ),
    "several adapters": Refusal(
        corners_for_every_anchor,
        DETECTION,
        "UNKNOWN_LAYOUT",
        "choose one with --adapter: ssd, retinanet",
    ),
    "no adapter": Refusal(
        lambda: models.classifier(4), DETECTION, "UNKNOWN_LAYOUT", r"no adapter of detection fits .*output \[1, 4\]"
    ),
    "scores that are logits": Refusal(raw_scores, DETECTION, "BAD_NETWORK", "not in 0 to 1"),
    "after suppression": Refusal(suppressed, DETECTION, "UNKNOWN_LAYOUT", "yolov5: .* export with nms=False"),
    "after suppression, with one class": Refusal(
        suppressed, DETECTION, "UNKNOWN_LAYOUT", "yolov5: .* export with nms=False", labels=["cat"]
    ),
    "no landmarks": Refusal(
        lambda: models.scrfd(kps=False, size=(64, 96)), FACES, "UNKNOWN_LAYOUT", "it has no landmarks", labels=[]
    ),
    "no such output": Refusal(
        lambda: models.classifier(4),
        CLASSIFICATION,
        "BAD_NETWORK",
        "no output logits; it has: output",
        {"output": ("logits",)},
    ),
    "another size": Refusal(
        lambda: models.classifier(4), CLASSIFICATION, "BAD_NETWORK", "it takes only 32x32", {"input_size": 64}
    ),
    "no size": Refusal(
        lambda: models.classifier(4, size=("h", "w")), CLASSIFICATION, "BAD_ARGUMENT", "choose one with --input-size"
    ),
    "a face of another size": Refusal(
        lambda: models.embedder(size=(168, 168)),
        Task.FACE_EMBEDDING,
        "UNKNOWN_LAYOUT",
        "aligned to 112x112",
        labels=[],
    ),
    "no such preprocessing": Refusal(
        lambda: models.classifier(4),
        CLASSIFICATION,
        "BAD_ARGUMENT",
        "no preprocessing 'caffe'; there are: raw",
        {"preprocess": "caffe"},
    ),
    "a threshold beyond 1": Refusal(
        lambda: models.classifier(4),
        CLASSIFICATION,
        "BAD_ARGUMENT",
        "less than or equal to 1",
        {"detection_threshold": 1.5},
    ),
    "a bad name": Refusal(
        lambda: models.classifier(4), CLASSIFICATION, "BAD_ARGUMENT", "name", {"name": "../elsewhere"}
    ),
}


def attempt(file: Path, task: Task, labels: list[str] = FOUR, **facts: Any) -> Imported:
    if labels:
        facts["labels"] = write_lines(file.with_suffix(".txt"), labels)
    request = Request(**({"network": file, "task": task, "licence": "MIT", "models": file.parent / "models"} | facts))
    return import_model(inspect(request))


def left_behind(folder: Path) -> list[Path]:
    return list((folder / "models").rglob("*"))


@pytest.mark.parametrize("name", REFUSALS)
def test_it_is_refused(name: str, tmp_path: Path) -> None:
    refusal = REFUSALS[name]
    file = refusal.draw().save(tmp_path / "net.onnx")
    with pytest.raises(InvalidArgument, match=refusal.words) as caught:
        attempt(file, refusal.task, refusal.labels, **refusal.request)
    assert caught.value.reason == refusal.reason
    assert "\n" not in caught.value.message
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\x08\x07\x12\x00"])
def test_what_is_no_graph(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(InvalidArgument, match=r"net\.onnx: it is not a valid ONNX graph"):
        attempt(tmp_path / "net.onnx", CLASSIFICATION)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="there is no such file"):
        attempt(tmp_path / "net.onnx", CLASSIFICATION)


def test_an_operator_that_nobody_knows(tmp_path: Path) -> None:
    model = models.classifier(4).model()
    model.graph.node[0].domain = "com.example"
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(InvalidArgument, match="ONNX Runtime cannot run it"):
        attempt(tmp_path / "net.onnx", CLASSIFICATION)


@pytest.mark.parametrize("last", [False, True])
def test_one_channel_needs_both_labels(tmp_path: Path, last: bool) -> None:
    """One label would make it a segmenter that finds a class without a name."""
    file = models.segmenter(1, last=last, sigmoid=True, size=(64, 96)).save(tmp_path / "net.onnx")
    with pytest.raises(InvalidArgument, match="its one channel decides between two classes: give both labels"):
        attempt(file, Task.SEGMENTATION, ["vessel"])
    assert left_behind(tmp_path) == []


def test_versions_count_up_and_none_is_written_twice(tmp_path: Path) -> None:
    file = models.classifier(4).save(tmp_path / "net.onnx")
    assert [attempt(file, CLASSIFICATION).folder.name for _ in range(2)] == ["1", "2"]
    assert attempt(file, CLASSIFICATION, version=7).folder.name == "7"
    before = {path: path.stat().st_mtime_ns for path in left_behind(tmp_path)}
    with pytest.raises(AlreadyExists, match="leave --version out to get 8") as caught:
        attempt(file, CLASSIFICATION, version=2)
    assert caught.value.reason == "MODEL_EXISTS"
    assert {path: path.stat().st_mtime_ns for path in left_behind(tmp_path)} == before


def test_a_folder_that_does_not_load_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise FailedPrecondition("BAD_MODEL", f"{folder.name} is bad")

    monkeypatch.setattr(publication, "load_manifest", refuse)
    file = models.classifier(4).save(tmp_path / "net.onnx")
    with pytest.raises(ConvoyError, match="1 is bad"):
        attempt(file, CLASSIFICATION)
    assert left_behind(tmp_path) == []


def test_the_manifest_tells_where_it_comes_from(tmp_path: Path) -> None:
    file = models.classifier(4, opset=13).save(tmp_path / "My Net (v2).onnx")
    imported = attempt(
        file,
        CLASSIFICATION,
        preprocess="zero-one",
        bgr=True,
        mean=(0.1, 0.2, 0.3),
        source="example.org",
        resize="stretch",
        window=(40.0, 400.0),
    )
    manifest = load_manifest(imported.folder)
    assert (manifest.name, manifest.licence, manifest.export.opset) == ("my-net-v2", "MIT", 13)
    assert manifest.training.recipe.startswith("example.org (My Net (v2).onnx, SHA-256 ")
    assert "--adapter logits" in manifest.training.command
    assert "--mean 0.1,0.2,0.3 --std 1,1,1" in manifest.training.command
    assert "--window 40,400" in manifest.training.command
    assert manifest.input.window == GreyWindow(level=40, width=400)
    assert manifest.training.command.endswith("--bgr")
    assert manifest.parameters == 4 * 3 + 4
    assert manifest.input.resize == "stretch"


def test_class_names_of_the_metadata_are_taken(tmp_path: Path) -> None:
    model = models.yolov8(4, size=(64, 96)).model()
    helper.set_model_props(model, {"names": "{0: 'cat', 1: 'dog', 2: 'bird', 3: 'fish'}"})
    onnx.save(model, tmp_path / "net.onnx")
    assert attempt(tmp_path / "net.onnx", DETECTION, labels=[]).manifest.labels == FOUR
