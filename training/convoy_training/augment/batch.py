"""Changes a whole batch on the device that holds it: kornia's transforms, the U-Net's warp, AlexNet's colours.

Images and masks move together; mask pixels that come from outside the image become `ignore`. All draws come from
torch's global generator, so a resumed run draws the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import kornia.augmentation as kornia
import torch
from kornia.constants import DataKey, Resample
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from convoy_training.recipe import Range, Strict

IMAGENET_COLOURS = torch.tensor([[-0.1442, 0.0888, -0.0786], [-0.1449, 0.0013, 0.1022], [-0.1452, -0.0902, -0.0236]])
"""How the colours of ImageNet's pixels vary together: columns are principal axes (RGB, 0 to 1) times their deviation.

Eigenvectors and eigenvalues as published with AlexNet's successors (fb.resnet.torch, 2016), multiplied.
"""


Crop = tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]]


class Augmentation(Strict):
    """How strongly each image of a batch may change; 0 switches a change off. Angles are degrees, both ways."""

    mirror: float = Field(0.0, ge=0, le=1, description="share of the images mirrored left to right")
    upside_down: float = Field(0.0, ge=0, le=1, description="share mirrored top to bottom")
    rotate: float = Field(0.0, ge=0, le=180)
    shear: float = Field(0.0, ge=0, lt=90)
    scales: Range = (1.0, 1.0)
    crop: Crop | None = Field(None, description="height and width cut out anywhere")
    warp: float = Field(0.0, ge=0, description="local warp: deviation in pixels of the points of a coarse grid")
    light: float = Field(0.0, ge=0, lt=1, description="brightness and contrast, as a share")
    colour: float = Field(0.0, ge=0, lt=1, description="saturation, and a tenth of it in hue")
    principal_colours: float = Field(0.0, ge=0, description="AlexNet's colour noise; the paper's deviation is 0.1")

    def check(self, size: tuple[int, int], stride: int = 1, mirror: bool = True, upside_down: bool = True) -> None:
        """Raises ValueError if pictures of `size` (height, width), or the recipe, do not allow these changes."""
        if self.mirror and not mirror:
            raise ValueError("augment.mirror: must be 0, since `mirror` is false")
        if self.upside_down and not upside_down:
            raise ValueError("augment.upside_down: must be 0, unless `upside_down` is true")
        if self.crop and any(side % stride for side in self.crop):
            raise ValueError(f"augment.crop: both sides must be multiples of {stride}")
        if self.crop and (self.crop[0] > size[0] or self.crop[1] > size[1]):
            raise ValueError(f"augment.crop: {list(self.crop)} cannot be cut out of {list(size)}")


@dataclass(frozen=True)
class Motion:
    """Where pixels moved. matrix [N,3,3] maps the old place of a pixel to its new one, counted from pixel centres.

    offsets [N,2,H,W]: the warp that follows: the step in x and y from each new pixel to the one it shows; None without
    a warp. size: height and width of the new images. mirrored [N]: whether left and right were exchanged.
    """

    matrix: Tensor
    offsets: Tensor | None
    size: tuple[int, int]

    @property
    def mirrored(self) -> Tensor:
        return self.matrix[:, 0, 0] < 0


def augment(images: Tensor, masks: Tensor | None, how: Augmentation, ignore: int = 255) -> tuple[Tensor, Tensor | None]:
    """Changes RGB images [N,H,W,3] in 0..255 and their class ids [N,H,W]; returns float images in the same layout."""
    pixels = images.permute(0, 3, 1, 2).float() / 255
    # Kornia fills pixels from outside the image with 0, so ids are one higher while they move: no class may be 0.
    layers = [pixels] if masks is None else [pixels, masks[:, None].float() + 1]
    layers, _ = move(layers, how)
    pixels = recolour(layers[0], how).clamp(0, 1)
    ids = None if masks is None else torch.where(layers[1] == 0, ignore, layers[1] - 1)[:, 0].round().to(masks.dtype)
    return pixels.permute(0, 2, 3, 1) * 255, ids


def draw_offsets(images: Tensor, deviation: float, points: int = 3) -> Tensor:
    """Random offsets [N,2,H,W] in pixels: the points of a coarse grid move, the pixels between follow (bicubic).

    Source: Ronneberger et al. 2015, section 3.1.
    """
    coarse = torch.randn(len(images), 2, points, points, device=images.device) * deviation
    return functional.interpolate(coarse, images.shape[2:], mode="bicubic", align_corners=True)


def warp_locally(layers: list[Tensor], offsets: Tensor) -> list[Tensor]:
    """Takes each pixel of layers [N,C,H,W] from where `offsets` [N,2,H,W] point.

    Only the first layer is interpolated (bilinear); the others take the nearest pixel.
    """
    count, _, height, width = layers[0].shape
    size = torch.tensor([width, height], device=offsets.device)
    still = torch.eye(2, 3, device=offsets.device).expand(count, -1, -1)
    grid = functional.affine_grid(still, [count, 1, height, width], align_corners=False)
    grid = grid + 2 * offsets.permute(0, 2, 3, 1) / size
    modes = ["bilinear"] + ["nearest"] * (len(layers) - 1)
    return [functional.grid_sample(x, grid, mode=m, align_corners=False) for x, m in zip(layers, modes, strict=True)]


def shift_principal_colours(pixels: Tensor, deviation: float) -> Tensor:
    """Adds to each image of [N,3,H,W] a random step along the principal axes of natural colours.

    Source: Krizhevsky et al. 2012, section 4.1; alpha is drawn from N(0, deviation), once for each image.
    """
    steps = torch.randn(len(pixels), 3, device=pixels.device) * deviation
    return pixels + (steps @ IMAGENET_COLOURS.to(pixels.device).T)[:, :, None, None]


def move(layers: list[Tensor], how: Augmentation) -> tuple[list[Tensor], Motion]:
    """Mirrors, turns, shears, scales, crops and warps all layers [N,C,H,W] alike; the images are the first layer."""
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
    matrix = torch.eye(3, device=layers[0].device).expand(len(layers[0]), -1, -1)
    if steps:
        nearest = {DataKey.MASK: {"resample": Resample.NEAREST, "align_corners": False}}
        keys = ["input"] + ["mask"] * (len(layers) - 1)
        sequence = kornia.AugmentationSequential(*steps, data_keys=keys, extra_args=nearest)
        moved = sequence(*layers)
        layers = [moved] if isinstance(moved, Tensor) else list(moved)
        assert sequence.transform_matrix is not None
        matrix = sequence.transform_matrix.to(matrix)
    offsets = draw_offsets(layers[0], how.warp) if how.warp else None
    layers = layers if offsets is None else warp_locally(layers, offsets)
    return layers, Motion(matrix, offsets, (layers[0].shape[2], layers[0].shape[3]))


def recolour(pixels: Tensor, how: Augmentation) -> Tensor:
    """Changes the light and the colours of RGB images [N,3,H,W] in 0..1."""
    if how.light or how.colour:
        pixels = kornia.ColorJitter(how.light, how.light, how.colour, how.colour / 10, p=1.0)(pixels)
    return shift_principal_colours(pixels, how.principal_colours) if how.principal_colours else pixels
