"""Maps of what a classifier's answer rests on: occlusion, Grad-CAM, and the gradient of the input.

Each is a function of one picture, uint8 RGB [H,W,3], and a label's index, and returns float32 [H,W].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from convoy.core.models.occlusion import Occlusion, Target
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.occlusion import lay_out
from convoy.core.pictures.resizing import Placement
from numpy.typing import NDArray
from torch import Tensor, nn

from convoy_training.classifier_graph import answer, normalise
from convoy_training.errors import TrainingError
from convoy_training.explanation.network import Opened
from convoy_training.task import Predict

Floats = NDArray[np.float32]
Explain = Callable[[NDArray[np.uint8], int], Floats]
AT_ONCE = 64
CELLS = 8


def occlude(predict: Predict, cells: int = CELLS) -> Explain:
    """By how much the label's probability falls when a place is covered: what the service answers."""

    def explain(image: NDArray[np.uint8], index: int) -> Floats:
        height, width = image.shape[:2]
        whole = Placement(width, height, 0, 0, width, height, 0, 0, width, height)
        target = Target(index, lambda row: float(row["probabilities"][index]))
        score = target.score({"probabilities": predict(image[None])["probabilities"][0]})
        work = Occlusion(image, whole, target, score, cells)
        tiles = list(work.tiles)
        for start in range(0, len(tiles), AT_ONCE):
            part = tiles[start : start + AT_ONCE]
            rows = predict(np.stack([work.look(tile) for tile in part]))["probabilities"]
            for tile, row in zip(part, rows, strict=True):
                work.put(tile, {"probabilities": row})
        return lay_out(work.cells(), whole, Picture(image, width, height))

    return explain


def follow_gradient(opened: Opened) -> Explain:
    """How much the label's logit changes with each pixel: the largest of its three channels (Simonyan et al. 2014)."""

    def explain(image: NDArray[np.uint8], index: int) -> Floats:
        pixels = _prepare(image, opened.config).requires_grad_()
        _logit(opened.model, pixels, index).backward()
        assert pixels.grad is not None
        return np.asarray(pixels.grad[0].abs().amax(0).numpy(), np.float32)

    return explain


def grad_cam(opened: Opened, layer: str = "") -> Explain:
    """Grad-CAM (Selvaraju et al. 2017): the maps of a layer, weighed by how the label's logit grows with each.

    layer: a name of `model.named_modules()`; empty for the last one whose output is still a map.
    """

    def explain(image: NDArray[np.uint8], index: int) -> Floats:
        pixels = _prepare(image, opened.config)
        chosen = layer or find_last_map(opened.model, pixels)
        kept: list[Tensor] = []

        def keep(_: nn.Module, __: Any, output: Tensor) -> None:
            output.retain_grad()
            kept.append(output)

        hook = opened.model.get_submodule(chosen).register_forward_hook(keep)
        try:
            _logit(opened.model, pixels.requires_grad_(), index).backward()
        finally:
            hook.remove()
        (maps,) = kept
        assert maps.grad is not None
        weights = maps.grad.mean((2, 3), keepdim=True)
        seen = torch.relu((weights * maps).sum(1))[0].detach().numpy()
        size = (image.shape[1], image.shape[0])
        return np.asarray(cv2.resize(seen, size, interpolation=cv2.INTER_LINEAR), np.float32)

    return explain


def find_last_map(model: nn.Module, pixels: Tensor) -> str:
    """The name of the last layer whose output [N,C,H,W] has more than one place. Raises TrainingError if none has."""
    found: list[str] = []

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def see(_: nn.Module, __: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] * output.shape[3] > 1:
                found.append(name)

        return see

    hooks = [module.register_forward_hook(note(name)) for name, module in model.named_modules() if name]
    try:
        with torch.no_grad():
            model(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        raise TrainingError("no layer of the network answers a map; use occlusion")
    return found[-1]


def _prepare(image: NDArray[np.uint8], config: Any) -> Tensor:
    return normalise(torch.from_numpy(np.ascontiguousarray(image))[None], config)


def _logit(model: nn.Module, pixels: Tensor, index: int) -> Tensor:
    model.zero_grad(set_to_none=True)
    return answer(model, pixels)[0][0, index]
