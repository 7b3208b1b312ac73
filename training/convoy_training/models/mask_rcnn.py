"""Mask R-CNN (He et al. 2017, arXiv:1703.06870): the detector of faster_rcnn.py with a mask of each object.

A third branch looks at each found box once more and gives its mask, for the class that the box has. As in the paper, in
training it looks at the regions that lie on objects, and afterwards at the boxes that the second stage has refined.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from convoy_training.losses.region_masks import compute_region_mask_loss
from convoy_training.losses.two_stage import OBJECTS, compute_two_stage_loss, sample_regions
from convoy_training.models.architecture import architecture
from convoy_training.models.detector import Loss
from convoy_training.models.faster_rcnn import FasterRCNN
from convoy_training.models.regions import align_regions

MASK_BINS = 14


class MaskHead(nn.Module):
    """Features of regions [K,C,14,14] -> a mask for each class [K,classes,28,28], logits."""

    def __init__(self, inputs: int, width: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for place in range(4):
            layers += [nn.Conv2d(width if place else inputs, width, 3, padding=1), nn.ReLU()]
        self.layers = nn.Sequential(
            *layers, nn.ConvTranspose2d(width, width, 2, 2), nn.ReLU(), nn.Conv2d(width, classes, 1)
        )
        for layer in self.layers:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.layers(features)
        return out


@architecture("mask-rcnn", task="detection", classes=20, input=(608, 800))
class MaskRCNN(FasterRCNN):
    """float RGB [N,3,H,W] -> boxes [N,K,4], scores [N,K,C], masks [N,K,28,28] of the K best pairs of box and class.

    In training, with `sample`, `Stages` and the masks [N,R,C,28,28] of the regions that lie on objects.
    """

    teaches = "masks"
    mask_form = "boxes"
    map_stride = 2

    def __init__(self, classes: int, widths: Sequence[int] = (), *, mask_width: int = 256, **others: Any) -> None:
        super().__init__(classes, widths, **others)
        self.masks = MaskHead(widths[-1] if widths else 512, mask_width, classes)

    @classmethod
    def from_recipe(cls, classes: int, config: Any, shapes: object) -> MaskRCNN:
        return cls(classes, config.widths, sizes=config.anchor_sizes, hidden=config.head_width,
                   proposals=config.proposals, mask_width=config.mask_width)  # fmt: skip

    def forward(self, x: Tensor, sample: Callable[[Tensor], Tensor] | None = None) -> Any:
        features = self.backbone(x)
        stages = self.look(features, sample)
        if sample:
            return stages, self.cut(features, stages.regions[:, :OBJECTS])
        boxes, scores = stages.decode()
        rows = scores.amax(-1).topk(min(self.proposals, scores.shape[1]), dim=1).indices[..., None]
        boxes, scores = boxes.gather(1, rows.expand(-1, -1, 4)), scores.gather(1, rows.expand(-1, -1, scores.shape[2]))
        masks = self.cut(features, boxes)
        label = scores.argmax(-1)[..., None, None, None].expand(-1, -1, 1, *masks.shape[3:])
        return boxes, scores, masks.gather(2, label)[:, :, 0]

    def cut(self, features: Tensor, boxes: Tensor) -> Tensor:
        """The masks [N,K,C,28,28] under boxes [N,K,4]."""
        found = align_regions(features, boxes, self.stride, MASK_BINS)
        masks: Tensor = self.masks(found.flatten(0, 1)).unflatten(0, boxes.shape[:2])
        return masks

    @staticmethod
    def decode(answer: Any) -> tuple[Tensor, Tensor]:
        return answer[0], answer[1]

    def conclude(self, answer: Any) -> tuple[Tensor, ...]:
        """Boxes [N,K,4], scores [N,K,C] and masks [N,K,28,28], logits."""
        boxes, scores, masks = answer
        return boxes, scores, masks

    @staticmethod
    def compute_whole_loss(
        model: nn.Module, images: Tensor, truth_boxes: Tensor, truth_labels: Tensor, beside: Tensor, config: Any
    ) -> Loss:
        """The losses of both stages, and that of the masks. beside: int [N,H/2,W/2], numbers of boxes from 1."""
        stages, masks = model(images, lambda proposals: sample_regions(proposals, truth_boxes, truth_labels))
        loss, parts = compute_two_stage_loss(stages, truth_boxes, truth_labels)
        regions = stages.regions[:, :OBJECTS]
        mask_loss = compute_region_mask_loss(masks, regions, truth_boxes, truth_labels, beside, MaskRCNN.map_stride)
        return loss + config.mask_weight * mask_loss, {**parts, "mask_loss": mask_loss}
