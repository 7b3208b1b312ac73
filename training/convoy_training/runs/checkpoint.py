"""Writes checkpoints whole or not at all, and reads them without running code from them."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from convoy_training.errors import CheckpointError
from convoy_training.recipe import Config
from convoy_training.runs.best import read_best
from convoy_training.task import Task

FILE = "last.ckpt"


def save_checkpoint(fabric: Fabric, run: Path, state: Mapping[str, Any], epoch: int) -> None:
    """Writes to a temporary file, reads it back, then renames it: a kill or a full disk leaves the last one whole.

    Raises CheckpointError if the disk does not take it.
    """
    partial = run / f"{FILE}.partial"
    try:
        if fabric.is_global_zero:  # Fabric's own way copies the whole file in memory first
            parts = {name: part.state_dict() if hasattr(part, "state_dict") else part for name, part in state.items()}
            torch.save({**parts, "epoch": epoch}, partial)
            _verify(partial)
            os.replace(partial, run / FILE)
        fabric.barrier()
    except (OSError, RuntimeError, zipfile.BadZipFile) as error:
        partial.unlink(missing_ok=True)
        free = shutil.disk_usage(run).free / 2**20
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{run / FILE} cannot be written: {reason} ({free:,.0f} MiB are free there). "
            "The previous checkpoint is whole: make room, then continue with --resume"
        ) from error


def _verify(file: Path) -> None:
    """Reads every part back and compares its checksum; raises OSError."""
    with zipfile.ZipFile(file) as archive:
        if broken := archive.testzip():
            raise OSError(f"{broken} does not read back as it was written")


def load_checkpoint(fabric: Fabric, run: Path, state: Mapping[str, Any]) -> int:
    """Restores model, optimizer, scheduler and moving average in place; returns the epoch to continue with.

    That is 0 if there is no checkpoint. Raises CheckpointError if the file is damaged or belongs to another recipe.
    """
    path = run / FILE
    if not path.exists():
        return 0
    try:
        rest = fabric.load(path, dict(state))
        return int(rest["epoch"])
    except Exception as error:  # a damaged file makes its parsers raise whatever they like
        raise CheckpointError(
            f"{path} is damaged, or is not a checkpoint of this recipe: {error or type(error)}"
        ) from error


def read_weights(run: Path, publish: str = "best") -> dict[str, Tensor]:
    """The weights that export publishes from a run folder, by name: the moving average's, if it has one.

    publish: `best` takes those of the best epoch of a run that has ended and has validated between, `last` the last.
    """
    best = read_best(run) if publish == "best" and (run / FILE).exists() else None
    if best is not None:
        return dict(best["model"])
    path = run / FILE
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        weights: dict[str, Tensor] = checkpoint["model"]
    except Exception as error:  # a damaged file makes its parsers raise whatever they like
        raise CheckpointError(f"{path} cannot be read as a checkpoint: {error or type(error)}") from error
    if "average" in checkpoint:
        prefix = "module."
        weights = {k.removeprefix(prefix): v for k, v in checkpoint["average"].items() if k.startswith(prefix)}
    return weights


def load_model(task: Task, config: Config, run: Path) -> nn.Module:
    """The network of a run folder with the weights to publish: those of the best epoch, if the recipe says so."""
    weights, model = read_weights(run, config.publish), task.build_model(config)
    try:
        model.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(f"{run / FILE} is of another architecture: {error}") from error
    return model.eval()
