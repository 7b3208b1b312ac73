"""Mending pictures (noise, JPEG, too few pixels, holes): learnt from photographs, measured beside other means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
import torch
from convoy.core.manifest import ExtraInput, PictureSpec
from convoy.imaging import task
from convoy.imaging.options import Options
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor, nn

from convoy_training.augment.degradation import Degradation, Grey, Holes, Noise
from convoy_training.data import photographs
from convoy_training.data.archive import open_archive
from convoy_training.data.photo import DECODERS
from convoy_training.losses.charbonnier import compute_charbonnier
from convoy_training.metrics.bootstrap import bootstrap
from convoy_training.metrics.mending import condition, measure, mend_plainly, suffix, yardstick
from convoy_training.models.architecture import named_for
from convoy_training.models.picture_fields import PictureFields, at_least, cut_middle
from convoy_training.task import Data, Export, Images, Metric, Predict

Pixels = NDArray[np.uint8]
EXAMPLE_SIDE = 96


class Config(PictureFields):
    """The fields of a recipe that mends pictures."""

    degrade: Degradation
    colour: Literal["luminance", "rgb"] = Field("luminance", description="luminance keeps the colours as they are")
    architecture: Annotated[str, AfterValidator(named_for("picture_to_picture"))] = "ffdnet"
    crops: int = Field(4, gt=0, description="drawn from each photograph and epoch")
    told: bool = Field(False, description="the network is told the level of the noise; false: it is blind")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.told and not isinstance(self.degrade, Noise):
            raise ValueError("told: only noise has a level to tell")
        if isinstance(self.degrade, Holes | Grey) and self.colour != "rgb":
            raise ValueError(f"colour: {self.degrade.kind} needs rgb, since the colours are to be found too")
        if isinstance(self.degrade, Holes) != (self.architecture == "gated-inpainter"):
            raise ValueError("architecture: gated-inpainter, and it alone, takes the mask of degrade: {kind: holes}")
        if self.crop % self.stride:
            raise ValueError(f"crop: must be a multiple of {self.stride}, the stride of this network")
        return self

    @property
    def planes(self) -> int:
        """How many channels the network changes."""
        return 1 if self.colour == "luminance" else 3

    @property
    def takes_level(self) -> bool:
        """Whether the network has a channel for the level of the noise."""
        return self.told

    @property
    def inputs(self) -> list[ExtraInput]:
        """What the graph takes beside the colours."""
        return ["mask"] if isinstance(self.degrade, Holes) else ["noise_level"] if self.told else []


class Batches:
    """Shuffled photographs; each epoch cuts, turns and spoils others of their parts."""

    def __init__(self, split: photographs.Split, config: Config) -> None:
        self.split, self.config = split, config

    def __len__(self) -> int:
        return len(self.split.examples) // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        order = random.permutation(len(self.split.examples))
        for step in range(len(self)):
            rows = order[step * self.config.batch_size : (step + 1) * self.config.batch_size]
            seeds = random.integers(0, 2**62, len(rows))
            drawn = list(DECODERS.map(self._draw, rows, seeds))
            spoilt = [part for seen, _, _ in drawn for part in seen]
            truth = [part for _, wanted, _ in drawn for part in wanted]
            levels = [level for _, _, level in drawn for _ in range(self.config.crops)]
            yield _planes(spoilt), _planes(truth), torch.tensor(levels, dtype=torch.float32)

    def _draw(self, row: int, seed: int) -> tuple[list[Pixels], list[Pixels], float]:
        config, random = self.config, np.random.default_rng(seed)
        scale, side = config.degrade.scale, config.crop
        truth = _as_learnt(at_least(self.split.examples[row].photo.decode().image_rgb, side * scale), config)
        truth = truth[: truth.shape[0] // scale * scale, : truth.shape[1] // scale * scale]
        level = config.degrade.draw(random)
        spoilt = config.degrade.apply(truth, level, random)
        seen: list[Pixels] = []
        wanted: list[Pixels] = []
        for _ in range(config.crops):
            top, left = (int(random.integers(0, length - side + 1)) for length in spoilt.shape[:2])
            turns, mirrored = int(random.integers(4)), bool(random.integers(2))
            for picture, at, into in ((spoilt, 1, seen), (truth, scale, wanted)):
                part = picture[top * at : (top + side) * at, left * at : (left + side) * at]
                part = np.rot90(part[:, ::-1] if mirrored else part, turns)
                into.append(np.ascontiguousarray(part))
        return seen, wanted, level


class Mended(NamedTuple):
    """A photograph, what the service makes of its spoilt form, what the yardstick makes, and where it was missing."""

    truth: Pixels
    answer: Pixels
    plain: Pixels
    mask: Pixels | None


class Graph(nn.Module):
    """uint8 [N,H,W,3 or 4] -> pictures float [N,H x scale,W x scale,1 or 3], 0 to 255."""

    def __init__(self, model: nn.Module, planes: int, has_extra: bool) -> None:
        super().__init__()
        self.model, self.planes, self.has_extra = model, planes, has_extra

    def forward(self, images: Tensor) -> Tensor:
        channels = images.permute(0, 3, 1, 2).float() / 255
        extra = channels[:, 3:4] if self.has_extra else None
        answer: Tensor = self.model(channels[:, : self.planes], extra)
        return answer.permute(0, 2, 3, 1) * 255


def _planes(parts: Sequence[Pixels]) -> Tensor:
    """uint8 [H,W], or [H,W,3] (with a mask [H,W,4]) each -> float [N,C,H,W] from 0 to 1."""
    stacked = torch.from_numpy(np.stack(parts)).float() / 255
    return stacked[:, None] if stacked.ndim == 3 else stacked.permute(0, 3, 1, 2)


def _as_learnt(picture: Pixels, config: Config) -> Pixels:
    """What the network is to give: the luminance [H,W], or the picture [H,W,3]."""
    return task.luminance(picture) if config.colour == "luminance" else picture


def load_split(config: Config, split: str) -> photographs.Split:
    """Reads and checks one split."""
    return config.load(split)


def build_model(config: Config) -> nn.Module:
    return config.build()


def build_data(config: Config) -> Data:
    find_change = open_archive(config.data.path).find_change
    return Data(Batches(config.load("train"), config), config.digest(), find_change=find_change)


def digest_data(config: Config) -> str:
    """The SHA-256 of all files of the data."""
    return config.digest()


def compute_loss(
    model: nn.Module, batch: tuple[Tensor, Tensor, Tensor], config: Config
) -> tuple[Tensor, Mapping[str, Tensor]]:
    spoilt, truth, levels = batch
    # The service gives whole grey levels.
    extra = (levels.round() / 255)[:, None, None, None].expand(-1, 1, *spoilt.shape[2:]) if config.told else None
    if isinstance(config.degrade, Holes):
        spoilt, extra = spoilt[:, :3], spoilt[:, 3:]
        # Holes are a small part of the picture, and the rest comes back as it was.
        share = extra.mean().clamp(min=1e-3)
        return compute_charbonnier(model(spoilt, extra), truth) / share, {}
    return compute_charbonnier(model(spoilt, extra), truth), {}


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    return Graph(model, config.planes, bool(config.inputs))


def example_images(config: Config, split: str = "validation") -> Images:
    """Middles of a few spoilt photographs, as the service would hand a tile of them to the graph."""
    examples, spoilt = config.load(split).examples, []
    for number, example in enumerate(examples[:: max(1, len(examples) // 4)][:4]):
        random = np.random.default_rng(number)
        truth = cut_middle(example.photo.decode().image_rgb, EXAMPLE_SIDE * config.degrade.scale)
        level = config.degrade.measured[0]
        part = config.degrade.apply(truth, level, random)
        if config.colour == "luminance":
            part = np.repeat(task.luminance(part)[..., None], 3, axis=2)  # never with a mask
        spoilt.append(np.dstack([part, np.full(part.shape[:2], round(level), np.uint8)]) if config.told else part)
    return np.stack(spoilt if len(spoilt) > 1 else spoilt * 2)


def evaluate(predict: Predict, config: Config, split: str) -> Sequence[Metric]:
    """PSNR and SSIM of the answers, and how much better they are than the yardstick's."""
    found: list[Metric] = []
    for level in config.degrade.measured:
        scores = np.array([
            measure(one.answer, one.truth, config.degrade, one.mask)
            + measure(one.plain, one.truth, config.degrade, one.mask)
            for one in mend(predict, config, split, level)
        ])  # fmt: skip
        names = [f"{name}{suffix(config.degrade, level)}" for name in ("psnr_db", "ssim")]

        def compute(rows: np.ndarray, scores: np.ndarray = scores, names: list[str] = names) -> Mapping[str, float]:
            mean = scores[rows].mean(0)
            return {
                names[0]: mean[0], names[1]: mean[1],
                f"{names[0]}_{yardstick(config.degrade)}": mean[2], f"{names[1]}_{yardstick(config.degrade)}": mean[3],
                f"gain_db{names[0].removeprefix('psnr_db')}": mean[0] - mean[2],
            }  # fmt: skip

        intervals = bootstrap(compute, len(scores))
        found += [
            Metric(
                name,
                float(value),
                config.data.title,
                split,
                len(scores),
                intervals[name],
                condition(config.degrade, config.colour),
            )
            for name, value in compute(np.arange(len(scores))).items()
        ]
    return found


