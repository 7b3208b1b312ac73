"""What the task of detection asks of an architecture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from convoy_training.losses.detection import assign, compute_detection_loss

Loss = tuple[Tensor, Mapping[str, Tensor]]
"""The loss of one batch, and the parts of it that are worth a curve."""


class Detector(nn.Module):
    """A network that finds objects; a subclass overrides what is otherwise with it.

    forward: RGB [N,3,H,W] in 0..1 -> logits [N,A,C], boxes xyxy [N,A,4] in input pixels, centres [A,2] of the cells
    that they come from, and whatever else the network likes to add.
    """

    fixed_size = False
    """The network takes squares of `input_size` alone, not any picture whose sides are multiples of 32."""

    @classmethod
    def check_recipe(cls, config: Any) -> None:
        """Raises ValueError where the recipe's numbers do not make this network."""

    @staticmethod
    def compute_loss(model: nn.Module, images: Tensor, truth_boxes: Tensor, truth_labels: Tensor, config: Any) -> Loss:
        """How it learns, here by task-aligned assignment.

        model: this network, which may be wrapped for several devices, so that only calling it is allowed. images as of
        `forward`; truth_boxes [N,K,4] xyxy, truth_labels [N,K], -1 where padded.
        """
        logits, boxes, centres, *_ = model(images)
        assignment = assign(logits.detach().sigmoid(), boxes.detach(), centres, truth_boxes, truth_labels)
        return compute_detection_loss(logits, boxes, assignment, config.box_weight)

    @staticmethod
    def decode(answer: Any) -> tuple[Tensor, Tensor]:
        """What `forward` answers as boxes xyxy [N,A,4] in input pixels and scores [N,A,C]."""
        logits, boxes, *_ = answer
        return boxes, logits.sigmoid()
