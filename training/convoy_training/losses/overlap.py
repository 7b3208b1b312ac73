"""Region losses for segmentation: they weigh a small class as much as a large one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def compute_dice(logits: Tensor, target: Tensor, ignore: int) -> Tensor:
    """One minus the mean soft Dice of the classes that occur in the batch (Milletari et al. 2016, arXiv:1606.04797).

    logits [N,C,H,W]; target int64 [N,H,W], `ignore` where nothing is known.
    """
    known = (target != ignore)[:, None]
    classes = logits.shape[1]
    truth = functional.one_hot(target.clamp(max=classes - 1), classes).permute(0, 3, 1, 2) * known
    probabilities = logits.softmax(1) * known
    overlap = (probabilities * truth).sum((0, 2, 3))
    total = (probabilities + truth).sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    return 1 - torch.mean((2 * overlap[present] + 1) / (total[present] + 1))
