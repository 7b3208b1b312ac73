"""Finds a learning rate: it grows from step to step while the loss is watched (Smith 2017, arXiv:1506.01186).

The suggestion is where the smoothed loss falls fastest, by the logarithm of the rate: a rate for `optimizer.lr`, which
the schedule reaches after its warm-up. Nothing is kept: no run folder, no weights.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from tqdm import tqdm

from convoy_training.ahead import make_ahead
from convoy_training.errors import RecipeError
from convoy_training.recipe import Config
from convoy_training.runs.loop import MADE_AHEAD
from convoy_training.runs.memory_format import put_channels_last
from convoy_training.runs.recovery import start
from convoy_training.runs.schedule import build_optimizer
from convoy_training.runs.transfer import freeze
from convoy_training.task import Task, make

LEAST, MOST = 1e-6, 10.0
DIVERGED = 4.0
"""A smoothed loss of so many times the least one ends the search."""
SMOOTHING = 0.9
FEWEST = 10


@dataclass(frozen=True)
class Search:
    """Rates and smoothed losses of the steps."""

    rates: NDArray[np.float64]
    losses: NDArray[np.float64]

    def suggest(self) -> float:
        """The rate where the loss falls fastest, before its least value; raises RecipeError if it never falls."""
        end = int(self.losses.argmin()) + 1
        first = min(FEWEST, end // 2)  # before, the average is of too few steps to have a slope
        if end - first < 3:
            raise RecipeError("no rate makes the loss fall: look at the data, or start from other weights")
        slopes = np.gradient(self.losses[first:end], np.log(self.rates[first:end]))
        return float(self.rates[first + int(slopes.argmin())])


def find_rate(task: Task, config: Config, fabric: Fabric, steps: int = 100) -> Search:
    """Trains `steps` steps, at most, at rates from LEAST to MOST."""
    data = task.build_data(config)
    if not len(data.train):
        raise RecipeError(f"batch_size {config.batch_size}: the training split has fewer pictures")
    torch.manual_seed(config.seed)
    model: Any = put_channels_last(task.build_model(config))
    start(task, config, model, data.train)
    freeze(model, config.trainable)
    model, optimizer = fabric.setup(model, build_optimizer(model, config.optimizer))
    fabric.seed_everything(config.seed, verbose=False)
    model.train()
    rates, losses = np.geomspace(LEAST, MOST, steps), list[float]()
    average = 0.0
    with ThreadPoolExecutor(1, "batches") as maker:
        batches = make_ahead(make, itertools.islice(_repeat(data.train), steps), maker, MADE_AHEAD)
        bar = tqdm(zip(rates, batches, strict=True), total=steps, desc="find-lr", disable=not sys.stderr.isatty())
        for step, (rate, batch) in enumerate(bar):
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss, _ = task.compute_loss(model, fabric.to_device(batch), config)
            if not torch.isfinite(loss):
                break
            fabric.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            average = SMOOTHING * average + (1 - SMOOTHING) * loss.item()
            losses.append(average / (1 - SMOOTHING ** (step + 1)))  # without the zero that it began with
            if step > FEWEST and losses[-1] > DIVERGED * min(losses):
                break
    if len(losses) < FEWEST:
        raise RecipeError(
            f"the loss is no longer a number after {len(losses)} steps at a rate of {rates[len(losses)]:.1e}"
        )
    return Search(rates[: len(losses)], np.array(losses))


def _repeat(batches: Any) -> Iterator[Any]:
    for epoch in itertools.count():
        yield from batches(epoch)
