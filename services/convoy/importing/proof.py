"""Checks that a wrapped graph keeps the contract, on single pictures and in a batch."""

import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto

from convoy.core.errors import ConvoyError
from convoy.core.manifest import Precision, Task
from convoy.core.models.engine import Engine, Outputs
from convoy.core.pictures.decoding import Pixels
from convoy.importing.adapters.adapter import answered
from convoy.importing.network import PREFIX

TOLERANCE = {"float32": 1e-3, "float16": 2e-2, "int8": 2e-2}
"""Largest allowed difference between a row of a batch and a single run, relative to the output's largest number."""
SLACK = 1e-3

Array = npt.NDArray[np.generic]


class Disproof(Exception):
    """Says that the graph does not do what it should: an answer, not a failure. The message says what it does."""


def open_engine(model: ModelProto) -> Engine:
    """Load the graph on the CPU. Raises Disproof if it cannot be loaded."""
    try:
        return Engine(model.SerializeToString(), "cpu", quiet=True)
    except ConvoyError as error:
        raise Disproof(error.message) from None
    except ValueError:  # protobuf's limit for a message
        raise Disproof("it is larger than 2 GiB") from None


def run(engine: Engine, images: Pixels) -> Outputs:
    """Run the graph. Raises Disproof if it fails."""
    try:
        return engine.run(images)
    except Exception as error:  # onnxruntime raises bare exceptions of its own hierarchy
        raise Disproof(shorten(str(error))) from None


def prove_contract(outputs: Outputs, task: Task, classes: int, height: int, width: int) -> None:
    """Check every number of a graph's outputs for one picture of this size. Raises Disproof."""
    for name in answered(task, outputs):
        if not np.isfinite(outputs[name]).all():
            raise Disproof(f"{name} are not all finite")
    CHECKS[task](outputs, classes)
    if task is Task.SEGMENTATION and outputs["class_map"].shape != (1, height, width):
        raise Disproof(f"the class map of a {height}x{width} input has shape {list(outputs['class_map'].shape)}")


def prove_batch(alone: Sequence[Outputs], together: Outputs, task: Task, precision: Precision) -> None:
    """Compare the rows of a batch with single runs of its pictures. Raises Disproof if they differ."""
    for name in answered(task, together):
        wanted = np.concatenate([rows[name] for rows in alone])
        _compare(name, wanted, together[name], TOLERANCE[precision])


def prove_form(model: ModelProto) -> None:
    """Run the ONNX checker over the whole graph. Raises Disproof."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker and shape inference each raise their own kind of error
        raise Disproof(f"the ONNX checker says: {str(error).strip().splitlines()[0]}") from None


def shorten(text: str) -> str:
    """Shorten onnxruntime's message: drop codes and source lines."""
    message = text.splitlines()[0].rpartition("Status Message: ")[2].rpartition(" was false. ")[2]
    node = re.search(r"Name:'([^']*)'", text)
    return f"{node[1].removeprefix(PREFIX)}: {message}" if node else message


def _compare(name: str, wanted: Array, found: Array, tolerance: float) -> None:
    if wanted.shape != found.shape:
        raise Disproof(f"{name} of {len(wanted)} pictures have shape {list(found.shape)}, not {list(wanted.shape)}")
    if name == "class_map":
        difference = float(np.mean(wanted != found))
    else:
        largest = max(1.0, float(np.abs(np.asarray(wanted, np.float64)).max(initial=0.0)))
        difference = (
            float(np.abs(np.asarray(wanted, np.float64) - np.asarray(found, np.float64)).max(initial=0.0)) / largest
        )
    if not difference <= tolerance:
        raise Disproof(f"{name} of a picture in a batch differ by {difference:.2g} from those of the picture alone")


def _check_probabilities(outputs: Outputs, classes: int) -> None:
    rows = np.asarray(outputs["probabilities"], np.float32)
    if rows.shape[1] != classes or rows.min() < -SLACK or np.abs(rows.sum(axis=1) - 1).max() > SLACK * 10:
        raise Disproof("the probabilities do not add up to 1; another --adapter may fit")


def _check_scores(outputs: Outputs, classes: int) -> None:
    scores = np.asarray(outputs["scores"], np.float32)
    if scores.min() < -SLACK or scores.max() > 1 + SLACK:
        raise Disproof(
            f"scores lie between {scores.min():.3g} and {scores.max():.3g}, not in 0 to 1: they may be logits, or the "
            "layout another"
        )


def _check_classes(outputs: Outputs, classes: int) -> None:
    highest = int(np.asarray(outputs["class_map"]).max())
    if highest >= classes:
        raise Disproof(f"class {highest} occurs but there are only {classes} labels")


def _check_lengths(outputs: Outputs, classes: int) -> None:
    lengths = np.linalg.norm(np.asarray(outputs["embeddings"], np.float32), axis=1)
    if np.abs(lengths - 1).max() > SLACK:
        raise Disproof("an embedding has length 0")


def _check_planes(outputs: Outputs, classes: int) -> None:
    channels = outputs["pictures"].shape[-1]
    if channels not in (1, 3):
        raise Disproof(f"the pictures have {channels} channels, not 1 or 3")


CHECKS: dict[Task, Callable[[Outputs, int], None]] = {
    Task.CLASSIFICATION: _check_probabilities,
    Task.DETECTION: _check_scores,
    Task.SEGMENTATION: _check_classes,
    Task.FACE_DETECTION: _check_scores,
    Task.FACE_EMBEDDING: _check_lengths,
    Task.PICTURE_TO_PICTURE: _check_planes,
}
