"""Face verification as binary classification: one logistic unit over |f(a) - f(b)|.

It is an alternative to triplet loss (Taigman et al. 2014, DeepFace, section 4.2): its weights learn which dimensions of
an embedding tell two people apart.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture
from convoy_training.models.face_embedder import FaceEmbedder


class VerificationHead(nn.Module):
    """Embeddings a, b [N,D] -> logit [N] that both are the same person; sigmoid makes it a probability."""

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.weigh = nn.Linear(dimension, 1)
        # At first every difference counts against a match, and vectors that are half alike are undecided.
        nn.init.constant_(self.weigh.weight, -1.0)
        nn.init.constant_(self.weigh.bias, dimension**0.5 / 2)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.weigh((a - b).abs())[:, 0]


class PairVerifier(nn.Module):
    """uint8 RGB [N,112,224,3], two aligned faces side by side -> logit [N] that both are the same person."""

    def __init__(self, embedder: nn.Module, head: VerificationHead) -> None:
        super().__init__()
        self.embedder, self.head = embedder, head

    def forward(self, images: Tensor) -> Tensor:
        first, second = images.chunk(2, dim=2)
        return self.head(self.embedder(first), self.embedder(second))


def compute_verification_loss(logits: Tensor, same: Tensor) -> Tensor:
    """The logistic loss; same bool [N]."""
    return functional.binary_cross_entropy_with_logits(logits, same.float())


@architecture("face-verification", task="face_verification", input=(112, 224), pixels_last=True)
def build_verifier() -> PairVerifier:
    """The unit on top of the face embedder, as `convoy-train zoo` shows it."""
    return PairVerifier(FaceEmbedder(), VerificationHead(256))
