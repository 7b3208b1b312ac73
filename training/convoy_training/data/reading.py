"""The fields of a recipe's `data` that say how a data set is read, whatever its form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from convoy_training import recipe

OnError = Literal["refuse", "skip"]
Chosen = tuple[tuple[str, tuple[str, ...]], ...]
"""The classes to learn, each with the classes of the data that it is made of."""


@dataclass(frozen=True)
class Division:
    """How one folder becomes two splits: the share of `val`, or fold number `fold` of `folds`.

    stratify: each class has that share. group_by: pictures that agree in this stay together: `folder`, or a regular
    expression whose first group, or whole match, is compared.
    """

    val: float = 0.1
    seed: int = 0
    stratify: bool = True
    group_by: str = ""
    folds: int = 0
    fold: int = 0


@dataclass(frozen=True)
class Reading:
    """on_error: whether a fault is an error, or leaves its picture out. classes: none means those of the data."""

    on_error: OnError = "refuse"
    classes: Chosen = ()
    division: Division | None = None
    white: Literal["auto", "class", "ignored"] = "auto"


PLAIN = Reading()


class Split(recipe.Strict):
    """The block `split`: makes a validation split out of one folder."""

    val: float = Field(0.1, gt=0, lt=1, description="the share of the validation split")
    seed: int = Field(0, description="another seed draws other pictures")
    stratify: bool = Field(True, description="each class gives the same share")
    group_by: str = Field("", description="what stays together: `folder`, or a regular expression of the file's name")
    folds: int = Field(0, ge=0, description="for cross-validation: how many parts; 0 = by `val`")
    fold: int = Field(0, ge=0, description="the part that is the validation split, from 0")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.folds == 1 or self.fold >= max(1, self.folds):
            raise ValueError("split: folds must be 2 or more, and fold one of them, from 0")
        try:
            re.compile(self.group_by)
        except re.error as error:
            raise ValueError(f"split.group_by: {error}") from error
        return self


def _list_classes(value: Any) -> Any:
    """[a, {b: [c, d]}] and {a: a, b: [c, d]} -> {a: [a], b: [c, d]}."""
    if isinstance(value, Mapping):
        value = [{name: parts} for name, parts in value.items()]
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    chosen: dict[str, Any] = {}
    for entry in value:
        for name, parts in entry.items() if isinstance(entry, Mapping) else [(entry, entry)]:
            if str(name) in chosen:
                raise ValueError(f"classes: '{name}' is named twice")
            chosen[str(name)] = [str(part) for part in parts] if isinstance(parts, list) else [str(parts)]
    return chosen


class LabelledSource(recipe.Strict):
    """The fields that every form of data has."""

    path: str
    title: str = Field(description="what the manifest calls it")
    on_error: OnError = Field("refuse", description="skip: leave pictures with a fault out, count and list them")
    classes: Annotated[dict[str, list[str]], BeforeValidator(_list_classes)] = Field(
        {}, description="the classes to learn, in this order: [person, {vehicle: [car, truck, bus]}]; empty = all"
    )
    split: Split | None = Field(None, description="divide one folder: {val: 0.1, seed: 0, stratify: true}")

    @property
    def reading(self) -> Reading:
        """The same as a value that caches can compare."""
        chosen = tuple((name, tuple(parts)) for name, parts in self.classes.items())
        division = Division(**self.split.model_dump()) if self.split else None
        return Reading(self.on_error, chosen, division, getattr(self, "white", "auto"))
