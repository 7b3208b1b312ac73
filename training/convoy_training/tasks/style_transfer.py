"""Style transfer: one network paints photographs in several styles, measured beside Gatys' optimisation.

A frozen classifier judges what it paints (see losses/style.py). The model answers in the imaging service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, NamedTuple, Self

import cv2
import numpy as np
import torch
from convoy.core.manifest import MANIFEST_FILE, MAX_SIDE, InputSpec, PictureSpec, Task
from convoy.core.pictures.decoding import decode_image
from convoy.imaging import task
from convoy.imaging.options import Options
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator
from torch import Tensor, nn

from convoy_training import recipe
from convoy_training.data import photographs
from convoy_training.data.archive import open_archive
from convoy_training.data.patterns import PATTERNS
from convoy_training.data.photo import DECODERS
from convoy_training.errors import RecipeError
from convoy_training.losses.style import StyleCost, Weights, optimise
from convoy_training.metrics.bootstrap import bootstrap
from convoy_training.models.architecture import find_architecture, named_for
from convoy_training.models.restorer import Restorer
from convoy_training.recipe_file import open_recipe
from convoy_training.runs.checkpoint import load_model
from convoy_training.runs.recovery import recover
from convoy_training.task import Data, Export, Images, Metric, Predict

Pixels = NDArray[np.uint8]
PATTERN = "pattern:"


class Judge(recipe.Strict):
    """The classifier that judges, and how much each of its layers counts."""

    model: Path = Field(description="a run or a published <model>/<version> of a classifier, float32")
    trained: bool = Field(True, description="false: the same network with random weights, a baseline to beat")
    content: str = Field(description="the layer whose features are the content, as `named_modules` has it")
    style: dict[str, float] = Field(min_length=1, description="layers whose Gram matrices are the style: their weights")
    content_weight: float = Field(1.0, ge=0)
    variation_weight: float = Field(1.0, ge=0, description="of the total variation, which holds noise down")


class Config(recipe.Config):
    """The fields of a recipe that paints in styles."""

    data: photographs.Source
    styles: dict[str, str] = Field(
        min_length=1, max_length=16,
        description=f"pictures by the name of their style: a file, or {PATTERN}NAME of {', '.join(PATTERNS)}",
    )  # fmt: skip
    judge: Judge
    style_px: int = Field(192, ge=32, le=2048, description="the longest side at which pictures of styles are looked at")
    architecture: Annotated[str, AfterValidator(named_for("style_transfer"))] = "style-network"
    width: int = Field(48, gt=0, le=512, description="channels of each layer")
    depth: int = Field(8, ge=3, le=64, description="layers")
    crop: int = Field(64, gt=0, description="side of what the network sees in training, in pixels")
    measured_px: int = Field(128, ge=32, description="side of the middles of photographs that are measured")
    measured: int = Field(4, ge=1, description="photographs that are measured, in every style")
    gatys_steps: int = Field(200, ge=1, description="of the optimisation that the answers are compared with")
    long_side: int = Field(512, gt=0, le=MAX_SIDE, description="longest side of a tile in the service, in pixels")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.crop % self.stride or self.measured_px % self.stride:
            raise ValueError(f"crop, measured_px: must be multiples of {self.stride}, the stride of this network")
        for name, source in self.styles.items():
            if source.startswith(PATTERN) and source.removeprefix(PATTERN) not in PATTERNS:
                raise ValueError(f"styles: {name}: there is no pattern {source}; there are {', '.join(PATTERNS)}")
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


class Target(NamedTuple):
    """What judges, and the Gram matrices of each style by layer."""

    cost: StyleCost
    grams: list[dict[str, Tensor]]


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
        picture = _at_least(self.split.examples[row].photo.decode().image_rgb, side)
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
    loaded: photographs.Split = photographs.load_split(config.data.path, split, config.data.below, config.data.reading)
    return loaded


def open_target(config: Config) -> Target:
    """The judge with its weights, and the styles as it sees them. Raises RecipeError."""
    return _open_target(config.judge.model_dump_json(), tuple(config.styles.items()), config.style_px, config.seed)


@lru_cache(maxsize=4)
def _open_target(judge: str, styles: tuple[tuple[str, str], ...], style_px: int, seed: int) -> Target:
    asked = Judge.model_validate_json(judge)
    weights = Weights(asked.content_weight, asked.style, asked.variation_weight)
    network, mean, deviation = open_judge(asked, seed)
    try:
        cost = StyleCost(network, asked.content, weights, mean, deviation)
    except KeyError as error:
        known = ", ".join(name for name, _ in network.named_modules() if name)
        raise RecipeError(f"judge: {asked.model} has no layer {error}; it has {known}") from error
    with torch.no_grad():
        grams = [cost.measure_style(read_style(name, source, style_px)) for name, source in styles]
    return Target(cost, grams)


def open_judge(asked: Judge, seed: int) -> tuple[nn.Module, Sequence[float], Sequence[float]]:
    """The classifier, and the mean and deviation of what it is given. Raises RecipeError."""
    its_task, config = open_recipe(asked.model)
    if config.task != "classification":
        raise RecipeError(f"judge: {asked.model} does {config.task}; a classifier judges styles")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if (asked.model / MANIFEST_FILE).exists():
            network = its_task.build_model(config)
            if asked.trained:
                recover(its_task, config, network, asked.model, its_task.build_data(config).train)
        else:
            network = load_model(its_task, config, asked.model) if asked.trained else its_task.build_model(config)
    return network, config.mean, config.deviation  # type: ignore[attr-defined]


def read_style(name: str, source: str, side_px: int) -> Tensor:
    """The picture of a style, float [1,3,H,W] from 0 to 1. Raises RecipeError if there is none."""
    if source.startswith(PATTERN):
        picture = PATTERNS[source.removeprefix(PATTERN)]()
    else:
        try:
            picture = decode_image(Path(source).read_bytes()).image_rgb
        except OSError as error:
            raise RecipeError(f"styles: {name}: {source} cannot be read: {error.strerror or error}") from error
    scale = side_px / max(picture.shape[:2])
    if scale < 1:
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    return _planes(picture)


def build_model(config: Config) -> nn.Module:
    return find_architecture(config.architecture).build_for(config, len(config.styles), lambda: None)


def build_data(config: Config) -> Data:
    open_target(config)  # its errors show now
    find_change = open_archive(config.data.path).find_change
    return Data(Batches(load_split(config, "train"), config), digest_data(config), find_change=find_change)


def digest_data(config: Config) -> str:
    """The SHA-256 of all files of the photographs."""
    return open_archive(config.data.path).digest


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
            content = target.cost.see(_planes(picture))[target.cost.content]
            with torch.no_grad():
                costs = [float(target.cost(_planes(one), content, target.grams[number])) for one in pictures]
            yield Painted(name, picture, answer, optimised, (costs[0], costs[1], costs[2]))


@lru_cache(maxsize=64)
def _optimise(pixels: bytes, side: int, style: int, config: str) -> Pixels:
    """What Gatys' optimisation makes: kept, since it takes long and export measures several times."""
    asked = Config.model_validate_json(config)
    picture, target = np.frombuffer(pixels, np.uint8).reshape(side, side, 3).copy(), open_target(asked)
    planes = optimise(target.cost, _planes(picture), target.grams[style], asked.gatys_steps)
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
    overlap = -(-config.network.find_overlap(config) // config.stride) * config.stride
    manifest = {
        "architecture": config.architecture,
        "input": InputSpec(stride=config.stride, long_side=config.long_side, resize="tiles"),
        "picture": PictureSpec(scale=1, colour="rgb", overlap=overlap),
        "labels": list(config.styles),
    }
    return Export(
        outputs=("pictures",), manifest=manifest, stride=config.stride, data_terms=config.licence, tolerance=1e-2,
        data=(f"{config.data.title}, {len(load_split(config, 'train').examples)} training photographs",),
        task=Task.PICTURE_TO_PICTURE,
    )  # fmt: skip


def _middles(config: Config, split: str) -> list[Pixels]:
    side, examples = config.measured_px, load_split(config, split).examples
    chosen = examples[:: max(1, len(examples) // config.measured)][: config.measured]
    pictures = [_at_least(example.photo.decode().image_rgb, side) for example in chosen]
    starts = [[(length - side) // 2 for length in picture.shape[:2]] for picture in pictures]
    return [
        np.ascontiguousarray(picture[top : top + side, left : left + side])
        for picture, (top, left) in zip(pictures, starts, strict=True)
    ]


def _at_least(picture: Pixels, side: int) -> Pixels:
    """The picture, continued by its mirror image where a side is shorter than what is cut out of it."""
    below, right = (max(0, side - length) for length in picture.shape[:2])
    if not below and not right:
        return picture
    return np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REFLECT_101), np.uint8)


def _planes(picture: Pixels) -> Tensor:
    """uint8 [H,W,3] -> float [1,3,H,W] from 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255
