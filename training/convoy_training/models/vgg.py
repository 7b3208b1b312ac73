"""VGG (Simonyan & Zisserman 2015, arXiv:1409.1556): A, B, D and E. Names and shapes are torchvision's."""

from __future__ import annotations

from torch import Tensor, nn

from convoy_training.models.architecture import architecture

CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """float [N,3,224,224] -> logits [N,classes]; `depth` 11, 13, 16 or 19."""

    def __init__(self, depth: int, classes: int = 1000, dropout: float = 0.5, batch_norm: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for width, count in zip(WIDTHS, CONVOLUTIONS[depth], strict=True):
            for _ in range(count):
                layers.append(nn.Conv2d(inputs, width, 3, padding=1))
                layers += [nn.BatchNorm2d(width)] if batch_norm else []
                layers.append(nn.ReLU())
                inputs = width
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            *(nn.Linear(512 * 7 * 7, 4096), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(dropout)),
            nn.Linear(4096, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


for _depth in CONVOLUTIONS:
    architecture(f"vgg{_depth}", task="classification", classes=1000, input=(224, 224), depth=_depth)(VGG)
