"""Reads and writes recipes: YAML files, checked field by field, with the task that each names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from convoy.core.manifest import MANIFEST_FILE, Manifest, load_manifest
from pydantic import ValidationError

from convoy_training.errors import RecipeError, TrainingError
from convoy_training.recipe import Config
from convoy_training.task import Task, find_task, task_names

FILES = ("exclude", "init")
"""Fields of recipes that name a file."""
RECIPE_FILE = "recipe.yaml"
"""The resolved recipe in a run folder and in a published <model>/<version> folder."""


def load_recipe(file: Path, overrides: Iterable[str] = ()) -> tuple[Task, Config]:
    """Reads a YAML recipe, applies `dotted.name=value` overrides (values are YAML) and validates every field."""
    fields = read_fields(file)
    _find_beside(fields, file)
    for override in overrides:
        _override(fields, override)
    return resolve_recipe(fields, str(file))


def open_recipe(folder: Path, overrides: Iterable[str] = ()) -> tuple[Task, Config]:
    """The recipe that made a run or a published model, with some fields set otherwise."""
    if (folder / RECIPE_FILE).exists():
        return load_recipe(folder / RECIPE_FILE, overrides)
    if (folder / MANIFEST_FILE).exists():
        told = "write one, a recipe that names its task, its data and its network"
        raise TrainingError(f"{folder} has no {RECIPE_FILE}, since it was not exported by convoy-train: {told}")
    raise TrainingError(f"{folder} is neither a run folder nor a published model: it has no {RECIPE_FILE}")


def is_run(folder: Path) -> bool:
    """Whether a folder is a run, and not a published model."""
    return (folder / RECIPE_FILE).exists() and not (folder / MANIFEST_FILE).exists()


def load_published(folder: Path) -> Manifest:
    """The manifest of a published model. Raises TrainingError for a run, which has none yet."""
    if is_run(folder):
        raise TrainingError(f"{folder} is a run: publish it first by `convoy-train export {folder}`")
    return load_manifest(folder)


def write_recipe(config: Config, folder: Path) -> None:
    """Writes every field into the folder, paths as they were given."""
    (folder / RECIPE_FILE).write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))


class OnceLoader(yaml.SafeLoader):
    """YAML in which a field that is given twice is an error; PyYAML takes the last one in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in names:
                told = f"the field '{key.value}' is given twice"
                raise yaml.constructor.ConstructorError(None, None, told, key.start_mark)
            names.add(str(key.value))
        return super().construct_mapping(node, deep)


def read_fields(file: Path) -> dict[str, Any]:
    """The fields of a YAML recipe, not yet validated."""
    try:
        fields = yaml.load(file.read_text("utf-8"), OnceLoader)
    except OSError as error:
        raise RecipeError(f"{file}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{file}: is not UTF-8 text") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"{file}: is not YAML: {error}") from error
    if not isinstance(fields, dict):
        raise RecipeError(f"{file}: is not a list of fields with values")
    return fields


def resolve_recipe(fields: Mapping[str, Any], origin: str) -> tuple[Task, Config]:
    """Finds the task's module and validates the fields with its `Config`."""
    name, names = fields.get("task"), task_names()
    if name not in names:
        problem = "task: Field required" if name is None else f"there is no task '{name}'"
        raise RecipeError(f"{origin}: {problem}; the tasks are {', '.join(names)}")
    module = find_task(name)
    try:
        return module, module.Config.model_validate(fields)
    except ValidationError as error:
        raise RecipeError(f"{origin}: {'; '.join(map(_explain, error.errors()))}") from error


def _explain(problem: Mapping[str, Any]) -> str:
    """One of pydantic's problems in our words. A problem of several fields names them itself."""
    told = "there is no such field" if problem["type"] == "extra_forbidden" else problem["msg"]
    return ": ".join(filter(None, (".".join(map(str, problem["loc"])), told.removeprefix("Value error, "))))


def _find_beside(fields: dict[str, Any], file: Path) -> None:
    """Looks for the files that a recipe names beside it first, then in the working folder."""
    for name in FILES:
        if fields.get(name) and (beside := file.parent / str(fields[name])).exists():
            fields[name] = str(beside)


def _override(fields: dict[str, Any], override: str) -> None:
    path, separator, value = override.partition("=")
    if not separator:
        raise RecipeError(f"--set {override}: write it as name=value")
    *groups, last = path.split(".")
    try:
        for group in groups:
            fields = fields.setdefault(group, {})
        fields[last] = yaml.safe_load(value)
    except (AttributeError, TypeError) as error:
        raise RecipeError(f"--set {override}: {'.'.join(groups)} is not a group of fields") from error
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {override}: the value is not YAML: {error}") from error
