"""The base class of architectures for detection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from convoy.core.manifest import MaskForm
from torch import Tensor, nn

from convoy_training.losses.detection import assign, compute_detection_loss, find_crowds

Beside = Literal["", "masks", "points"]
"""What a network learns beside boxes."""
Loss = tuple[Tensor, Mapping[str, Tensor]]
"""The loss of one batch, and the parts of it that are worth a curve."""


class Detector(nn.Module):
    """A network that finds objects; a subclass overrides what differs from the default.

    forward: RGB [N,3,H,W] in 0..1 -> logits [N,A,C], boxes xyxy [N,A,4] in input pixels, the centres [A,2] of their
    cells, and anything else that the network adds.
    """

    fixed_size = False
    """Whether the network only takes squares of `input_size`, not every picture whose sides are multiples of 32."""
    teaches: Beside = ""
    """What it learns beside boxes and gives for each; then it has `compute_whole_loss`, and its own `conclude`."""
    mask_form: MaskForm | None = None
    """How its graph gives masks, if it does; see `MaskSpec`."""
    map_stride = 4
    """Pixels of the input for each pixel of the map of objects from which it learns masks, along each axis."""

    @classmethod
    def check_recipe(cls, config: Any) -> None:
        """Raises ValueError if the numbers of the recipe do not make this network."""

    @staticmethod
    def compute_loss(model: nn.Module, images: Tensor, truth_boxes: Tensor, truth_labels: Tensor, config: Any) -> Loss:
        """The loss of a batch; by default with task-aligned assignment.

        model: this network. It may be wrapped for several devices, so do nothing but call it. images: as for `forward`;
        truth_boxes [N,K,4] xyxy; truth_labels [N,K], -1 where padded, crowds from CROWD down.
        """
        logits, boxes, centres, *_ = model(images)
        assignment = assign(logits.detach().sigmoid(), boxes.detach(), centres, truth_boxes, truth_labels)
        crowds = find_crowds(centres, truth_boxes, truth_labels, logits.shape[2])
        return compute_detection_loss(logits, boxes, assignment, config.box_weight, crowds)

    @staticmethod
    def compute_whole_loss(
        model: nn.Module, images: Tensor, truth_boxes: Tensor, truth_labels: Tensor, beside: Tensor, config: Any
    ) -> Loss:
        """The loss of a batch with what stands beside the boxes: maps int [N,h,w] of masks, or points [N,K,P,3]."""
        raise NotImplementedError

    def conclude(self, answer: Any) -> tuple[Tensor, ...]:
        """Turns what `forward` returns into the outputs of the graph: boxes, scores, and what else it promises."""
        return self.decode(answer)

    @staticmethod
    def decode(answer: Any) -> tuple[Tensor, Tensor]:
        """Turns what `forward` returns into boxes xyxy [N,A,4] in input pixels and scores [N,A,C]."""
        logits, boxes, *_ = answer
        return boxes, logits.sigmoid()
