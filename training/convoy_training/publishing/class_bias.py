"""By how much a segmenter should prefer some classes when it chooses.

A gap of a pixel in a membrane makes one cell of two, so there a preference for borders pays. Elsewhere the loss weighs
rare classes more (`weigh_classes`), which finds more of them than there are; a bias takes a share of the weights back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from convoy.core.manifest import GRAPH_FILE
from numpy.typing import NDArray

from convoy_training.errors import RecipeError
from convoy_training.evaluation import open_subject
from convoy_training.task import Images, Predict, Task
from convoy_training.tasks.segmentation import Config, load_split, weigh_classes

Logits = Callable[[Images], NDArray[np.float32]]
"""uint8 RGB [N,H,W,3] -> logits [N,C,H,W]."""

BORDERS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5)
"""Logits for every class but `regions_of`."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the logarithm of the class weights; with all of it, classes are chosen as if none had weighed more."""
NEAR = 0.01
"""A point of the Rand score: less is not worth thicker borders."""


@dataclass(frozen=True)
class Choice:
    """What a bias [C] gives on a split: `mean_iou`, and `foreground_rand_score` where regions are judged."""

    class_bias: tuple[float, ...]
    values: Mapping[str, float]


def measure_biases(folder: Path, split: str = "train") -> list[Choice]:
    """The published segmenter in `folder` with each of the biases in place of its recipe's."""
    subject = open_subject(folder)
    if not isinstance(subject.config, Config):
        raise RecipeError(f"{folder} does {subject.config.task}: only a segmenter has a class_bias")
    return list(try_biases(open_logits(folder / GRAPH_FILE), subject.task, subject.config, split))


def list_biases(config: Config) -> list[tuple[float, ...]]:
    """The biases to try, the least first."""
    data = load_split(config, "train")
    if config.regions_of:
        return [tuple(0.0 if name == config.regions_of else bias for name in data.classes) for bias in BORDERS]
    weights = weigh_classes(data.pixels).log().tolist()
    return [tuple(round(-share * weight, 2) + 0.0 for weight in weights) for share in SHARES]


def try_biases(logits: Logits, task: Task, config: Config, split: str) -> Iterator[Choice]:
    """One choice a bias; what the recipe has put into the logits already does not count twice."""
    for wanted in list_biases(config):
        further = np.array(wanted, np.float32) - np.array(config.class_bias or np.zeros(len(wanted)), np.float32)
        metrics = {m.name: m.value for m in task.evaluate(bias_classes(logits, further), config, split)}
        yield Choice(wanted, {name: metrics[name] for name in ("mean_iou", "foreground_rand_score") if name in metrics})


def choose_bias(choices: Sequence[Choice]) -> Choice:
    """The best mean IoU; where regions are judged, the least bias within a point of the best Rand score."""
    scores = [choice.values.get("foreground_rand_score", choice.values["mean_iou"]) for choice in choices]
    enough = max(scores) - (NEAR if "foreground_rand_score" in choices[0].values else 0.0)
    return next(choice for choice, score in zip(choices, scores, strict=True) if score >= enough)


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
