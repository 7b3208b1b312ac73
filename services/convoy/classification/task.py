"""Pixels to labels, without any RPC: the same code serves and evaluates."""

from dataclasses import dataclass

import numpy as np

from convoy.core.manifest import Manifest
from convoy.core.models.engine import Outputs
from convoy.core.models.occlusion import Target
from convoy.core.pictures.decoding import Picture, Pixels
from convoy.core.pictures.resizing import Placement, place


@dataclass(frozen=True)
class Options:
    """At most `top_k` labels, none below `min_probability`."""

    top_k: int = 5
    min_probability: float = 0.0


@dataclass(frozen=True)
class Label:
    """One label with its probability."""

    index: int
    name: str
    probability: float


def prepare(picture: Picture, manifest: Manifest) -> tuple[Pixels, Placement]:
    """The graph's input [H, W, 3] for a picture, and where the picture lies in it."""
    return place(picture.image_rgb, manifest.input)


def interpret(outputs: Outputs, manifest: Manifest, options: Options = Options()) -> list[Label]:
    """The most probable labels, best first, ties by index. outputs: one row, probabilities [C]."""
    probabilities = np.asarray(outputs["probabilities"], np.float32)
    order = np.argsort(-probabilities, kind="stable")[: options.top_k]
    chosen = [int(index) for index in order if probabilities[index] >= options.min_probability]
    return [Label(index, manifest.labels[index], float(probabilities[index])) for index in chosen]


def aim(outputs: Outputs, index: int | None = None) -> Target:
    """What to explain: the label of this index, or the most probable one; its score is its probability."""
    best = int(np.argmax(np.asarray(outputs["probabilities"], np.float32))) if index is None else index
    return Target(best, lambda row: float(row["probabilities"][best]))
