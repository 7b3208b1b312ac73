"""Rewrites a trained face embedder for serving: the same numbers, in layers that a CPU runs fast.

Batch norms are constant after training, so they go into the convolutions and the head's matrix. A PReLU becomes two
scalings by channel and a ReLU, because ONNX Runtime keeps these in its blocked layout, and leaves that layout for a
PReLU. Mirror images are the second half of one batch; the head is linear, so it runs on the sum of both halves.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from convoy_training.models.face_embedder import PIXEL_RANGE, FaceEmbedder, ResidualBlock

Norm = nn.BatchNorm2d | nn.BatchNorm1d | nn.BatchNorm3d


def scale_channels(factors: Tensor, bias: Tensor | None = None) -> nn.Conv2d:
    """Multiplies each channel with its factor [C] and adds its bias [C]: a depthwise convolution of one pixel."""
    layer = nn.Conv2d(len(factors), len(factors), 1, groups=len(factors), bias=bias is not None)
    layer.weight = nn.Parameter(factors.detach().reshape(-1, 1, 1, 1).clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer


def read_norm(norm: Norm) -> tuple[Tensor, Tensor]:
    """A batch norm in evaluation as factors [C] and bias [C]."""
    assert norm.running_mean is not None and norm.running_var is not None
    factors = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return factors, norm.bias - norm.running_mean * factors


def set_norm(
    norm: Norm,
    factors: Tensor,
    bias: Tensor,
    mean: Tensor | None = None,
    variance: Tensor | None = None,
) -> None:
    """The inverse of `read_norm`: sets a batch norm with these statistics [C] to `factors` [C] and `bias` [C]."""
    assert norm.running_mean is not None and norm.running_var is not None
    mean = torch.zeros_like(factors) if mean is None else mean
    variance = torch.full_like(factors, 1 - norm.eps) if variance is None else variance
    with torch.no_grad():
        bias = bias + factors * mean
        norm.weight.copy_(factors * torch.sqrt(variance + norm.eps))
        norm.bias.copy_(bias)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)


class FoldedPReLU(nn.Module):
    """A PReLU, max(x, 0) + a min(x, 0), computed as (1 - a) max(x, 0) + a x."""

    def __init__(self, activation: nn.PReLU) -> None:
        super().__init__()
        self.positive = scale_channels(1 - activation.weight)
        self.all = scale_channels(activation.weight)

    def forward(self, features: Tensor) -> Tensor:
        """[N,C,H,W] -> [N,C,H,W]."""
        return self.positive(F.relu(features)) + self.all(features)


class FoldedBlock(nn.Module):
    """A folded `ResidualBlock`. Its first norm stays alone, since the next convolution pads with zeros after it."""

    def __init__(self, block: ResidualBlock) -> None:
        super().__init__()
        parts: Any = block.body
        first, conv, norm, activation, last_conv, last_norm = parts
        self.body = nn.Sequential(
            scale_channels(*read_norm(first)),
            fuse_conv_bn_eval(conv, norm),
            FoldedPReLU(activation),
            fuse_conv_bn_eval(last_conv, last_norm),
        )
        self.shortcut = block.shortcut
        if isinstance(block.shortcut, nn.Sequential):
            of_shortcut: Any = block.shortcut
            pool, conv, norm = of_shortcut
            self.shortcut = nn.Sequential(pool, fuse_conv_bn_eval(conv, norm))

    def forward(self, features: Tensor) -> Tensor:
        """[N,C,H,W] to [N,C',H/stride,W/stride]."""
        return self.body(features) + self.shortcut(features)


class FoldedEmbedder(nn.Module):
    """A folded `FaceEmbedder`: uint8 RGB [N,112,112,3] -> the same float32 [N,D]. The embedder itself stays as is."""

    def __init__(self, embedder: FaceEmbedder) -> None:
        super().__init__()
        self.crop_px, self.mirror = embedder.crop_px, embedder.mirror
        embedder = copy.deepcopy(embedder).eval()
        with torch.no_grad():
            parts: Any = embedder.stem
            conv, norm, activation = parts
            stem = fuse_conv_bn_eval(conv, norm)
            stem.weight /= PIXEL_RANGE
            blocks: Any = embedder.blocks
            self.features = nn.Sequential(stem, FoldedPReLU(activation), *map(FoldedBlock, blocks))
            self.head = fold_head(embedder.head, views=2 if self.mirror else 1)

    def forward(self, images: Tensor) -> Tensor:
        """Embeds a batch."""
        pixels = images.permute(0, 3, 1, 2).float()
        pixels = F.interpolate(pixels, size=(self.crop_px, self.crop_px), mode="bilinear", align_corners=False)
        pixels = pixels - PIXEL_RANGE
        if self.mirror:
            both = self.features(torch.cat([pixels, pixels.flip(3)]))
            features = both.unflatten(0, (2, -1)).sum(dim=0)
        else:
            features = self.features(pixels)
        return F.normalize(self.head(features.flatten(1)))


def fold_head(head: Any, views: int) -> nn.Linear:
    """Folds norm, dropout, flatten, matrix and norm into one matrix with bias, for the sum of this many views."""
    first, _, _, matrix, last = head
    factors, bias = read_norm(first)
    last_factors, last_bias = read_norm(last)
    weights = matrix.weight.unflatten(1, (len(factors), -1))
    folded = nn.Linear(matrix.in_features, matrix.out_features)
    folded.weight = nn.Parameter((weights * factors[:, None] * last_factors[:, None, None]).flatten(1))
    folded.bias = nn.Parameter(views * (weights.sum(dim=2) @ bias * last_factors + last_bias))
    return folded


@torch.no_grad()
def unfold(folded: FoldedEmbedder, embedder: FaceEmbedder) -> list[Norm]:
    """Gives an embedder the weights of its folded form; returns its norms, whose statistics must still be measured."""
    stem, activation, *blocks = cast(Any, folded.features)
    conv, norm, prelu = cast(Any, embedder.stem)
    _part(stem, conv, norm)
    conv.weight *= PIXEL_RANGE
    prelu.weight.copy_(activation.all.weight.flatten())
    for short, block in zip(blocks, cast(Any, embedder.blocks), strict=True):
        first, conv, norm, prelu, last_conv, last_norm = block.body
        set_norm(first, short.body[0].weight.flatten(), short.body[0].bias)
        _part(short.body[1], conv, norm)
        prelu.weight.copy_(short.body[2].all.weight.flatten())
        _part(short.body[3], last_conv, last_norm)
        if not isinstance(block.shortcut, nn.Identity):
            _, conv, norm = block.shortcut
            _part(short.shortcut[1], conv, norm)
    first, _, _, matrix, last = cast(Any, embedder.head)
    set_norm(first, torch.ones_like(first.weight), torch.zeros_like(first.bias))
    matrix.weight.copy_(folded.head.weight)
    set_norm(last, torch.ones_like(last.weight), folded.head.bias / (2 if folded.mirror else 1))
    return [module for module in embedder.modules() if isinstance(module, Norm)]


def _part(both: nn.Conv2d, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    """Splits a convolution with a bias into one without a bias and a norm."""
    assert both.bias is not None
    conv.weight.copy_(both.weight)
    set_norm(norm, torch.ones_like(both.bias), both.bias)
