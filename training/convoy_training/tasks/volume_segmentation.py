"""Segmentation of volumes: a class for each pixel of each slice, by a network that sees neighbouring slices too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from convoy.core.manifest import MAX_SIDE, InputSpec, VolumeSpec
from convoy.core.pictures.decoding import Picture
from convoy.core.pictures.resizing import min_side
from convoy.segmentation.volume import Blocks, interpret_block, prepare
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from convoy_training import recipe
from convoy_training.augment.batch import Crop
from convoy_training.data import isbi, masks
from convoy_training.data.archive import open_archive
from convoy_training.data.mask_files import IGNORE
from convoy_training.data.reading import LabelledSource
from convoy_training.errors import LabelError
from convoy_training.losses.overlap import compute_dice, weigh_classes
from convoy_training.models.architecture import find_architecture, named_for
from convoy_training.models.unet3d import UNet3d
from convoy_training.task import Data, Export, Images, Metric, Predict
from convoy_training.tasks.segmentation import Shade, measure_masks


class Source(LabelledSource):
    """Where the slices and their masks come from."""

    format: Literal["isbi"] = "isbi"


class Config(recipe.Config):
    """The fields of a recipe for volumes."""

    data: Source
    palette: list[tuple[Shade, Shade, Shade]] = Field([], description="RGB colour of each class in pictures")
    architecture: Annotated[str, AfterValidator(named_for("volume_segmentation"))] = "unet3d"
    widths: Annotated[recipe.Widths, Field(max_length=6)] = (8, 16, 32, 64)
    dropout: float = Field(0.1, ge=0, lt=1)
    slices: int = Field(5, ge=2, le=8, description="that the network sees at a time")
    context: int = Field(1, ge=0, description="slices at each end of a block whose answers are not used")
    crop: Crop = (192, 192)
    light: float = Field(0.3, ge=0, lt=1, description="brightness and contrast change by up to this share")
    repeats: int = Field(8, gt=0, description="blocks that an epoch shows for each slice")
    dice: recipe.Weight = Field(0.5, description="weight of the Dice loss beside cross-entropy")
    long_side: int = Field(512, gt=0, le=MAX_SIDE, description="longest side of a slice in the service, in pixels")
    regions_of: str = Field("", description="class whose connected regions are also judged, by the Rand score")
    mean: tuple[float] = Field((0.5,), description="of the pixels, grey, 0 to 1")
    deviation: tuple[recipe.Positive] = (0.17,)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        VolumeSpec(slices=self.slices, context=self.context)
        if any(side % UNet3d.find_stride(self) for side in self.crop):
            raise ValueError(f"crop: both sides must be multiples of {UNet3d.find_stride(self)}")
        return self


class Batches:
    """Blocks at random places, turned, mirrored and relit: slices uint8 [N,slices,H,W], and class ids of that shape."""

    def __init__(self, split: masks.Split, config: Config) -> None:
        self.volume = np.stack([_read_grey(example) for example in split.examples])
        self.truth = np.stack([example.read_mask() for example in split.examples])
        self.config = config

    def __len__(self) -> int:
        return len(self.volume) * self.config.repeats // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        for _ in range(len(self)):
            drawn = [self._draw(random) for _ in range(self.config.batch_size)]
            blocks, truths = (np.stack(side) for side in zip(*drawn, strict=True))
            yield torch.from_numpy(blocks), torch.from_numpy(truths).long()

    def _draw(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        (height, width), slices = self.config.crop, self.config.slices
        count, rows, columns = self.volume.shape
        first, top, left = (
            int(random.integers(0, room + 1)) for room in (count - slices, rows - height, columns - width)
        )
        cut = np.s_[first : first + slices, top : top + height, left : left + width]
        block, truth = self.volume[cut], self.truth[cut]
        for axis in range(3):
            if random.random() < 0.5:
                block, truth = np.flip(block, axis), np.flip(truth, axis)
        if height == width and random.random() < 0.5:
            block, truth = block.swapaxes(1, 2), truth.swapaxes(1, 2)
        gain, shift = random.uniform(1 - self.config.light, 1 + self.config.light), random.uniform(-1, 1)
        lit = (block.astype(np.float32) - 128) * gain + 128 + 64 * self.config.light * shift
        return lit.clip(0, 255).astype(np.uint8), np.ascontiguousarray(truth)


class Graph(nn.Module):
    """uint8 [N,H,W,slices] -> class_map uint8 [N,slices,H,W]."""

    def __init__(self, model: nn.Module, config: Config) -> None:
        super().__init__()
        self.model, self.config = model, config

    def forward(self, images: Tensor) -> Tensor:
        return self.model(normalise(images.permute(0, 3, 1, 2), self.config)).argmax(1).to(torch.uint8)


def normalise(blocks: Tensor, config: Config) -> Tensor:
    """uint8 [N,slices,H,W] -> float [N,1,slices,H,W]."""
    return ((blocks.float() / 255 - config.mean[0]) / config.deviation[0])[:, None]


def load_split(config: Config, split: str) -> masks.Split:
    """Reads and checks one split; its examples are the slices, in order, and of one size. Raises LabelError."""
    read = isbi.load_split(config.data.path, split, config.data.reading)
    photos = [example.photo for example in read.examples]
    height, width = photos[0].height, photos[0].width
    for photo in photos:
        if (photo.height, photo.width) != (height, width):
            told = f"the slice has {photo.width}x{photo.height} pixels, the first one {width}x{height}"
            raise LabelError(photo.name, None, told, "other size")
    if split == "train" and (height < config.crop[0] or width < config.crop[1]):
        told = f"the slices have {width}x{height} pixels, and `crop` cuts {config.crop[1]}x{config.crop[0]} out of them"
        raise LabelError(photos[0].name, None, told)
    if split == "train" and len(photos) < config.slices:
        told = f"there are {len(photos)} training slices, and the network sees {config.slices} at a time"
        raise LabelError(photos[0].name, None, told)
    return read


def _read_grey(example: masks.Example) -> np.ndarray:
    return example.photo.decode().image_rgb[..., 0]


def build_model(config: Config) -> nn.Module:
    data = load_split(config, "train")
    model = find_architecture(config.architecture).build_for(config, len(data.classes), lambda: None)
    model.register_buffer("class_weights", weigh_classes(data.pixels))
    return model


def build_data(config: Config) -> Data:
    find_change = open_archive(config.data.path).find_change
    return Data(Batches(load_split(config, "train"), config), digest_data(config), find_change=find_change)


def digest_data(config: Config) -> str:
    """The SHA-256 of all files of the data."""
    return open_archive(config.data.path).digest


def compute_loss(model: nn.Module, batch: tuple[Tensor, Tensor], config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    blocks, target = batch
    weights: Any = model.class_weights
    # Slices become pictures of their own here: the losses know two dimensions.
    logits = model(normalise(blocks, config)).transpose(1, 2).flatten(0, 1)
    target = target.flatten(0, 1)
    entropy = functional.cross_entropy(logits, target, weights, ignore_index=IGNORE)
    dice = compute_dice(logits, target, IGNORE)
    return entropy + config.dice * dice, {"entropy": entropy, "dice": dice}


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    return Graph(model, config)


def example_images(config: Config, split: str = "validation") -> Images:
    """Two blocks as the graph takes them, uint8 [2,H,W,slices]: one, and the same upside down."""
    manifest, pictures = describe(config).preview(), _open_slices(config, split)
    count = len(pictures)
    chosen = [pictures[place % count] for place in range(config.slices)]
    block = prepare(chosen, manifest)[0]
    return np.stack([block, block[::-1]])


def _open_slices(config: Config, split: str) -> list[Picture]:
    smallest = min_side(describe_input(config))
    return [example.photo.decode(smallest) for example in load_split(config, split).examples]


def find_masks(predict: Predict, config: Config, split: str) -> Iterator[np.ndarray]:
    """The class map [H,W] that the service would give for each slice of a split."""
    manifest, pictures = describe(config).preview(), _open_slices(config, split)
    spec = manifest.volume
    assert spec is not None
    blocks = Blocks[Picture](spec, len(pictures))
    whole = [block for picture in pictures for block in blocks.add(picture)]
    for block in [*whole, *blocks.end()]:
        pixels, placement = prepare(list(block.slices), manifest)
        row = {"class_map": predict(pixels[None])["class_map"][0]}
        yield from interpret_block(row, placement, block.slices[0], block.answered)


def evaluate(predict: Predict, config: Config, split: str) -> Sequence[Metric]:
    data = load_split(config, split)
    return measure_masks(find_masks(predict, config, split), data, config.data.title, split, config.regions_of)


def describe_input(config: Config) -> InputSpec:
    """Slices of at most `long_side` pixels a side, padded to whole strides."""
    return InputSpec(stride=UNet3d.find_stride(config), long_side=config.long_side, resize="letterbox")


def describe(config: Config) -> Export:
    data, spec = load_split(config, "train"), describe_input(config)
    manifest = {
        "architecture": config.architecture,
        "input": spec,
        "volume": VolumeSpec(slices=config.slices, context=config.context),
        "palette": config.palette,
        "labels": list(data.classes),
    }
    return Export(
        outputs=("class_map",), manifest=manifest, stride=spec.stride, data_terms=config.licence,
        data=(f"{config.data.title}, {len(data.examples)} training slices",),
    )  # fmt: skip
