"""A single-stage, anchor-free face detector with five landmarks at strides 8, 16 and 32.

Every cell of the three feature maps predicts how likely a face is, how far its four sides are, and where its eyes, nose
and mouth corners lie: FCOS (Tian et al., ICCV 2019) with the landmark branch of RetinaFace (Deng et al., 2020).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convoy_training.models.architecture import architecture

STRIDES = (8, 16, 32)


def convolve(in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(convolve(channels, channels), convolve(channels, channels))

    def forward(self, features: Tensor) -> Tensor:
        """Same shape out."""
        return features + self.body(features)


class Head(nn.Module):
    """The prediction of one level: for each cell 1 score, 4 distances to the sides and 10 landmark offsets."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.features = convolve(channels, channels)
        self.output = nn.Conv2d(channels, 15, 1)
        assert self.output.bias is not None
        nn.init.normal_(self.output.weight, std=0.01)
        nn.init.zeros_(self.output.bias)
        # At the start faces are rare (Lin et al., "Focal loss", ICCV 2017, section 3.3), and boxes four strides wide.
        self.output.bias.data[0] = -math.log(99)
        self.output.bias.data[1:5] = math.log(2)

    def forward(self, features: Tensor) -> Tensor:
        """[N,C,H,W] to [N,H*W,15]."""
        return self.output(self.features(features)).flatten(2).transpose(1, 2)


@architecture("face-detector", task="face_detection", input=(480, 640), pixels_last=True)
class FaceDetector(nn.Module):
    """uint8 RGB [N,H,W,3] -> boxes [N,A,4] xyxy, score logits [N,A,1], landmarks [N,A,5,2]; places in input pixels."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 48, 96, 128), neck: int = 48) -> None:
        super().__init__()
        first, second, *levels = widths
        self.stem = nn.Sequential(convolve(3, first, stride=2), convolve(first, second, stride=2))
        before = [second, *levels[:-1]]
        self.stages = nn.ModuleList(
            nn.Sequential(convolve(i, o, stride=2), Residual(o)) for i, o in zip(before, levels, strict=True)
        )
        self.laterals = nn.ModuleList(convolve(width, neck, kernel=1) for width in levels)
        self.smooth = nn.ModuleList(convolve(neck, neck) for _ in levels)
        self.heads = nn.ModuleList(Head(neck) for _ in levels)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Finds faces in a batch."""
        pixels = ((images.permute(0, 3, 1, 2).float() - 127.5) / 64.0).contiguous(memory_format=torch.channels_last)
        maps = self.merge(self.stem(pixels))
        raw = torch.cat([head(level) for head, level in zip(self.heads, maps, strict=True)], dim=1)
        sizes = [(level.shape[2], level.shape[3]) for level in maps]
        return decode(raw, *locate_cells(sizes, raw.device))

    def merge(self, features: Tensor) -> list[Tensor]:
        """The feature pyramid, from the finest level to the coarsest (Lin et al., CVPR 2017)."""
        laterals = []
        for stage, lateral in zip(self.stages, self.laterals, strict=True):
            features = stage(features)
            laterals.append(lateral(features))
        merged = [laterals[-1]]
        for lateral in reversed(laterals[:-1]):
            merged.insert(0, lateral + F.interpolate(merged[0], scale_factor=2.0, mode="nearest"))
        return [smooth(level) for smooth, level in zip(self.smooth, merged, strict=True)]


class FaceDetectorGraph(nn.Module):
    """The detector as served, with scores between 0 and 1."""

    def __init__(self, detector: FaceDetector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Finds faces in a batch."""
        boxes, logits, landmarks = self.detector(images)
        return boxes, logits.sigmoid(), landmarks


def locate_cells(sizes: list[tuple[int, int]], device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """The centre [A,2] (x, y) and the stride [A,1] of every cell, in pixels; sizes: (rows, columns) of each map."""
    centres, strides = [], []
    for (rows, columns), stride in zip(sizes, STRIDES, strict=True):
        y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
        points = (torch.stack([x, y], dim=2).reshape(-1, 2).float() + 0.5) * stride
        centres.append(points)
        strides.append(torch.full_like(points[:, :1], stride))
    return torch.cat(centres), torch.cat(strides)


def decode(raw: Tensor, centres: Tensor, strides: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Turns raw outputs [N,A,15] into boxes, score logits and landmarks; distances are exponentials, in strides."""
    distances = raw[..., 1:5].clamp(max=6.0).exp() * strides
    boxes = torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], dim=-1)
    landmarks = centres[:, None] + raw[..., 5:].unflatten(-1, (5, 2)) * strides[:, None]
    return boxes, raw[..., :1], landmarks
