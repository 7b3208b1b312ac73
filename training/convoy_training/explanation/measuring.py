"""Measures maps: by the pointing game, also with shuffled weights, and by deletion and insertion beside chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from convoy_training.explanation import curves
from convoy_training.explanation.maps import CELLS, Explain, Floats, follow_gradient, grad_cam, occlude
from convoy_training.explanation.mosaics import draw_mosaics, play
from convoy_training.explanation.network import Opened, shuffle_weights
from convoy_training.metrics.share import measure_share
from convoy_training.task import Predict
from convoy_training.tasks.classification import Split, load_split

METHODS: dict[str, Callable[[Opened], Explain]] = {
    "occlusion": lambda opened: occlude(build_predict(opened)),
    "grad-cam": grad_cam,
    "gradients": follow_gradient,
}


@dataclass(frozen=True)
class Pointed:
    """One line of the pointing game: hits of `count` mosaics, with the 95 % interval of their share."""

    method: str
    weights: str
    hits: int
    count: int
    interval: tuple[float, float]


@dataclass(frozen=True)
class Traced:
    """Mean areas under the deletion and the insertion curve of `count` pictures."""

    method: str
    deletion: float
    insertion: float
    count: int


def build_predict(opened: Opened) -> Predict:
    """The network as a function of NumPy arrays, of pictures of any size that it takes."""
    graph = opened.graph()

    @torch.inference_mode()
    def predict(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        return {"probabilities": graph(torch.from_numpy(np.ascontiguousarray(images))).numpy()}

    return predict


def measure_pointing(
    opened: Opened, methods: Sequence[str], split: str, count: int, seed: int, shrink: bool = True
) -> Iterator[Pointed]:
    """Plays the pointing game on mosaics of a split, with the network and with its weights shuffled.

    shrink: mosaics have the size of one picture, as a service shows them.
    """
    data = load_split(opened.config, split)
    drawn = list(draw_mosaics(lambda row: _read(data, row), data.labels, count, seed))
    mosaics = [one.shrunk() for one in drawn] if shrink else drawn
    for weights, network in (("trained", opened), ("shuffled", shuffle_weights(opened, seed))):
        for method in methods:
            hits = play(METHODS[method](network), mosaics)
            yield Pointed(method, weights, sum(hits), count, measure_share(hits)[1])


def measure_curves(opened: Opened, methods: Sequence[str], split: str, count: int, seed: int) -> Iterator[Traced]:
    """Traces both curves of the label that the network gives each picture, beside random maps.

    patches: those are smooth, as maps are; pixels: each pixel by itself. Scattered pixels spoil a picture soonest, so
    a map is compared with `patches`.
    """
    data, predict, random = load_split(opened.config, split), build_predict(opened), np.random.default_rng(seed)
    rows = random.choice(len(data.labels), count, replace=False)
    images = [_read(data, row) for row in rows.tolist()]
    said = [int(predict(image[None])["probabilities"][0].argmax()) for image in images]

    def scatter(image: NDArray[np.uint8], _: int) -> Floats:
        return random.random(image.shape[:2], np.float32)

    def patch(image: NDArray[np.uint8], _: int) -> Floats:
        size = (image.shape[1], image.shape[0])
        return np.asarray(cv2.resize(random.random((CELLS, CELLS), np.float32), size), np.float32)

    made = {method: METHODS[method](opened) for method in methods} | {"patches": patch, "pixels": scatter}
    for method, explain in made.items():
        traced = [
            curves.trace(predict, image, index, explain(image, index))
            for image, index in zip(images, said, strict=True)
        ]
        deletion = np.mean([one.deletion_area for one in traced])
        insertion = np.mean([one.insertion_area for one in traced])
        yield Traced(method, float(deletion), float(insertion), count)


def _read(data: Split, row: int) -> NDArray[np.uint8]:
    image: NDArray[np.uint8] = np.asarray(data.images[row : row + 1])[0]
    return image
