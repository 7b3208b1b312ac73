"""Shifts, mirrors and greys out parts of small uint8 images, a whole batch at once, and draws crops of larger ones."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.nn import functional

from convoy_training.structures import Crop


def pad(images: Tensor, margin: int) -> Tensor:
    """Reflects `margin` pixels around uint8 [N,H,W,C]. Do it once, and every later shift is a plain gather."""
    reflected = functional.pad(images.permute(0, 3, 1, 2).float(), (margin,) * 4, mode="reflect")
    return reflected.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def shift_and_mirror(padded: Tensor, mirror: Tensor, margin: int, random: Generator | None = None) -> Tensor:
    """Cuts [N,H,W,C] out of `padded` [N,H+2m,W+2m,C] at random offsets; mirrors those marked in `mirror` [N]."""
    count, size = len(padded), padded.shape[1] - 2 * margin
    steps = torch.arange(size)
    rows = torch.randint(0, 2 * margin + 1, (count, 1), generator=random) + steps
    turned = torch.where(mirror[:, None], steps.flip(0), steps)
    columns = torch.randint(0, 2 * margin + 1, (count, 1), generator=random) + turned
    return padded[torch.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


def cut_out(images: Tensor, size: int, random: Generator | None = None, value: int = 128) -> Tensor:
    """Greys one square per image in place, centred anywhere (DeVries & Taylor 2017, arXiv:1708.04552)."""
    count, height, width, _ = images.shape
    row = torch.arange(height)[None, :] - torch.randint(0, height, (count, 1), generator=random)
    column = torch.arange(width)[None, :] - torch.randint(0, width, (count, 1), generator=random)
    square = (row.abs() <= size // 2)[:, :, None] & (column.abs() <= size // 2)[:, None, :]
    return images.masked_fill_(square[..., None], value)


def draw_crops(count: int, area: tuple[float, float], random: Generator) -> list[Crop]:
    """Random crops of area between the two shares, aspect between 3:4 and 4:3 (Szegedy et al. 2015, section 6)."""
    areas = area[0] + (area[1] - area[0]) * torch.rand(count, generator=random)
    aspects = torch.exp((2 * torch.rand(count, generator=random) - 1) * math.log(4 / 3))
    places = torch.rand(2, count, generator=random)
    return [Crop(*numbers) for numbers in zip(*(x.tolist() for x in (areas, aspects, *places)), strict=True)]
