"""The base class of architectures that make a picture of a picture."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Restorer(nn.Module):
    """A network that gives planes for planes; a subclass says how far its answer depends on its input.

    forward: float [N,C,H,W] from 0 to 1, with sides that are multiples of the stride, and the level of the noise
    [N,1,H,W] in the same unit, if it takes one -> [N,C,H x scale,W x scale].
    """

    scale = 1

    @staticmethod
    def find_stride(config: Any) -> int:
        """What the sides of the input must be multiples of, in pixels."""
        return 1

    @staticmethod
    def find_overlap(config: Any) -> int:
        """How many pixels around it a pixel of the answer depends on."""
        raise NotImplementedError

    def forward(self, planes: Tensor, level: Tensor | None = None) -> Tensor:
        """The mended planes."""
        raise NotImplementedError
