"""What a network was trained on, and the comparison with what lies there when it is measured or published.

Every checkpoint carries its provenance; provenance.json in a run and in a published model shows it to people.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from convoy.core.manifest import GRAPH_FILE, MANIFEST_FILE, digest, load_manifest
from pydantic import BaseModel, ValidationError

from convoy_training.errors import RecipeError
from convoy_training.recipe import Config
from convoy_training.recipe_file import open_recipe
from convoy_training.runs.catalogue_weights import PREFIX, describe_entry, find_entry
from convoy_training.runs.checkpoint import FILE as CHECKPOINT
from convoy_training.task import Task

FILE = "provenance.json"
NORMALISATION = ("mean", "deviation")
"""The fields of recipes that say how pixels become numbers; other tasks have constants in their code."""
OTHER_DATA = "--other-data measures on other data on purpose"


class Provenance(BaseModel):
    """classes: names in the order of their numbers. data_sha256: of all files. splits: pictures and names by split.

    normalisation: mean and deviation of pixels. source: what the weights started from, with its SHA-256.
    epochs: complete ones, of `planned`. devices: processes that shared each step. best: the epoch that validated best.
    """

    classes: list[str] = []
    data_sha256: str = ""
    splits: dict[str, str] = {}
    normalisation: dict[str, list[float]] = {}
    source: dict[str, str] = {}
    epochs: int = 0
    planned: int = 0
    devices: int = 1
    best: int = 0

    @property
    def unfinished(self) -> str:
        """`epoch 1 of 4`, for a run that was cut; empty for a whole one."""
        return f"epoch {self.epochs} of {self.planned}" if self.epochs < self.planned else ""

    def describe(self) -> str:
        """What was trained, for the manifest."""
        told = f", the best was {self.best}" if self.best and self.best != self.epochs else ""
        return (self.unfinished or f"{self.epochs} epoch{'s' * (self.epochs != 1)}") + told


def describe_provenance(task: Task, config: Config, data_sha256: str, devices: int = 1) -> Provenance:
    """That of a run that is about to begin."""
    return Provenance(
        classes=list(task.describe(config).manifest.get("labels", [])),
        data_sha256=data_sha256,
        splits=dict(_describe_splits(task, config)),
        normalisation=describe_normalisation(config),
        source=_describe_source(config),
        planned=config.epochs,
        devices=devices,
    )


def describe_normalisation(config: Config) -> dict[str, list[float]]:
    """The fields of a recipe that say how pixels become numbers."""
    return {name: list(getattr(config, name)) for name in NORMALISATION if hasattr(config, name)}


def _describe_splits(task: Task, config: Config) -> Iterator[tuple[str, str]]:
    """The number of pictures of each split, for the tasks that read splits of pictures."""
    load: Any = getattr(task, "load_split", None)
    for split in ("train", "validation") if load else ():
        loaded = load(config, split)
        yield split, f"{len(getattr(loaded, 'examples', None) or loaded.labels):,} pictures"


def _describe_source(config: Config) -> dict[str, str]:
    if str(config.init).startswith(PREFIX):
        entry = find_entry(str(config.init).removeprefix(PREFIX))
        return {"init": describe_entry(entry), "sha256": entry.file.sha256}
    if config.init:
        return {"init": str(config.init), "sha256": digest(config.init)}
    if config.start_from:
        file = config.start_from / (GRAPH_FILE if (config.start_from / MANIFEST_FILE).exists() else CHECKPOINT)
        return {"start_from": str(config.start_from), "sha256": digest(file)} if file.exists() else {}
    return {}


def read_provenance(target: Path) -> Provenance | None:
    """That of a run, from its checkpoint, or of a published model. None where an earlier version wrote it."""
    stored: Any = None
    try:
        if (target / CHECKPOINT).exists():
            stored = torch.load(target / CHECKPOINT, map_location="cpu", weights_only=True, mmap=True).get("provenance")
        elif (target / MANIFEST_FILE).exists():
            stored = (target / FILE).read_text("utf-8")
        return _end(Provenance.model_validate_json(stored), target) if stored else None
    except ValidationError as error:
        raise RecipeError(f"{target / FILE} is damaged: {error.errors()[0]['msg']}") from error
    except Exception:  # a damaged checkpoint makes its parsers raise what they like; who loads its weights says so
        return None


def _end(kept: Provenance, target: Path) -> Provenance:
    """With what only the end of a run knows: that it stopped early, and its best epoch."""
    if (target / FILE).exists():
        ended = Provenance.model_validate_json((target / FILE).read_text("utf-8"))
        if ended.epochs == kept.epochs and ended.best:
            return kept.model_copy(update={"planned": ended.planned, "best": ended.best})
    return kept


def write_provenance(provenance: Provenance, folder: Path) -> None:
    """Writes provenance.json."""
    (folder / FILE).write_text(json.dumps(provenance.model_dump(), indent=2, ensure_ascii=False) + "\n", "utf-8")


def check_provenance(target: Path, task: Task, config: Config, *, other_data: bool = False) -> Provenance | None:
    """Compares what a run or a published model was trained on with its recipe and its data as they are now.

    Raises RecipeError that names every difference. `other_data` allows other pictures, but never other classes: the
    numbers that the network gives would get wrong names. What an earlier version wrote knows less: a warning says so.
    """
    kept = read_provenance(target)
    classes = list(task.describe(config).manifest.get("labels", []))
    if kept is None:
        published = load_manifest(target).labels if (target / MANIFEST_FILE).exists() else []
        if published and classes and published != classes:
            raise RecipeError(f"{target}: {_compare_classes(published, classes)}")
        if (target / CHECKPOINT).exists():
            told = "whether its data and classes are those of the training cannot be told"
            print(f"warning: {target} was trained by an earlier version: {told}", file=sys.stderr)
        return None
    if kept.unfinished:
        print(f"warning: {target} was cut: {kept.unfinished}", file=sys.stderr)
    if kept.classes != classes:
        raise RecipeError(f"{target}: {_compare_classes(kept.classes, classes)}")
    if differences := list(_compare(kept, task, config, other_data)):
        raise RecipeError(f"{target}: {'; '.join(differences)}")
    return kept


def _compare(kept: Provenance, task: Task, config: Config, other_data: bool) -> Iterator[str]:
    now = describe_normalisation(config)
    for name, value in kept.normalisation.items():
        if now.get(name) != value:
            yield f"it was trained with {name} {value}, the recipe says {now.get(name)}"
    read: Any = getattr(task, "digest_data", None)
    if read and not other_data and (found := read(config)) and kept.data_sha256 != found:
        before = ", ".join(f"{split}: {told}" for split, told in kept.splits.items())
        yield (
            f"the data is not what it was trained on ({before}; SHA-256 {kept.data_sha256[:12]}…, now {found[:12]}…): "
            f"bring that back, or {OTHER_DATA}"
        )


def _compare_classes(before: list[str], now: list[str]) -> str:
    missing, new = [n for n in before if n not in now], [n for n in now if n not in before]
    if not missing and not new:
        told = f"the classes have another order: trained {_list(before)}, now {_list(now)}"
    else:
        told = f"it was trained on other classes: the data lacks {_list(missing)}, and has {_list(new)}"
    return f"{told}; rename them as they were, or map them with `data.classes` in the recipe"


def _list(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "none"


def inherit(config: Config, source: Path | None = None) -> Config:
    """The recipe with the normalisation of the network that it starts from, where it does not say its own.

    source: where to look in place of `start_from`. Raises RecipeError if the recipe says another one: the weights would
    see other numbers than they have learnt on.
    """
    source = source or config.start_from
    if not source or not (names := [name for name in NORMALISATION if hasattr(config, name)]):
        return config
    try:
        theirs = open_recipe(source)[1]
    except RecipeError:
        raise
    except Exception:  # an imported model has no recipe: its normalisation is inside its graph
        return config
    changes: dict[str, Any] = {}
    for name in names:
        mine, before = getattr(config, name), getattr(theirs, name, None)
        if before is None or mine == before:
            continue
        if name in config.model_fields_set:
            raise RecipeError(
                f"{name}: the recipe says {list(mine)}, {source} was trained with {list(before)}: "
                f"leave {name} out to take the source's"
            )
        changes[name] = before
    return config.model_copy(update=changes) if changes else config


def check_devices(kept: Provenance | None, devices: int, run: Path) -> None:
    """Raises RecipeError if a run goes on with another number of devices: its schedule counts their common steps."""
    if kept and kept.devices != devices:
        raise RecipeError(
            f"{run} was trained on {kept.devices} device(s), not {devices}: its learning rate follows the steps that "
            f"they share; resume with --devices {kept.devices}"
        )


def refuse_unfinished(kept: Provenance | None, run: Path, allowed: bool) -> None:
    """Raises RecipeError for a run that was cut, unless it is published on purpose."""
    if kept and kept.unfinished and not allowed:
        told = "go on with `fit --resume`, or publish it as it is with --unfinished"
        raise RecipeError(f"{run} was cut at {kept.unfinished}: {told}")


def as_checkpoint_entry(provenance: Provenance, epochs: int) -> Mapping[str, str]:
    """What a checkpoint after so many epochs carries: text, since checkpoints are read without running code."""
    return {"provenance": provenance.model_copy(update={"epochs": epochs}).model_dump_json()}
