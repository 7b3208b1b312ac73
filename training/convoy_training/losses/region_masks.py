"""The loss of masks that each cover a region: cross-entropy against the map of objects, sampled under the region.

Source: Mask R-CNN (He et al. 2017, arXiv:1703.06870, section 3): only the mask of the true class learns, and only where
a region lies on an object.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from convoy_training.losses.two_stage import label_regions


def compute_region_mask_loss(
    masks: Tensor, regions: Tensor, truth_boxes: Tensor, truth_labels: Tensor, instances: Tensor, stride: int
) -> Tensor:
    """The mean over the pixels of all masks of regions that lie on an object.

    masks [N,R,C,m,m], logits; regions [N,R,4] in input pixels; truth as in `compute_two_stage_loss`; instances int
    [N,h,w]: numbers of the true boxes from 1, `stride` input pixels for each of the map.
    """
    classes, side = masks.shape[2:4]
    labels, owners = label_regions(regions, truth_boxes, truth_labels, background=classes)
    found = labels < classes
    if not found.any():
        return masks.sum() * 0.0
    inside = sample_map(instances, regions, side, stride) == owners[..., None, None] + 1
    chosen = masks[found].gather(1, labels[found][:, None, None, None].expand(-1, 1, side, side))[:, 0]
    return functional.binary_cross_entropy_with_logits(chosen.float(), inside[found].float())


def sample_map(instances: Tensor, regions: Tensor, side: int, stride: int) -> Tensor:
    """The numbers of the map [N,h,w] at the middles of side x side cells of each region [N,R,4]: [N,R,side,side]."""
    steps = (torch.arange(side, device=regions.device) + 0.5) / side
    x = (regions[..., 0:1] + (regions[..., 2:3] - regions[..., 0:1]) * steps) / stride
    y = (regions[..., 1:2] + (regions[..., 3:4] - regions[..., 1:2]) * steps) / stride
    columns, rows = x.long().clamp(0, instances.shape[2] - 1), y.long().clamp(0, instances.shape[1] - 1)
    pictures = torch.arange(len(regions), device=regions.device)[:, None, None, None]
    return instances[pictures, rows[:, :, :, None], columns[:, :, None, :]]
