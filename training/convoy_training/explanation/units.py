"""Which pictures excite the units of a layer most, and where in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from convoy_training.classifier_graph import normalise
from convoy_training.explanation.deconvolution import run_to
from convoy_training.models.measure import Watch

BEST = 9
AT_ONCE = 100
AT_ONCE_BYTES = 2**28
"""Of the largest layer's answers, for the pictures that a network sees at once."""


@dataclass(frozen=True)
class MapLayer:
    """A convolution of a network: its name, and the side of what one of its units sees, in pixels of the input.

    largest_bytes: of the largest layer's answer to one picture, of those that the network has run until then.
    """

    name: str
    channels: int
    receptive_field: int
    largest_bytes: int = 0

    @property
    def at_once(self) -> int:
        """How many pictures the network may see at once, so that memory does not grow with their size."""
        return max(1, min(AT_ONCE, AT_ONCE_BYTES // max(1, self.largest_bytes)))


@dataclass(frozen=True)
class Excited:
    """Where a unit answers most: the picture's row in the split, the place in the layer's map, and the answer."""

    picture: int
    row: int
    column: int
    value: float


def list_layers(model: nn.Module, pixels: Tensor) -> list[MapLayer]:
    """The convolutions of a network that run, in their order, for pictures [1,3,H,W]."""
    ran: list[tuple[str, nn.Conv2d]] = []
    hooks = [
        module.register_forward_hook(lambda one, _, __, name=name: ran.append((name, one)))
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d)
    ]
    watch = Watch()
    try:
        with torch.no_grad(), watch:
            model(pixels)
    finally:
        for hook in hooks:
            hook.remove()
    facts, largest = [], 0
    for layer in watch.layers:
        largest = max(largest, layer.activation_bytes)
        if "conv" in layer.kind.lower():
            facts.append((layer.receptive_field, largest))
    return [MapLayer(name, module.out_channels, *fact) for (name, module), fact in zip(ran, facts, strict=True)]


def find_best(
    model: nn.Module, layer: MapLayer, images: NDArray[np.uint8], channels: Sequence[int], config: Any
) -> dict[int, list[Excited]]:
    """For each channel the BEST pictures of [N,H,W,3], each once, where the channel answers most."""
    values, places = [], []
    width = 1
    for start in range(0, len(images), layer.at_once):
        with torch.inference_mode():
            pixels = normalise(torch.from_numpy(images[start : start + layer.at_once]), config)
            maps = run_to(model, layer.name, pixels)
        width = maps.shape[3]
        best, place = maps[:, list(channels)].flatten(2).max(dim=2)
        values.append(best)
        places.append(place)
    value, place = torch.cat(values), torch.cat(places)
    found = {}
    for column, channel in enumerate(channels):
        rows = value[:, column].argsort(descending=True)[:BEST].tolist()
        found[channel] = [
            Excited(row, *divmod(int(place[row, column]), width), float(value[row, column])) for row in rows
        ]
    return found


def patch_of(excited: Excited, shape: tuple[int, int], size: tuple[int, int], side: int) -> tuple[slice, slice]:
    """The rows and columns of the input (height, width) that a unit of a map (height, width) sees, cut at the border.

    side: of its receptive field; its middle lies over the unit's place in the map.
    """
    ends = []
    for place, cells, length in zip((excited.row, excited.column), shape, size, strict=True):
        middle = (place + 0.5) * length / cells
        low = int(max(0, min(round(middle - side / 2), length - 1)))
        ends.append(slice(low, max(low + 1, min(length, round(middle + side / 2)))))
    return ends[0], ends[1]