def mend(predict: Predict, config: Config, split: str, level: float) -> Iterator[Mended]:
    """For each photograph: what the service would make of its spoilt form, and what the yardstick makes.

    A model of the luminance that takes noise away is measured on grey photographs.
    """
    manifest, scale = describe(config).preview(), config.degrade.scale
    is_grey = config.colour == "luminance" and scale == 1
    for number, example in enumerate(config.load(split).examples):
        photo = example.photo.decode().image_rgb
        truth = photo[: photo.shape[0] // scale * scale, : photo.shape[1] // scale * scale]
        if is_grey:
            truth = task.luminance(truth)
        spoilt = config.degrade.apply(np.ascontiguousarray(truth), level, np.random.default_rng(number))
        mask = np.ascontiguousarray(spoilt[..., 3]) if isinstance(config.degrade, Holes) else None
        spoilt = spoilt if mask is None else np.ascontiguousarray(spoilt[..., :3])
        given = np.repeat(spoilt[..., None], 3, axis=2) if is_grey else spoilt
        options = Options(noise_level=level) if config.told else Options()
        answer = task.transform(predict, given, manifest, options, mask)
        plain = mend_plainly(spoilt, config.degrade, level, mask)
        yield Mended(truth, answer[..., 0] if is_grey else answer, plain, mask)


def describe(config: Config) -> Export:
    degrade = config.degrade
    spec = PictureSpec(
        scale=degrade.scale,
        colour=config.colour,
        overlap=config.overlap,
        inputs=config.inputs,
        noise_level=degrade.measured[0] if config.told else None,
        max_noise_level=degrade.levels[1] if config.told and isinstance(degrade, Noise) else None,
    )  # fmt: skip
    manifest = {
        "architecture": config.architecture,
        "input": config.input_spec,
        "picture": spec,
        "labels": [],
    }
    # Answers are rounded to whole grey levels.
    return Export(
        outputs=("pictures",), manifest=manifest, stride=config.stride, data_terms=config.licence, tolerance=1e-2,
        data=(f"{config.data.title}, {len(config.load('train').examples)} training photographs",),
    )  # fmt: skip
