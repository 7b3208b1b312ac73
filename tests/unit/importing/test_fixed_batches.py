"""Graphs for several pictures at once: opened where their rows do not depend on one another, else refused."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import GRAPH_FILE, Task
from convoy.core.models.engine import Engine
from convoy.importing.inspection import inspect
from convoy.importing.model_import import import_model
from convoy.importing.request import Request

from tests.foreign_models import Drawing

IMAGES = np.random.default_rng(5).integers(0, 256, (4, 112, 112, 3), np.uint8)


def embedder(batch: int, last: int) -> Drawing:
    """[batch, 192], whose last Reshape names the batch by number, as MobileFaceNet's does."""
    drawing = Drawing((112, 112), batch)
    blocks = drawing.op("AveragePool", drawing.picture, kernel_shape=[14, 14], strides=[14, 14])
    drawing.give(drawing.op("Reshape", blocks, drawing.ints(last, 192)), "vectors")
    return drawing


def load(file: Path) -> Engine:
    request = Request(file, Task.FACE_EMBEDDING, "MIT", models=file.parent / "models", name="net")
    return Engine(import_model(inspect(request)).folder / GRAPH_FILE, "cpu")


def ask_the_file(file: Path, pair: np.ndarray) -> np.ndarray:
    """What the foreign file itself says to as many pictures as it takes, at unit length."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    pixels = ((pair.astype(np.float32) - 127.5) / 127.5).transpose(0, 3, 1, 2)
    vectors = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(pixels)})[0]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def check_rows(wrapped: Engine, file: Path) -> None:
    """Every row of batches of 1, 2 and 3 against the file, which sees the same pictures in other company."""
    wanted = np.concatenate([ask_the_file(file, IMAGES[:2]), ask_the_file(file, IMAGES[2:])])
    for count in (1, 2, 3):
        found = np.asarray(wrapped.run(IMAGES[:count])["embeddings"])
        np.testing.assert_allclose(found, wanted[:count], atol=1e-5)
    assert np.ptp(wanted, axis=0).max() > 1e-2  # else any constant would pass


def test_a_batch_of_two_is_opened(tmp_path: Path) -> None:
    file = embedder(2, last=2).save(tmp_path / "net.onnx")
    check_rows(load(file), file)


@pytest.mark.foreign
def test_a_published_embedder_for_two_faces_is_opened(foreign_networks: Path, tmp_path: Path) -> None:
    file = tmp_path / "MobileFaceNet_b2.onnx"
    file.write_bytes((foreign_networks / file.name).read_bytes())
    check_rows(load(file), file)


def test_rows_that_depend_on_one_another_are_refused(tmp_path: Path) -> None:
    drawing = Drawing((112, 112), 2)
    blocks = drawing.op("AveragePool", drawing.picture, kernel_shape=[14, 14], strides=[14, 14])
    flat = drawing.op("Flatten", blocks, axis=1)
    drawing.give(drawing.op("Sub", flat, drawing.op("ReduceMean", flat, axes=[0])), "vectors")
    file = drawing.save(tmp_path / "net.onnx")
    with pytest.raises(InvalidArgument, match=r"fixed at 2 and cannot be opened \(.* differ by .*\); export it again"):
        load(file)
    assert not (tmp_path / "models").exists()


def test_an_output_without_a_row_for_each_picture_is_refused(tmp_path: Path) -> None:
    drawing = Drawing((112, 112), 2)
    drawing.give(drawing.op("ReduceMean", drawing.cells(14, 192), axes=[0, 2, 3], keepdims=0), "vectors")
    file = drawing.save(tmp_path / "net.onnx")
    with pytest.raises(InvalidArgument, match="vectors do not have a row for each picture"):
        load(file)
