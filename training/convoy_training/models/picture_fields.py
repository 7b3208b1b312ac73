"""The fields that every recipe for a `Restorer` has, and what follows from them."""

from __future__ import annotations

from typing import Self

import cv2
import numpy as np
from convoy.core.manifest import MAX_SIDE, InputSpec
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import nn

from convoy_training import recipe
from convoy_training.data import photographs
from convoy_training.data.archive import open_archive
from convoy_training.models.architecture import find_architecture
from convoy_training.models.restorer import Restorer

Pixels = NDArray[np.uint8]


class PictureFields(recipe.Config):
    """The fields of a recipe that makes pictures of photographs."""

    data: photographs.Source
    architecture: str
    width: int = Field(48, gt=0, le=512, description="channels of each layer")
    depth: int = Field(8, ge=3, le=64, description="layers")
    crop: int = Field(64, gt=0, description="side of what the network sees in training, in pixels of its input")
    long_side: int = Field(512, gt=0, le=MAX_SIDE, description="longest side of a tile in the service, in pixels")

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if self.network.find_overlap(self) * 2 + self.stride > self.long_side:
            raise ValueError("long_side: leaves no room between the overlaps of the tiles")
        return self

    @property
    def network(self) -> type[Restorer]:
        """The class of the network."""
        network: type[Restorer] = find_architecture(self.architecture).network
        return network

    @property
    def stride(self) -> int:
        """What the sides of the network's input must be multiples of."""
        return self.network.find_stride(self)

    @property
    def overlap(self) -> int:
        """How many pixels of the input a tile needs on every side, in whole strides."""
        return -(-self.network.find_overlap(self) // self.stride) * self.stride

    @property
    def input_spec(self) -> InputSpec:
        """What the manifest says of the graph's input."""
        return InputSpec(stride=self.stride, long_side=self.long_side, resize="tiles")

    def build(self, styles: int = 0) -> nn.Module:
        """A fresh network."""
        return find_architecture(self.architecture).build_for(self, styles, lambda: None)

    def load(self, split: str) -> photographs.Split:
        """Reads and checks one split of the photographs."""
        loaded: photographs.Split = photographs.load_split(self.data.path, split, self.data.below, self.data.reading)
        return loaded

    def digest(self) -> str:
        """The SHA-256 of all files of the photographs."""
        return open_archive(self.data.path).digest


def at_least(picture: Pixels, side: int) -> Pixels:
    """The picture, continued by its mirror image where a side is shorter than what is cut out of it."""
    below, right = (max(0, side - length) for length in picture.shape[:2])
    if not below and not right:
        return picture
    return np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REFLECT_101), np.uint8)


def cut_middle(picture: Pixels, side: int) -> Pixels:
    """The square [side, side, ...] in the middle of a picture."""
    whole = at_least(picture, side)
    top, left = ((length - side) // 2 for length in whole.shape[:2])
    return np.ascontiguousarray(whole[top : top + side, left : left + side])
