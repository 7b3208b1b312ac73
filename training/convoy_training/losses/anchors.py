"""The loss of a YOLO with anchors: the anchor whose shape overlaps an object most is responsible for it.

Source: YOLOv3 (Redmon & Farhadi 2018, arXiv:1804.02767, section 2.1), with complete IoU instead of squared differences.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from convoy_training.box_geometry import LARGEST_STEP, compute_complete_iou, compute_overlaps, in_crowds

PER_CELL = 3
IGNORED = 0.5
"""A box that overlaps an object this much, but is not responsible for it, counts as neither object nor background."""


class Grid(NamedTuple):
    """The answers of all anchors. raw [N,A,5+C]: x, y, width, height, objectness, classes, as logits or logarithms.

    For each anchor: corners [A,2] of its cell and shapes [A,2], both x, y in input pixels, and strides [A].
    sizes: rows and columns of each grid; A runs over grids, then cells, then the three shapes.
    """

    raw: Tensor
    corners: Tensor
    shapes: Tensor
    strides: Tensor
    sizes: list[tuple[int, int]]

    def decode(self) -> tuple[Tensor, Tensor]:
        """Boxes xyxy [N,A,4] in input pixels and scores [N,A,C]: objectness times class."""
        centre = self.corners + self.raw[..., :2].sigmoid() * self.strides[:, None]
        half = self.shapes * self.raw[..., 2:4].clamp(max=LARGEST_STEP).exp() / 2
        scores = self.raw[..., 4:5].sigmoid() * self.raw[..., 5:].sigmoid()
        return torch.cat([centre - half, centre + half], -1), scores


def assign_anchors(grid: Grid, truth_boxes: Tensor, anchors: Tensor) -> Tensor:
    """The row in `grid` [N,K] of the anchor that is responsible for each object.

    It has the shape that overlaps the object most, and lies in the cell that holds the object's centre.
    truth_boxes [N,K,4]; anchors [levels,3,2].
    """
    size, centre = truth_boxes[..., 2:] - truth_boxes[..., :2], (truth_boxes[..., :2] + truth_boxes[..., 2:]) / 2
    shapes = anchors.reshape(-1, 2)
    shared = torch.minimum(size[:, :, None], shapes).prod(-1)
    overlap = shared / (size.prod(-1)[..., None] + shapes.prod(-1) - shared)
    best = overlap.argmax(-1)
    level, shape = best // PER_CELL, best % PER_CELL
    counts = torch.tensor([rows * columns for rows, columns in grid.sizes], device=best.device)
    starts = (counts.cumsum(0) - counts) * PER_CELL
    rows, columns = torch.tensor(grid.sizes, device=best.device).T
    strides = grid.strides[starts]
    cell = (centre / strides[level][..., None]).long()
    x = torch.minimum(cell[..., 0].clamp(min=0), columns[level] - 1)
    y = torch.minimum(cell[..., 1].clamp(min=0), rows[level] - 1)
    return starts[level] + (y * columns[level] + x) * PER_CELL + shape


def compute_anchor_loss(
    grid: Grid, truth_boxes: Tensor, truth_labels: Tensor, anchors: Tensor, box_weight: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of objectness at all anchors, and of boxes and classes at the responsible ones.

    truth_labels [N,K], -1 where padded, crowds from CROWD down: what is found in them is neither right nor wrong.
    Returns the sum and its parts.
    """
    real = truth_labels >= 0
    pictures, objects = real.nonzero(as_tuple=True)
    rows = assign_anchors(grid, truth_boxes, anchors)[real]
    boxes, _ = grid.decode()
    with torch.no_grad():
        overlap = torch.where(real[:, None], compute_overlaps(boxes, truth_boxes), 0.0).amax(2)
        target = torch.zeros_like(overlap)
        target[pictures, rows] = 1.0
        crowded = in_crowds(boxes, truth_boxes, truth_labels)
        counted = ((overlap < IGNORED) & ~crowded) | (target > 0)
    count = real.sum().clamp(min=1)
    entropy = functional.binary_cross_entropy_with_logits(grid.raw[..., 4], target, reduction="none")
    presence = (entropy * counted).sum() / count
    mine = grid.raw[pictures, rows]
    place = (1 - compute_complete_iou(boxes[pictures, rows], truth_boxes[pictures, objects])).sum() / count
    labels = functional.one_hot(truth_labels[real], grid.raw.shape[2] - 5).float()
    named = functional.binary_cross_entropy_with_logits(mine[:, 5:], labels, reduction="sum") / count
    parts = {"presence": presence, "box": place, "class": named}
    return presence + box_weight * place + named, parts
