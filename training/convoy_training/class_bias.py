"""How much a membrane segmenter should prefer borders: a gap of one pixel makes one region of two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from convoy.core.manifest import GRAPH_FILE
from numpy.typing import NDArray

from convoy_training.errors import RecipeError
from convoy_training.evaluation import open_subject
from convoy_training.recipe import Images, Predict, Recipe
from convoy_training.recipes.segmentation import Config

Logits = Callable[[Images], NDArray[np.float32]]
"""uint8 RGB [N,H,W,3] -> logits [N,C,H,W]."""

BIASES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5)
NEAR = 0.01
"""A point of the Rand score: less is not worth thicker borders."""


@dataclass(frozen=True)
class Choice:
    """What a bias on every class but `regions_of` gives on a split."""

    class_bias: tuple[float, ...]
    mean_iou: float
    rand_score: float


def measure_biases(folder: Path, split: str = "train") -> list[Choice]:
    """The published segmenter in `folder` with each of the biases in place of its recipe's."""
    subject = open_subject(folder)
    config = subject.config
    if not isinstance(config, Config) or not config.regions_of:
        raise RecipeError(f"{folder}: only a segmenter whose recipe names regions_of has a bias to choose")
    return list(try_biases(open_logits(folder / GRAPH_FILE), subject.recipe, config, split))


def try_biases(logits: Logits, recipe: Recipe, config: Config, split: str) -> Iterator[Choice]:
    """One choice a bias; what the recipe has put into the logits already does not count twice."""
    labels = recipe.describe(config).manifest["labels"]
    there = np.array(config.class_bias or np.zeros(len(labels)), np.float32)
    for bias in BIASES:
        wanted = np.array([0.0 if label == config.regions_of else bias for label in labels], np.float32)
        metrics = recipe.evaluate(bias_classes(logits, wanted - there), config, split)
        measured = {metric.name: metric.value for metric in metrics}
        yield Choice(tuple(wanted.tolist()), measured["mean_iou"], measured["foreground_rand_score"])


def choose_bias(choices: list[Choice]) -> Choice:
    """The least bias that is within a point of the best Rand score."""
    best = max(choice.rand_score for choice in choices)
    return min((c for c in choices if c.rand_score >= best - NEAR), key=lambda choice: max(choice.class_bias))


def open_logits(file: Path) -> Logits:
    """A published segmenter up to where it chooses the class."""
    model = onnx.load(str(file))
    chosen = next(node for node in model.graph.node if node.op_type == "ArgMax").input[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(chosen, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda images: session.run([chosen], {"images": images})[0]


def bias_classes(logits: Logits, further: NDArray[np.float32]) -> Predict:
    """The segmenter with a further bias [C] on its logits."""
    return lambda images: {"class_map": (logits(images) + further[:, None, None]).argmax(1).astype(np.uint8)}
