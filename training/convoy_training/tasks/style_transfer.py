"""Style transfer: one network paints photographs in several styles, measured beside Gatys' optimisation.

A frozen classifier judges what it paints (see losses/style.py). The model answers in the imaging service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, NamedTuple, Self

import numpy as np
import torch
from convoy.core.manifest import PictureSpec, Task
from convoy.imaging import task
from convoy.imaging.options import Options
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor, nn

from convoy_training.data import photographs
from convoy_training.data.archive import open_archive
from convoy_training.data.patterns import PATTERNS
from convoy_training.data.photo import DECODERS
from convoy_training.losses.style import optimise
from convoy_training.metrics.bootstrap import bootstrap
from convoy_training.models.architecture import named_for
from convoy_training.models.picture_fields import PictureFields, at_least, cut_middle
from convoy_training.runs.style_target import PATTERN, Judge, Target, open_style_target, to_planes
from convoy_training.task import Data, Export, Images, Metric, Predict

Pixels = NDArray[np.uint8]


class Config(PictureFields):
    """The fields of a recipe that paints in styles."""

    styles: dict[str, str] = Field(
        min_length=1, max_length=16,
        description=f"pictures by the name of their style: a file, or {PATTERN}NAME of {', '.join(PATTERNS)}",
    )  # fmt: skip
    judge: Judge
    style_px: int = Field(192, ge=32, le=2048, description="the longest side at which pictures of styles are looked at")
    architecture: Annotated[str, AfterValidator(named_for("style_transfer"))] = "style-network"
    measured_px: int = Field(128, ge=32, description="side of the middles of photographs that are measured")
    measured: int = Field(4, ge=1, description="photographs that are measured, in every style")
    gatys_steps: int = Field(200, ge=1, description="of the optimisation that the answers are compared with")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.crop % self.stride or self.measured_px % self.stride:
            raise ValueError(f"crop, measured_px: must be multiples of {self.stride}, the stride of this network")
        for name, source in self.styles.items():
            if source.startswith(PATTERN) and source.removeprefix(PATTERN) not in PATTERNS:
                raise ValueError(f"styles: {name}: there is no pattern {source}; there are {', '.join(PATTERNS)}")
        return self


class Batches:
    """Shuffled photographs; each epoch cuts another square out of each, and draws a style or a mixture of two."""

    def __init__(self, split: photographs.Split, config: Config) -> None:
        self.split, self.config = split, config

    def __len__(self) -> int:
        return len(self.split.examples) // self.config.batch_size

    def __call__(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        random = np.random.default_rng(int(torch.randint(2**62, ())))
        order, size = random.permutation(len(self.split.examples)), self.config.batch_size
        for step in range(len(self)):
            rows = order[step * size : (step + 1) * size]
            parts = list(DECODERS.map(self._draw, rows, random.integers(0, 2**62, size)))
            # Each picture has a style of its own: a mixture is what lies between what the network has learnt.
            styles = torch.from_numpy(random.integers(len(self.config.styles), size=size))
            yield torch.from_numpy(np.stack(parts)).permute(0, 3, 1, 2).float() / 255, styles

    def _draw(self, row: int, seed: int) -> Pixels:
        random, side = np.random.default_rng(seed), self.config.crop
        picture = at_least(self.split.examples[row].photo.decode().image_rgb, side)
        top, left = (int(random.integers(0, length - side + 1)) for length in picture.shape[:2])
        part = picture[top : top + side, left : left + side]
        return np.ascontiguousarray(part[:, ::-1] if random.integers(2) else part)


class Graph(nn.Module):
    """uint8 [N,H,W,3 + S] -> pictures float [N,H,W,3], 0 to 255; the further channels are the weights of the styles."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        channels = images.permute(0, 3, 1, 2).float() / 255
        answer: Tensor = self.model(channels[:, :3], channels[:, 3:])
        return answer.permute(0, 2, 3, 1) * 255


def load_split(config: Config, split: str) -> photographs.Split:
    """Reads and checks one split."""
    return config.load(split)


def open_target(config: Config) -> Target:
    """The judge with its weights, and the styles as it sees them. Raises RecipeError."""
    return open_style_target(config.judge, config.styles, config.style_px, config.seed)


def build_model(config: Config) -> nn.Module:
    return config.build(len(config.styles))


def build_data(config: Config) -> Data:
    open_target(config)  # its errors show now
    find_change = open_archive(config.data.path).find_change
    return Data(Batches(config.load("train"), config), config.digest(), find_change=find_change)


