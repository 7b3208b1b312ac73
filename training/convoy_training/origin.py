"""Where a run comes from: the recipe's file, the commands that you typed, and your notes.

A run keeps them in environment.json and notes.md; a published model in its manifest and notes.md.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convoy_training.errors import TrainingError

ENVIRONMENT = "environment.json"
NOTES = "notes.md"


@dataclass(frozen=True)
class Origin:
    """recipe: its file, as it was given. command: what makes the run again. notes: Markdown for the model's card.

    taught_by: the teacher and its terms, where the recipe has one.
    """

    recipe: str = ""
    command: str = ""
    notes: str = ""
    taught_by: str = ""


UNKNOWN = Origin()
"""What was trained by a call from Python has this one."""


def describe_origin(recipe_file: Path, command: str, start_from: Path | None) -> Origin:
    """A new run's: the command of the run that it starts from comes first; notes lie beside the recipe, as .md."""
    before = str(read_environment(start_from).get("command", "")) if start_from else ""
    notes = recipe_file.with_suffix(".md")
    return Origin(
        str(recipe_file), " && ".join(filter(None, [before, command])), notes.read_text() if notes.exists() else ""
    )


def write_command(recipe_file: Path, overrides: Sequence[str], accelerator: str, devices: int) -> str:
    """`convoy-train fit` as one would type it; what is as by default is left out."""
    words = ["convoy-train", "fit", str(recipe_file)]
    for override in overrides:
        words += ["--set", override]
    words += ["--accelerator", accelerator] if accelerator != "auto" else []
    words += ["--devices", str(devices)] if devices != 1 else []
    return shlex.join(words)


def read_origin(run: Path) -> Origin:
    """That of a run folder."""
    facts, notes = read_environment(run), run / NOTES
    if not {"recipe", "command"} <= facts.keys():
        again = f"`convoy-train fit <its recipe> --run {run} --resume` writes it"
        raise TrainingError(f"{run / ENVIRONMENT} does not say which command made the run: {again}")
    text = notes.read_text() if notes.exists() else ""
    return Origin(facts["recipe"], facts["command"], text, facts.get("taught_by", ""))


def read_environment(run: Path) -> dict[str, Any]:
    """What `fit` wrote about a run; nothing where there is no such file, as in a published model."""
    file = run / ENVIRONMENT
    try:
        facts = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise TrainingError(f"{file}: is damaged; remove it, and `--resume` writes it again") from error
    if not isinstance(facts, dict):
        raise TrainingError(f"{file}: is damaged; remove it, and `--resume` writes it again")
    return facts
