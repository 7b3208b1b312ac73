"""Cross-entropy for unequal classes: weights for rare ones, less weight on what is easy (Lin et al. 2017)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


def weigh_classes(labels: NDArray[np.int64], classes: int) -> Tensor:
    """Weights [C] that let every class count alike, one on average over the pictures; 0 for a class without any."""
    counts = np.bincount(labels, minlength=classes)
    weights = np.where(counts > 0, len(labels) / (np.count_nonzero(counts) * counts.clip(1)), 0.0)
    return torch.tensor(weights, dtype=torch.float32)


def compute_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor | None = None, smoothing: float = 0.0, focal: float = 0.0
) -> Tensor:
    """The mean loss of logits [N,C] and labels [N]. focal: each is scaled by (1 - p) ** focal, p of the true class."""
    if not focal:
        return functional.cross_entropy(logits, labels, weights, label_smoothing=smoothing)
    each = functional.cross_entropy(logits, labels, weights, label_smoothing=smoothing, reduction="none")
    chosen = logits.softmax(1).gather(1, labels[:, None]).squeeze(1)
    scale = 1.0 if weights is None else weights[labels].mean().clamp(min=1e-6)
    return ((1 - chosen) ** focal * each / scale).mean()
