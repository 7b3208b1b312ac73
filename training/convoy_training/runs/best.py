"""Keeps the weights of the epoch that validates best, and says when further epochs bring nothing.

The first metric decides. best.ckpt holds the weights to publish alone; last.ckpt stays what a run goes on from.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from convoy_training.errors import CheckpointError
from convoy_training.task import Metric, is_error

FILE = "best.ckpt"


@dataclass
class Best:
    """The best epoch so far (1 is the first, 0: none yet), its first metric, and all of them."""

    run: Path
    epoch: int = 0
    name: str = ""
    value: float = math.nan

    def take(self, model: nn.Module, metrics: Sequence[Metric], epoch: int) -> bool:
        """Writes the weights if the first metric is better than before; returns whether it is."""
        first = metrics[0]
        sign = -1 if is_error(first.name) else 1
        if self.epoch and not sign * first.value > sign * self.value:
            return False
        self.epoch, self.name, self.value = epoch, first.name, first.value
        facts = {"epoch": epoch, "metrics": json.dumps([asdict(metric) for metric in metrics])}
        partial = self.run / f"{FILE}.partial"
        try:
            torch.save({"model": model.state_dict(), **facts}, partial)
            os.replace(partial, self.run / FILE)
        except (OSError, RuntimeError) as error:
            partial.unlink(missing_ok=True)
            raise CheckpointError(f"{self.run / FILE} cannot be written: {str(error).splitlines()[0]}") from error
        return True

    def is_stale(self, epoch: int, patience: int) -> bool:
        """Whether the last `patience` epochs have brought nothing better."""
        return bool(patience and self.epoch and epoch - self.epoch >= patience)


def open_best(run: Path, resume: bool) -> Best:
    """What a run has kept so far; a new run forgets what another one left in its folder."""
    if not resume:
        (run / FILE).unlink(missing_ok=True)
        return Best(run)
    stored = read_best(run)
    if stored is None:
        return Best(run)
    first = json.loads(stored["metrics"])[0]
    return Best(run, int(stored["epoch"]), str(first["name"]), float(first["value"]))


def read_best(run: Path) -> dict[str, Any] | None:
    """The weights (`model`), `epoch` and `metrics` (JSON) of the best epoch; None if none was kept."""
    if not (run / FILE).exists():
        return None
    try:
        stored: dict[str, Any] = torch.load(run / FILE, map_location="cpu", weights_only=True)
        if not {"model", "epoch", "metrics"} <= set(stored):
            raise ValueError("it lacks weights, epoch or metrics")
    except Exception as error:  # a damaged file makes its parsers raise whatever they like
        told = "remove it to publish the last epoch"
        raise CheckpointError(f"{run / FILE} cannot be read: {error or type(error)}; {told}") from error
    return stored
