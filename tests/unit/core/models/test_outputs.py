"""Outputs against the manifest: each thing that can be wrong is told in one sentence."""

import numpy as np
import pytest
from convoy.core.manifest import Export, InputSpec, Manifest, PictureSpec, Task, Training
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
    Task.PICTURE_TO_PICTURE: {"pictures": np.zeros((2, 8, 4, 3), np.float32)},  # twice as large, less the overlap
}


def problem(task: Task, **changed: np.ndarray) -> str:
    picture = task is Task.PICTURE_TO_PICTURE
    tiles, whole = InputSpec(long_side=64, resize="tiles"), InputSpec(height=HEIGHT, width=WIDTH, resize="stretch")
    manifest = Manifest(
        name="net",
        version="1",
        task=task,
        architecture="none",
        sha256="0" * 64,
        input=tiles if picture else whole,
        picture=PictureSpec(scale=2, overlap=2, trimmed=True) if picture else None,
        labels=[] if task in (Task.FACE_DETECTION, Task.FACE_EMBEDDING) else ["a", "b", "c"],
        embedding_size=16,
        licence="none",
        training=Training(recipe="none", command="none", data=[], data_terms="none"),
        export=Export(opset=21),
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
        (Task.DETECTION, "scores", np.zeros((2, 4, 3), np.float32), "boxes, scores and landmarks differ in number"),
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
