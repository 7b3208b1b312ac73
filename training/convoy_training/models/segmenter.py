"""What the task of segmentation asks of an architecture."""

from __future__ import annotations

from typing import Any

from torch import nn


class Segmenter(nn.Module):
    """A network that names each pixel; a subclass overrides what is otherwise with it.

    forward: float RGB [N,3,H,W], normalised, sides multiples of the stride -> logits [N,classes,H,W].
    """

    @classmethod
    def check_recipe(cls, config: Any) -> None:
        """Raises ValueError where the recipe's numbers do not make this network."""

    @staticmethod
    def find_stride(config: Any) -> int:
        """Pixels of a picture that the deepest features see as one."""
        return 32
