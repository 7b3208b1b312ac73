"""LeNet-5 (LeCun et al. 1998) as taught today: with ReLU, max pooling and colour pictures of 32x32."""

from __future__ import annotations

from torch import Tensor, nn

from convoy_training.models.architecture import architecture


@architecture("lenet", task="classification", classes=10, input=(32, 32), also=("lenet5",))
class LeNet(nn.Module):
    """float [N,3,32,32] -> logits [N,classes]."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.classifier = nn.Sequential(
            nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))
