"""The parts of two-stage detectors: anchors, suppression in parallel, and aligned region features.

All are plain tensor arithmetic on fixed shapes, so that they train on any device and export to ONNX.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from convoy_training.box_geometry import compute_overlaps


def make_anchors(rows: int, columns: int, stride: int, sizes: Sequence[float], ratios: Sequence[float]) -> Tensor:
    """Boxes xyxy [rows * columns * sizes * ratios, 4] in input pixels, centred on cells.

    `sizes` are the square roots of areas, `ratios` are height over width.
    """
    shapes = torch.tensor([(s / math.sqrt(r), s * math.sqrt(r)) for s in sizes for r in ratios])
    y, x = torch.meshgrid((torch.arange(rows) + 0.5) * stride, (torch.arange(columns) + 0.5) * stride, indexing="ij")
    centres = torch.stack([x, y], -1).reshape(-1, 1, 2)
    return torch.cat([centres - shapes / 2, centres + shapes / 2], -1).reshape(-1, 4)


def choose_regions(boxes: Tensor, scores: Tensor, candidates: int, kept: int, overlap: float) -> Tensor:
    """The `kept` best boxes [N,kept,4] of [N,A,4] by scores [N,A], without those that a better one overlaps.

    Boxes are suppressed in parallel ("Fast NMS", Bolya et al. 2019, arXiv:1904.02689): a box is dropped if any better
    box overlaps it by more than `overlap`, even if that one is dropped too. If too few are left, dropped ones follow.
    """
    best, rows = scores.topk(min(candidates, scores.shape[1]), dim=1)
    boxes = boxes.gather(1, rows[..., None].expand(-1, -1, 4))
    better = compute_overlaps(boxes, boxes).triu(1).amax(1)  # of each box: the largest overlap with a better one
    order = torch.where(better > overlap, best.sigmoid() - 1, best.sigmoid())
    chosen = order.topk(min(kept, order.shape[1]), dim=1).indices
    return boxes.gather(1, chosen[..., None].expand(-1, -1, 4))


def align_regions(features: Tensor, boxes: Tensor, stride: int, bins: int = 7, samples: int = 2) -> Tensor:
    """RoIAlign (He et al. 2017, arXiv:1703.06870): features [N,C,H,W] under boxes [N,K,4] -> [N,K,C,bins,bins].

    Each bin is the mean of samples x samples bilinear samples, without rounding to whole cells. boxes: in input pixels.
    """
    count, channels, height, width = features.shape
    steps = (torch.arange(bins * samples, device=boxes.device) + 0.5) / (bins * samples)
    x = boxes[..., 0:1] + (boxes[..., 2:3] - boxes[..., 0:1]) * steps  # [N,K,S]
    y = boxes[..., 1:2] + (boxes[..., 3:4] - boxes[..., 1:2]) * steps
    # Cell i starts at pixel i * stride, and grid_sample's -1 to 1 runs from edge to edge.
    x, y = x / stride * (2 / width) - 1, y / stride * (2 / height) - 1
    side, regions = bins * samples, boxes.shape[1]
    grid = torch.stack([
        x[:, :, None, :].expand(-1, -1, side, -1), y[:, :, :, None].expand(-1, -1, -1, side)
    ], -1)  # fmt: skip
    sampled = functional.grid_sample(
        features.float(),
        grid.reshape(count, regions * side, side, 2).float(),
        padding_mode="border",
        align_corners=False,
    )
    pooled = functional.avg_pool2d(sampled, samples)  # [N,C,K*bins,bins]
    return pooled.reshape(count, channels, regions, bins, bins).transpose(1, 2)
