"""Margin softmax losses: classify faces by person, and leave a gap between people on the unit sphere."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MarginSoftmax(nn.Module):
    """Softmax over the cosine similarities to one learnt centre per person, with a margin on the right one.

    Takes `embeddings` [N,D] of length one and `labels` [N]. `additive` is CosFace's margin on the cosine (Wang et al.,
    CVPR 2018, equation 4), `angular` is ArcFace's margin on the angle in radians (Deng et al., CVPR 2019, equation 3).
    You may use both together (ArcFace's equation 4). `scale` is the radius of the sphere.
    """

    def __init__(
        self, people: int, dimension: int, scale: float = 32.0, additive: float = 0.35, angular: float = 0.0
    ) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.randn(people, dimension) * 0.01)
        self.scale, self.additive, self.angular = scale, additive, angular

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of a batch."""
        cosines = F.linear(embeddings, F.normalize(self.centres))
        own = cosines.gather(1, labels[:, None])
        if self.angular:
            angle = torch.acos(own.clamp(-1 + 1e-6, 1 - 1e-6)) + self.angular
            own = torch.cos(angle.clamp(max=torch.pi))
        own = own - self.additive
        logits = self.scale * cosines.scatter(1, labels[:, None], own)
        return F.cross_entropy(logits, labels)