def digest_data(config: Config) -> str:
    """The SHA-256 of all files of the photographs."""
    return config.digest()


def compute_loss(model: nn.Module, batch: tuple[Tensor, Tensor], config: Config) -> tuple[Tensor, Mapping[str, Tensor]]:
    planes, styles = batch
    target = open_target(config)
    chosen = nn.functional.one_hot(styles, len(config.styles)).to(planes)
    painted = model(planes, chosen[:, :, None, None].expand(-1, -1, *planes.shape[2:]))
    with torch.no_grad():
        content = target.cost.see(planes)[target.cost.content]
    grams = {name: torch.cat([target.grams[int(k)][name] for k in styles]) for name in target.cost.weights.style}
    return target.cost(painted.float(), content, grams).mean(), {}


def build_graph(model: nn.Module, config: Config) -> nn.Module:
    return Graph(model)


def example_images(config: Config, split: str = "validation") -> Images:
    """Middles of a few photographs, each in one style, as the service would hand a tile of them to the graph."""
    rows = []
    for number, picture in enumerate(_middles(config, split)[:4]):
        weights = np.zeros((*picture.shape[:2], len(config.styles)), np.uint8)
        weights[..., number % len(config.styles)] = 255
        rows.append(np.dstack([picture, weights]))
    return np.stack(rows if len(rows) > 1 else rows * 2)


class Painted(NamedTuple):
    """A photograph, what the service makes of it, what Gatys' optimisation makes, and what all three cost."""

    style: str
    photograph: Pixels
    answer: Pixels
    optimised: Pixels
    costs: tuple[float, float, float]


def paint(predict: Predict, config: Config, split: str) -> Iterator[Painted]:
    """Every measured photograph in every style."""
    manifest, target = describe(config).preview(), open_target(config)
    for picture in _middles(config, split):
        for number, name in enumerate(config.styles):
            answer = task.transform(predict, picture, manifest, Options(styles={name: 1.0}))
            optimised = _optimise(picture.tobytes(), picture.shape[0], number, config.model_dump_json())
            pictures = (picture, answer, optimised)
            content = target.cost.see(to_planes(picture))[target.cost.content]
            with torch.no_grad():
                costs = [float(target.cost(to_planes(one), content, target.grams[number])) for one in pictures]
            yield Painted(name, picture, answer, optimised, (costs[0], costs[1], costs[2]))


@lru_cache(maxsize=64)
def _optimise(pixels: bytes, side: int, style: int, config: str) -> Pixels:
    """What Gatys' optimisation makes: kept, since it takes long and export measures several times."""
    asked = Config.model_validate_json(config)
    picture, target = np.frombuffer(pixels, np.uint8).reshape(side, side, 3).copy(), open_target(asked)
    planes = optimise(target.cost, to_planes(picture), target.grams[style], asked.gatys_steps)
    return np.rint(planes[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)


def evaluate(predict: Predict, config: Config, split: str) -> Sequence[Metric]:
    """How much the answers cost, as a multiple of what Gatys' optimisation reaches; the photographs' own beside it."""
    costs = np.array([one.costs for one in paint(predict, config, split)])

    def compute(rows: np.ndarray) -> Mapping[str, float]:
        before, answers, optimised = costs[rows].mean(0)
        return {"cost_ratio": answers / optimised, "cost_ratio_unpainted": before / optimised}

    intervals = bootstrap(compute, len(costs))
    condition = (
        f"middles of {config.measured_px} pixels in {len(config.styles)} styles, beside {config.gatys_steps} steps"
    )
    return [
        Metric(name, float(value), config.data.title, split, len(costs), intervals[name], condition)
        for name, value in compute(np.arange(len(costs))).items()
    ]


def describe(config: Config) -> Export:
    manifest = {
        "architecture": config.architecture,
        "input": config.input_spec,
        "picture": PictureSpec(scale=1, colour="rgb", overlap=config.overlap),
        "labels": list(config.styles),
    }
    return Export(
        outputs=("pictures",), manifest=manifest, stride=config.stride, data_terms=config.licence, tolerance=1e-2,
        data=(f"{config.data.title}, {len(config.load('train').examples)} training photographs",),
        task=Task.PICTURE_TO_PICTURE,
    )  # fmt: skip


def _middles(config: Config, split: str) -> list[Pixels]:
    examples = config.load(split).examples
    chosen = examples[:: max(1, len(examples) // config.measured)][: config.measured]
    return [cut_middle(example.photo.decode().image_rgb, config.measured_px) for example in chosen]
