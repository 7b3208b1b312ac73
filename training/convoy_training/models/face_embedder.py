"""A compact residual network that turns an aligned face into a unit vector."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convoy_training.models.architecture import architecture

PIXEL_RANGE = 127.5
"""Subtracted from pixels, which are then divided by it, so that they lie in -1 to 1."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, PReLU between, batch norm first and last.

    Source: the improved residual unit of ArcFace (Deng et al., CVPR 2019, section 3.2.2).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.PReLU(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            pool = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
            conv = nn.Conv2d(in_channels, out_channels, 1, bias=False)
            self.shortcut = nn.Sequential(pool, conv, nn.BatchNorm2d(out_channels))

    def forward(self, features: Tensor) -> Tensor:
        """[N,C,H,W] to [N,C',H/stride,W/stride]."""
        return self.body(features) + self.shortcut(features)


@architecture("face-embedder", task="face_embedding", input=(112, 112), pixels_last=True)
class FaceEmbedder(nn.Module):
    """Embeds aligned faces: uint8 RGB [N,112,112,3] -> float32 [N,D] vectors of length one.

    The graph reduces the crop to `crop_px`, because more detail costs more than it helps here. In evaluation it adds
    the embedding of the mirror image, so that the result does not depend on the side to which the face turns. Without
    `mirror` it embeds the face alone, at half the cost.
    """

    def __init__(
        self,
        dimension: int = 256,
        crop_px: int = 80,
        widths: tuple[int, ...] = (32, 64, 128, 256),
        depths: tuple[int, ...] = (1, 1, 1),
        dropout: float = 0.2,
        mirror: bool = True,
    ) -> None:
        super().__init__()
        self.crop_px, self.mirror = crop_px, mirror
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, 2, 1, bias=False), nn.BatchNorm2d(widths[0]), nn.PReLU(widths[0])
        )
        blocks: list[nn.Module] = []
        for before, width, depth in zip(widths[:-1], widths[1:], depths, strict=True):
            blocks += [ResidualBlock(before if i == 0 else width, width, 2 if i == 0 else 1) for i in range(depth)]
        self.blocks = nn.Sequential(*blocks)
        cells = (-(-crop_px // 2 ** len(widths))) ** 2
        self.head = nn.Sequential(
            nn.BatchNorm2d(widths[-1]),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(widths[-1] * cells, dimension, bias=False),
            nn.BatchNorm1d(dimension),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Embeds a batch."""
        pixels = images.permute(0, 3, 1, 2).float()
        if pixels.shape[2] != self.crop_px:  # a student's crops come reduced
            pixels = F.interpolate(pixels, size=(self.crop_px, self.crop_px), mode="bilinear", align_corners=False)
        pixels = ((pixels - PIXEL_RANGE) / PIXEL_RANGE).contiguous(memory_format=torch.channels_last)
        features = self.head(self.blocks(self.stem(pixels)))
        if self.mirror and not self.training:
            features = features + self.head(self.blocks(self.stem(pixels.flip(3))))
        return F.normalize(features)
