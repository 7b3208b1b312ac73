"""Arithmetic of boxes xyxy as tensors: how far two overlap, the steps from one to another, and cutting at the edges."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from convoy_training.structures import CROWD

LARGEST_STEP = math.log(1000 / 16)
"""A box may not grow more than this (logarithm) in one step, or exp overflows early in training."""


def encode_boxes(boxes: Tensor, anchors: Tensor) -> Tensor:
    """The steps [...,4] from anchors to boxes, both xyxy: shift in anchor sizes, logarithm of growth (R-CNN's t)."""
    size, anchor_size = boxes[..., 2:] - boxes[..., :2], anchors[..., 2:] - anchors[..., :2]
    shift = (boxes[..., :2] + boxes[..., 2:] - anchors[..., :2] - anchors[..., 2:]) / 2 / anchor_size
    return torch.cat([shift, (size / anchor_size).clamp(min=1e-6).log()], -1)


def decode_boxes(deltas: Tensor, anchors: Tensor) -> Tensor:
    """The inverse of `encode_boxes`."""
    size = anchors[..., 2:] - anchors[..., :2]
    centre = (anchors[..., :2] + anchors[..., 2:]) / 2 + deltas[..., :2] * size
    half = size * deltas[..., 2:].clamp(max=LARGEST_STEP).exp() / 2
    return torch.cat([centre - half, centre + half], -1)


def clip_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Boxes [...,4] cut at the picture's edges."""
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], -1)


def compute_overlaps(a: Tensor, b: Tensor) -> Tensor:
    """IoU [N,K,M] of boxes [N,K,4] with [N,M,4]."""
    return compute_iou(a[:, :, None], b[:, None])


def in_crowds(boxes: Tensor, truth_boxes: Tensor, truth_labels: Tensor) -> Tensor:
    """Whether at least half of each box [N,A,4] lies in a crowd, bool [N,A].

    truth_boxes [N,K,4]; truth_labels [N,K], those of crowds from CROWD down.
    """
    crowd = truth_labels <= CROWD
    if not crowd.any():
        return torch.zeros(boxes.shape[:2], dtype=torch.bool, device=boxes.device)
    a, b = boxes[:, :, None], truth_boxes[:, None]
    size = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    share = size[..., 0] * size[..., 1] / _area(a).clamp(min=1e-7)
    return ((share >= 0.5) & crowd[:, None]).any(2)


def compute_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes xyxy [...,4], broadcast."""
    size = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    both = size[..., 0] * size[..., 1]
    return both / (_area(a) + _area(b) - both).clamp(min=1e-7)


def compute_complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU less the distance of the centres and the difference of the aspect ratios."""
    iou = compute_iou(a, b)
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    apart = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    distance = apart.square().sum(-1) / hull.square().sum(-1).clamp(min=1e-7)
    shape = 4 / math.pi**2 * (_angle(a) - _angle(b)).square()
    with torch.no_grad():
        weight = shape / (1 - iou + shape).clamp(min=1e-7)
    return iou - distance - weight * shape


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _angle(boxes: Tensor) -> Tensor:
    size = boxes[..., 2:] - boxes[..., :2]
    return torch.atan(size[..., 0] / size[..., 1].clamp(min=1e-7))
