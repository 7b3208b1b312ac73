"""The base class of architectures for segmentation."""

from __future__ import annotations

from typing import Any

from torch import nn


class Segmenter(nn.Module):
    """A network that gives each pixel a class; a subclass overrides what differs from the default.

    forward: float RGB [N,3,H,W], normalised, with sides that are multiples of the stride -> logits [N,classes,H,W].
    """

    normalisation: tuple[tuple[float, float, float], float] = ((105.0, 109.0, 111.0), 72.0)
    """Mean by channel and deviation of the pixels 0 to 255, as the task gives them to every network."""

    @classmethod
    def check_recipe(cls, config: Any) -> None:
        """Raises ValueError if the numbers of the recipe do not make this network."""

    @staticmethod
    def find_stride(config: Any) -> int:
        """The stride of the deepest features, in pixels of the input."""
        return 32
