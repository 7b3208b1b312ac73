"""Augmentation of a whole batch where it lies, on a GPU too: kornia's transforms, the U-Net's warp, AlexNet's colours.

Images and masks move together; what a mask has nothing for becomes `ignore`. Randomness is torch's global generator,
so that a resumed run draws the same.
"""

from __future__ import annotations

import kornia.augmentation as kornia
import torch
from kornia.constants import DataKey, Resample
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from convoy_training.recipe import Strict

IMAGENET_COLOURS = torch.tensor([[-0.1442, 0.0888, -0.0786], [-0.1449, 0.0013, 0.1022], [-0.1452, -0.0902, -0.0236]])
"""How the colours of ImageNet's pixels vary together: columns are principal axes (RGB, 0 to 1) times their deviation.

Eigenvectors and eigenvalues as published with AlexNet's successors (fb.resnet.torch, 2016), multiplied.
"""


class Augmentation(Strict):
    """How far each image of a batch may be changed; 0 leaves out. Angles in degrees, both ways."""

    mirror: float = Field(0.0, ge=0, le=1, description="share of the images mirrored left to right")
    upside_down: float = Field(0.0, ge=0, le=1, description="share mirrored top to bottom")
    rotate: float = Field(0.0, ge=0, le=180)
    shear: float = Field(0.0, ge=0, lt=90)
    scales: tuple[float, float] = (1.0, 1.0)
    crop: tuple[int, int] | None = Field(None, description="height and width cut out anywhere")
    warp: float = Field(0.0, ge=0, description="local warp: deviation in pixels of the points of a coarse grid")
    light: float = Field(0.0, ge=0, lt=1, description="brightness and contrast, as a share")
    colour: float = Field(0.0, ge=0, lt=1, description="saturation, and a tenth of it in hue")
    principal_colours: float = Field(0.0, ge=0, description="AlexNet's colour noise; the paper's deviation is 0.1")


def augment(images: Tensor, masks: Tensor | None, how: Augmentation, ignore: int = 255) -> tuple[Tensor, Tensor | None]:
    """Changes RGB [N,H,W,3] in 0..255, and class ids [N,H,W] with them; gives float images of the same form."""
    pixels = images.permute(0, 3, 1, 2).float() / 255
    # Kornia fills what comes from outside with 0, so 0 must be free: ids are one higher while they move.
    layers = [pixels] if masks is None else [pixels, masks[:, None].float() + 1]
    layers = _move(layers, how)
    pixels = _recolour(layers[0], how).clamp(0, 1)
    ids = None if masks is None else torch.where(layers[1] == 0, ignore, layers[1] - 1)[:, 0].round().to(masks.dtype)
    return pixels.permute(0, 2, 3, 1) * 255, ids


def warp_locally(layers: list[Tensor], deviation: float, points: int = 3) -> list[Tensor]:
    """Moves the points of a coarse grid at random and what lies between them smoothly along (bicubic).

    layers [N,C,H,W]: the first is sampled bilinearly, the others nearest. Source: Ronneberger et al. 2015, section 3.1.
    """
    first = layers[0]
    count, _, height, width = first.shape
    size = torch.tensor([width, height], device=first.device)
    coarse = torch.randn(count, 2, points, points, device=first.device) * deviation
    moved = functional.interpolate(coarse, (height, width), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    still = torch.eye(2, 3, device=first.device).expand(count, -1, -1)
    grid = functional.affine_grid(still, [count, 1, height, width], align_corners=False) + 2 * moved / size
    modes = ["bilinear"] + ["nearest"] * (len(layers) - 1)
    return [functional.grid_sample(x, grid, mode=m, align_corners=False) for x, m in zip(layers, modes, strict=True)]


def shift_principal_colours(pixels: Tensor, deviation: float) -> Tensor:
    """Adds to each image of [N,3,H,W] a random step along the principal axes of natural colours.

    Source: Krizhevsky et al. 2012, section 4.1, with alpha drawn from N(0, deviation) once an image.
    """
    steps = torch.randn(len(pixels), 3, device=pixels.device) * deviation
    return pixels + (steps @ IMAGENET_COLOURS.to(pixels.device).T)[:, :, None, None]


def _move(layers: list[Tensor], how: Augmentation) -> list[Tensor]:
    steps: list[kornia.GeometricAugmentationBase2D] = []
    if how.mirror:
        steps.append(kornia.RandomHorizontalFlip(p=how.mirror))
    if how.upside_down:
        steps.append(kornia.RandomVerticalFlip(p=how.upside_down))
    if how.rotate or how.shear or how.scales != (1.0, 1.0):
        affine = kornia.RandomAffine(how.rotate, scale=how.scales, shear=how.shear or None, align_corners=False, p=1.0)
        steps.append(affine)
    if how.crop:
        steps.append(kornia.RandomCrop(how.crop, align_corners=False, p=1.0))
    if steps:
        nearest = {DataKey.MASK: {"resample": Resample.NEAREST, "align_corners": False}}
        moved = kornia.AugmentationSequential(*steps, data_keys=["input", "mask"][: len(layers)], extra_args=nearest)(
            *layers
        )
        layers = [moved] if isinstance(moved, Tensor) else list(moved)
    return warp_locally(layers, how.warp) if how.warp else layers


def _recolour(pixels: Tensor, how: Augmentation) -> Tensor:
    if how.light or how.colour:
        pixels = kornia.ColorJitter(how.light, how.light, how.colour, how.colour / 10, p=1.0)(pixels)
    return shift_principal_colours(pixels, how.principal_colours) if how.principal_colours else pixels
