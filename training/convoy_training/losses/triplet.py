"""Triplet loss over the hard or semi-hard triplets of a batch: a face comes nearer to its own person than to others."""

from __future__ import annotations

from typing import Literal

from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import TripletMarginMiner
from torch import Tensor, nn


class MinedTriplets(nn.Module):
    """The mean of max(0, d(anchor, positive) - d(anchor, negative) + margin) over triplets of the batch.

    mining: `semihard` takes triplets whose negative is further away than the positive, but by less than the margin;
    `hard` takes those whose negative is nearer than the positive. d is the squared Euclidean distance.
    Takes `embeddings` [N,D] of length one and `labels` [N] with several faces per person.
    Source: FaceNet (Schroff et al., CVPR 2015, equations 1 and 4), as in pytorch-metric-learning.
    """

    def __init__(self, margin: float = 0.2, mining: Literal["semihard", "hard"] = "semihard") -> None:
        super().__init__()
        distance = LpDistance(power=2)
        self.miner = TripletMarginMiner(margin=margin, type_of_triplets=mining, distance=distance)
        self.loss = TripletMarginLoss(margin=margin, distance=distance)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch; 0 if it has no such triplet."""
        return self.loss(embeddings, labels, self.miner(embeddings, labels))
