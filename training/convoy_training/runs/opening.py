"""Opens a run folder: whether a training may begin or go on there, and what it writes first."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import replace
from pathlib import Path

import lightning
import numpy as np
import torch
from pydantic import ValidationError

from convoy_training.errors import RecipeError
from convoy_training.origin import ENVIRONMENT, NOTES, Origin, read_environment
from convoy_training.recipe import Config
from convoy_training.recipe_file import RECIPE_FILE, read_fields, write_recipe
from convoy_training.runs.checkpoint import FILE

AFTERWARDS = {"detection_threshold", "loggers"}
"""Fields that change nothing of a training."""


def check_run(config: Config, run: Path, digest: str, resume: bool, origin: Origin, extend: bool) -> Origin:
    """Raises RecipeError if training may not begin in this folder; returns the origin of the whole training.

    extend: the recipe may have more epochs than the run began with; the command that says so follows the first.
    """
    recipe_file = run / RECIPE_FILE
    if not resume:
        if (run / FILE).exists():
            raise RecipeError(
                f"{run} already holds a run: continue it with --resume, or choose another folder with --run"
            )
        return origin
    begun_config = config.model_copy(update={"epochs": read_epochs(run)}) if extend else config
    if recipe_file.exists() and not _agrees(recipe_file, begun_config):
        raise RecipeError(f"{recipe_file} differs from your recipe: resume with the recipe that the run began with")
    begun = read_environment(run)
    if begun.get("data_sha256", digest) != digest:
        told = "resume with that data, or start a new run in another folder with --run"
        raise RecipeError(f"the data has changed since {run} began: {told}")
    command = begun.get("command", origin.command)
    if extend and origin.command:
        command = f"{command} && {origin.command}"
    return replace(origin, recipe=begun.get("recipe", origin.recipe), command=command)


def read_epochs(run: Path) -> int:
    """The epochs of a run's recipe; raises RecipeError if there is none to go on with."""
    epochs = read_fields(run / RECIPE_FILE).get("epochs")
    if not isinstance(epochs, int):
        raise RecipeError(f"{run / RECIPE_FILE} names no number of epochs")
    return epochs


def count_epochs(told: str, run: Path, resume: bool) -> int:
    """The epochs of `--epochs 30`, or of `--epochs +10` for a run that goes on; raises RecipeError."""
    further = told.startswith("+")
    if not told.removeprefix("+").isdecimal() or not int(told):
        raise RecipeError(f"--epochs {told}: write a number, such as 30, or +10 with --resume")
    if further and not resume:
        raise RecipeError(f"--epochs {told}: a further number of epochs needs --resume")
    count = int(told) + (read_epochs(run) if further else 0)
    if resume and count < read_epochs(run):
        raise RecipeError(f"--epochs {told}: {run} was begun for {read_epochs(run)} epochs, and cannot be made shorter")
    return count


def open_run(config: Config, run: Path, digest: str, origin: Origin) -> None:
    """Writes recipe.yaml, environment.json and the notes."""
    run.mkdir(parents=True, exist_ok=True)
    write_recipe(config, run)
    versions = {"python": platform.python_version(), "torch": torch.__version__, "lightning": lightning.__version__}
    versions |= {"numpy": np.__version__, "processor": platform.machine(), "cpus": str(os.cpu_count())}
    facts = {"recipe": origin.recipe, "command": origin.command, "seed": config.seed}
    facts |= {"data_sha256": digest, "versions": versions}
    facts |= {"taught_by": origin.taught_by} if origin.taught_by else {}
    (run / ENVIRONMENT).write_text(json.dumps(facts, indent=2) + "\n")
    if origin.notes:
        (run / NOTES).write_text(origin.notes)


def _agrees(recipe_file: Path, config: Config) -> bool:
    """Whether the recipe of a run equals this one; fields that its file lacks have their defaults.

    What the services do with the network may differ, since the training does not see it.
    """
    try:
        begun = type(config).model_validate(read_fields(recipe_file))
        return begun.model_dump(exclude=AFTERWARDS) == config.model_dump(exclude=AFTERWARDS)
    except ValidationError:
        return False
    except RecipeError as error:
        raise RecipeError(f"{error}. Remove it to continue with your recipe") from error
