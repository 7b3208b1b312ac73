"""Overlap losses for segmentation, which weigh a small class as much as a large one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def compute_dice(logits: Tensor, target: Tensor, ignore: int) -> Tensor:
    """One minus the mean soft Dice of the classes that occur in the batch (Milletari et al. 2016, arXiv:1606.04797).

    logits [N,C,H,W]; target int64 [N,H,W], `ignore` where the class is not known.
    """
    classes = logits.shape[1]
    rows, target = logits.permute(0, 2, 3, 1).reshape(-1, classes), target.flatten()  # a view where channels lie last
    probabilities, known = rows.softmax(1), target != ignore
    target = target.where(known, 0)
    sizes = torch.bincount(target[known], minlength=classes)
    # Sums by index instead of products with one-hot maps, which took a third of a small network's step.
    right = probabilities.gather(1, target[:, None])[:, 0] * known
    overlap = torch.zeros_like(probabilities[0]).index_add(0, target, right)
    total = known.to(probabilities.dtype) @ probabilities + sizes
    present = sizes > 0
    return 1 - torch.mean((2 * overlap[present] + 1) / (total[present] + 1))


def weigh_classes(pixels: np.ndarray) -> Tensor:
    """The square root of median over frequency: rare classes count more, but do not outweigh the common ones.

    pixels: int [C], the number of pixels of each class.
    """
    weights = np.sqrt(np.median(pixels) / pixels.clip(1))
    return torch.tensor(weights / weights.mean(), dtype=torch.float32)
