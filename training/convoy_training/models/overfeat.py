"""OverFeat (Sermanet et al. 2014, arXiv:1312.6229): slides a classifier over a picture by convolution, in one pass.

A fully connected layer over a k x k map is a convolution of kernel k; one over a vector is a convolution of kernel 1.
Written this way, the network looks at every window of a larger picture, and overlapping windows share their work.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from convoy_training.models.architecture import architecture
from convoy_training.models.detector import Detector


@architecture("overfeat", task="classification", classes=1000, input=(231, 231))
class OverFeat(nn.Module):
    """float RGB [N,3,H,W], H and W from 231 up -> class logits [N,classes,R,C], one for each window of 231 pixels.

    It is the fast model of the paper's table 1.
    """

    def __init__(self, classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(96, 256, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(256, 512, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(512, 1024, 3, padding=1), nn.ReLU()),
            *(nn.Conv2d(1024, 1024, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.classifier = nn.Sequential(
            *(nn.Conv2d(1024, 3072, 6), nn.ReLU(), nn.Dropout(dropout)),
            *(nn.Conv2d(3072, 4096, 1), nn.ReLU(), nn.Dropout(dropout)),
            nn.Conv2d(4096, classes, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


class SlidingWindow(nn.Module):
    """A classifier as a detector: float [N,3,H,W] -> logits [N,A,C], boxes xyxy [N,A,4], and all windows xyxy [A,4].

    `window` is the side in pixels that the classifier was trained on, `stride` is the stride of its features. `refine`
    regresses the box of each window from the features under it (left, top, right, bottom, as shares of the window).
    """

    def __init__(self, features: nn.Module, classifier: nn.Sequential, window: int, stride: int, inputs: int) -> None:
        super().__init__()
        with torch.no_grad():
            side = features.eval()(torch.zeros(1, 3, window, window)).shape[2]
        features.train()
        self.features, self.window, self.stride = features, window, stride
        self.classifier = convolve_classifier(classifier, side)
        self.refine = nn.Conv2d(inputs, 4, side)
        nn.init.zeros_(self.refine.weight)
        nn.init.zeros_(self.refine.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        features = self.features(x)
        logits, steps = self.classifier(features), self.refine(features)
        windows = place_windows(logits.shape[2], logits.shape[3], self.stride, self.window).to(x.device)
        return logits.flatten(2).transpose(1, 2), windows + steps.flatten(2).transpose(1, 2) * self.window, windows


@architecture(
    "sliding-window", task="detection", classes=3, input=(320, 320),
    widths=(12, 24, 48), hidden=64, pyramid=(2.0, 1.0, 0.5),
)  # fmt: skip
class WindowDetector(Detector):
    """Slides a classifier of 47-pixel windows over a picture, in steps of 8 and at several scales (section 4.1).

    float RGB [N,3,H,W] -> logits [N,A,classes], boxes xyxy [N,A,4] in input pixels, centres [A,2] of the windows. A
    runs over the scales of `pyramid`, then over the windows.
    """

    WINDOW, STRIDE = 47, 8
    fixed_size = True  # so that every scale of the pyramid has whole pixels

    def __init__(self, classes: int, widths: Sequence[int], hidden: int, pyramid: Sequence[float]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise([3, *widths]):  # no padding: a window is just what its classifier sees
            layers += [nn.Conv2d(inputs, outputs, 3, 2, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        classifier = nn.Sequential(nn.Linear(5 * 5 * widths[-1], hidden), nn.ReLU(), nn.Linear(hidden, classes))
        nn.init.constant_(classifier[-1].bias, -5.0)  # type: ignore[arg-type]  # most windows show nothing
        self.slide = SlidingWindow(nn.Sequential(*layers), classifier, self.WINDOW, self.STRIDE, widths[-1])
        self.pyramid = tuple(pyramid)

    @classmethod
    def from_recipe(cls, classes: int, config: Any, shapes: object) -> WindowDetector:
        return cls(classes, config.widths, config.head_width, config.pyramid)

    @classmethod
    def check_recipe(cls, config: Any) -> None:
        if len(config.widths) != 3:
            raise ValueError("widths: give three, since the sliding-window has three convolutions")
        if int(config.input_size * min(config.pyramid)) < cls.WINDOW:
            raise ValueError(f"pyramid: at every scale a picture must have at least {cls.WINDOW} pixels a side")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, boxes, centres = [], [], []
        for scale in self.pyramid:
            size = (int(x.shape[2] * scale), int(x.shape[3] * scale))
            answer, places, windows = self.slide(functional.interpolate(x, size, mode="bilinear", align_corners=False))
            logits.append(answer)
            boxes.append(places / scale)
            centres.append((windows[:, :2] + windows[:, 2:]) / (2 * scale))
        return torch.cat(logits, 1), torch.cat(boxes, 1), torch.cat(centres)


def convolve_classifier(classifier: nn.Sequential, side: int) -> nn.Sequential:
    """The same classifier with its fully connected layers as convolutions; the first one sees a map of side x side.

    Raises ValueError if the inputs of the first layer are not a whole number of such maps.
    """
    layers: list[nn.Module] = []
    for layer in classifier:
        if not isinstance(layer, nn.Linear):
            layers.append(layer)
            continue
        channels, rest = divmod(layer.in_features, side * side)
        if rest:
            raise ValueError(f"{layer.in_features} inputs are not a whole number of {side}x{side} maps")
        convolution = nn.Conv2d(channels, layer.out_features, side, bias=layer.bias is not None)
        with torch.no_grad():
            convolution.weight.copy_(layer.weight.view_as(convolution.weight))
            if convolution.bias is not None:
                convolution.bias.copy_(layer.bias)
        layers.append(convolution)
        side = 1
    return nn.Sequential(*layers)


def place_windows(rows: int, columns: int, stride: int, window: int) -> Tensor:
    """The boxes xyxy [rows * columns, 4] of all windows, in input pixels."""
    y, x = torch.meshgrid(torch.arange(rows) * stride, torch.arange(columns) * stride, indexing="ij")
    near = torch.stack([x, y], -1).reshape(-1, 2)
    return torch.cat([near, near + window], -1).float()
