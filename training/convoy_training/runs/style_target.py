"""What a network that paints is trained against: a frozen classifier that judges, and the styles as it sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from convoy.core.manifest import MANIFEST_FILE
from convoy.core.pictures.decoding import decode_image
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from convoy_training import recipe
from convoy_training.data.patterns import PATTERNS
from convoy_training.errors import RecipeError
from convoy_training.losses.style import StyleCost, Weights
from convoy_training.recipe_file import open_recipe
from convoy_training.runs.checkpoint import load_model
from convoy_training.runs.recovery import recover

PATTERN = "pattern:"
"""Before the name of a style that is drawn and not read from a file."""


class Judge(recipe.Strict):
    """The classifier that judges, and how much each of its layers counts."""

    model: Path = Field(description="a run or a published <model>/<version> of a classifier, float32")
    trained: bool = Field(True, description="false: the same network with random weights, a baseline to beat")
    content: str = Field(description="the layer whose features are the content, as `named_modules` has it")
    style: dict[str, float] = Field(min_length=1, description="layers whose Gram matrices are the style: their weights")
    content_weight: float = Field(1.0, ge=0)
    variation_weight: float = Field(1.0, ge=0, description="of the total variation, which holds noise down")


class Target(NamedTuple):
    """What judges, and the Gram matrices of each style by layer."""

    cost: StyleCost
    grams: list[dict[str, Tensor]]


def open_style_target(judge: Judge, styles: Mapping[str, str], style_px: int, seed: int) -> Target:
    """The judge with its weights, and the styles as it sees them, at most `style_px` a side. Raises RecipeError."""
    return _open_target(judge.model_dump_json(), tuple(styles.items()), style_px, seed)


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
    return to_planes(picture)


def to_planes(picture: NDArray[np.uint8]) -> Tensor:
    """uint8 [H,W,3] -> float [1,3,H,W] from 0 to 1."""
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float() / 255
