"""Measures how much a segmenter should prefer some classes when it chooses the class of a pixel.

A gap of one pixel in a membrane joins two cells, so a preference for borders pays there. For other data the loss weighs
rare classes more (`weigh_classes`), so the network finds too many of them; a bias takes part of that weight back.
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
from convoy_training.losses.overlap import weigh_classes
from convoy_training.task import Images, Predict, Task
from convoy_training.tasks.segmentation import Config, load_split

Logits = Callable[[Images], NDArray[np.float32]]
"""uint8 RGB [N,H,W,3] -> logits [N,C,H,W]."""

BORDERS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5)
"""The biases to try on every class but `regions_of`, in logits."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The shares of the logarithm of the class weights to try as bias; 1 undoes the weights in the choice of classes."""
NEAR = 0.01
"""One point of the Rand score; a smaller gain is not worth thicker borders."""


@dataclass(frozen=True)
class Choice:
    """What a bias [C] gives on a split: `mean_iou` and, if the recipe judges regions, `foreground_rand_score`."""

    class_bias: tuple[float, ...]
    values: Mapping[str, float]


def measure_biases(folder: Path, split: str = "train", *, other_data: bool = False) -> list[Choice]:
    """Measures the published segmenter in `folder` with each of the biases instead of its recipe's."""
    subject = open_subject(folder, other_data=other_data)
    if not isinstance(subject.config, Config):
        raise RecipeError(f"{folder} does {subject.config.task}: only a segmenter has a class_bias")
    return list(try_biases(open_logits(folder / GRAPH_FILE), subject.task, subject.config, split))


def list_biases(config: Config) -> list[tuple[float, ...]]:
    """The biases to try, the smallest first."""
    data = load_split(config, "train")
    if config.regions_of:
        return [tuple(0.0 if name == config.regions_of else bias for name in data.classes) for bias in BORDERS]
    weights = weigh_classes(data.pixels).log().tolist()
    return [tuple(round(-share * weight, 2) + 0.0 for weight in weights) for share in SHARES]


def try_biases(logits: Logits, task: Task, config: Config, split: str) -> Iterator[Choice]:
    """One choice per bias. The recipe's own bias is already in the logits, so it is subtracted first."""
    for wanted in list_biases(config):
        further = np.array(wanted, np.float32) - np.array(config.class_bias or np.zeros(len(wanted)), np.float32)
        metrics = {m.name: m.value for m in task.evaluate(bias_classes(logits, further), config, split)}
        yield Choice(wanted, {name: metrics[name] for name in ("mean_iou", "foreground_rand_score") if name in metrics})


def choose_bias(choices: Sequence[Choice]) -> Choice:
    """The choice of best mean IoU; if regions are judged, the least bias within a point of the best Rand score."""
    scores = [choice.values.get("foreground_rand_score", choice.values["mean_iou"]) for choice in choices]
    enough = max(scores) - (NEAR if "foreground_rand_score" in choices[0].values else 0.0)
    return next(choice for choice, score in zip(choices, scores, strict=True) if score >= enough)


def open_logits(file: Path) -> Logits:
    """Opens a published segmenter up to the logits from which it chooses the class."""
    model = onnx.load(str(file))
    chosen = next(node for node in model.graph.node if node.op_type == "ArgMax").input[0]
    model.graph.output.append(onnx.helper.make_tensor_value_info(chosen, onnx.TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda images: session.run([chosen], {"images": images})[0]


def bias_classes(logits: Logits, further: NDArray[np.float32]) -> Predict:
    """The segmenter with one more bias [C] on its logits."""
    return lambda images: {"class_map": (logits(images) + further[:, None, None]).argmax(1).astype(np.uint8)}
