"""Outputs against the manifest: each thing that can be wrong is told in one sentence."""

import numpy as np
import pytest
from convoy.core.manifest import Export, InputSpec, Manifest, PictureSpec, SignalSpec, Task, Training, VolumeSpec
from convoy.core.models.outputs import output_problem

BATCH, HEIGHT, WIDTH = 2, 8, 6
GOOD: dict[Task, dict[str, np.ndarray]] = {
    Task.CLASSIFICATION: {"probabilities": np.zeros((2, 3), np.float32)},
    Task.DETECTION: {"boxes": np.zeros((2, 5, 4), np.float32), "scores": np.zeros((2, 5, 3), np.float32)},
    Task.SEGMENTATION: {"class_map": np.zeros((2, 8, 6), np.uint8)},
    Task.FACE_DETECTION: {
        "boxes": np.zeros((2, 5, 4), np.float32),
        "scores": np.zeros((2, 5, 1), np.float32),
        "landmarks": np.zeros((2, 5, 5, 2), np.float32),
    },
    Task.FACE_EMBEDDING: {"embeddings": np.zeros((2, 16), np.float32)},
    Task.VOLUME_SEGMENTATION: {"class_map": np.zeros((2, 3, 8, 6), np.uint8)},
    Task.EMBEDDING: {"embeddings": np.zeros((2, 16), np.float32)},
    Task.SIGNAL_CLASSIFICATION: {"probabilities": np.zeros((2, 3), np.float32)},
    Task.PICTURE_TO_PICTURE: {"pictures": np.zeros((2, 8, 4, 3), np.float32)},  # twice as large, less the overlap
}


def problem(task: Task, facts: dict[str, object] | None = None, **changed: np.ndarray) -> str:
    picture = task is Task.PICTURE_TO_PICTURE
    signal = SignalSpec(rate_hz=10, length=WIDTH) if task is Task.SIGNAL_CLASSIFICATION else None
    row = InputSpec(height=1, width=WIDTH, resize="none")
    tiles, whole = InputSpec(long_side=64, resize="tiles"), InputSpec(height=HEIGHT, width=WIDTH, resize="stretch")
    manifest = Manifest(
        name="net",
        version="1",
        task=task,
        architecture="none",
        sha256="0" * 64,
        input=tiles if picture else row if signal else whole,
        signal=signal,
        volume=VolumeSpec(slices=3) if task is Task.VOLUME_SEGMENTATION else None,
        picture=PictureSpec(scale=2, overlap=2, trimmed=True) if picture else None,
        labels=[] if task in (Task.FACE_DETECTION, Task.FACE_EMBEDDING) else ["a", "b", "c"],
        embedding_size=16,
        licence="none",
        training=Training(recipe="none", command="none", data=[], data_terms="none"),
        export=Export(opset=21),
        **(facts or {}),  # type: ignore[arg-type]
    )
    return output_problem(manifest, GOOD[task] | changed, BATCH, (HEIGHT, WIDTH))


@pytest.mark.parametrize("task", list(Task))
def test_what_the_manifest_promises_is_no_problem(task: Task) -> None:
    assert problem(task) == ""


@pytest.mark.parametrize("task", list(Task))
def test_half_precision_is_no_problem(task: Task) -> None:
    halves = {name: array.astype(np.float16) for name, array in GOOD[task].items() if array.dtype.kind == "f"}
    assert problem(task, **halves) == ""


@pytest.mark.parametrize(
    ("task", "name", "array", "words"),
    [
        (Task.CLASSIFICATION, "probabilities", np.zeros((2, 4), np.float32), "[2, 4]; the manifest says [2, 3]"),
        (Task.CLASSIFICATION, "probabilities", np.zeros((1, 3), np.float32), "[1, 3]; the manifest says [2, 3]"),
        (Task.CLASSIFICATION, "probabilities", np.zeros((2, 3), np.int64), "probabilities is int64"),
        (Task.DETECTION, "boxes", np.zeros((2, 5, 5), np.float32), "[2, 5, 5]; the manifest says [2, any, 4]"),
        (Task.DETECTION, "scores", np.zeros((2, 4, 3), np.float32), "boxes and scores differ in number"),
        (Task.SEGMENTATION, "class_map", np.zeros((2, 6, 8), np.uint8), "the manifest says [2, 8, 6]"),
        (Task.SEGMENTATION, "class_map", np.zeros((2, 8, 6), np.float32), "class_map is float32"),
        (Task.FACE_DETECTION, "landmarks", np.zeros((2, 5, 10), np.float32), "the manifest says [2, any, 5, 2]"),
        (Task.FACE_DETECTION, "landmarks", np.zeros((2, 4, 5, 2), np.float32), "differ in number"),
        (Task.FACE_EMBEDDING, "embeddings", np.zeros((2, 8), np.float32), "the manifest says [2, 16]"),
        (Task.PICTURE_TO_PICTURE, "pictures", np.zeros((2, 8, 6, 3), np.float32), "the manifest says [2, 8, 4, any]"),
        (Task.PICTURE_TO_PICTURE, "pictures", np.zeros((2, 8, 4, 2), np.float32), "has 2 channels, not 1 or 3"),
    ],
)
def test_what_differs_is_told(task: Task, name: str, array: np.ndarray, words: str) -> None:
    assert words in problem(task, **{name: array})


MASKED: dict[str, object] = {"masks": {"form": "prototypes"}, "points": ["head", "tail"]}
PARTS = {
    "prototypes": np.zeros((2, 7, 4, 3), np.float32),
    "coefficients": np.zeros((2, 5, 7), np.float32),
    "points": np.zeros((2, 5, 2, 3), np.float32),
}


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("points", PARTS["points"], ""),
        ("points", PARTS["points"][..., :2], ""),
        ("points", np.zeros((2, 5, 3, 3), np.float32), "[2, 5, 3, 3]; the manifest says [2, any, 2, any]"),
        ("points", np.zeros((2, 5, 2, 4), np.float32), "has 4 numbers for each point, not 2 or 3"),
        ("points", np.zeros((2, 4, 2, 3), np.float32), "boxes, scores, coefficients and points differ in number"),
        ("coefficients", np.zeros((2, 5, 6), np.float32), "there are 7 prototypes and 6 coefficients"),
        ("prototypes", np.zeros((2, 7, 4), np.float32), "[2, 7, 4]; the manifest says [2, any, any, any]"),
    ],
)
def test_masks_and_points_fit_their_boxes_and_the_manifest(name: str, array: np.ndarray, words: str) -> None:
    said = problem(Task.DETECTION, MASKED, **(PARTS | {name: array}))
    assert words in said
    assert bool(said) == bool(words)


def test_masks_over_their_boxes_are_one_output() -> None:
    facts: dict[str, object] = {"masks": {"form": "boxes"}}
    assert problem(Task.DETECTION, facts, masks=np.zeros((2, 5, 28, 28), np.float32)) == ""
    assert "differ in number" in problem(Task.DETECTION, facts, masks=np.zeros((2, 6, 28, 28), np.float32))
