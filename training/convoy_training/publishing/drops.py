"""What a smaller form of a model loses: every metric beside its source's, single classes included."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from convoy_training.errors import ExportError
from convoy_training.task import is_error


class Measured(Protocol):
    """A metric, in whichever form."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def value(self) -> float:
        """Its number."""


class Drop(NamedTuple):
    """A metric before and after; `lost` is above 0 if the smaller form is worse."""

    name: str
    before: float
    after: float

    @property
    def lost(self) -> float:
        """How much worse it has become."""
        worse = self.before - self.after
        return -worse if is_error(self.name) else worse


def list_drops(before: Sequence[Measured], after: Sequence[Measured]) -> Iterator[Drop]:
    """The metrics that both have, in the order of the manifest."""
    values = {metric.name: metric.value for metric in after}
    for metric in before:
        if metric.name in values:
            yield Drop(metric.name, metric.value, values[metric.name])


def check_drops(
    before: Sequence[Measured], after: Sequence[Measured], first: float | None, every: float | None, name: str
) -> None:
    """Raises ExportError if the first metric falls by more than `first`, or any of them by more than `every`."""
    drops = list(list_drops(before, after))
    allowed = [(drop, first if not place and every is None else every) for place, drop in enumerate(drops)]
    too_far = [drop for drop, limit in allowed if limit is not None and not drop.lost <= limit + 1e-9]
    if too_far:
        told = ", ".join(f"{drop.name} falls from {drop.before:.4f} to {drop.after:.4f}" for drop in too_far)
        raise ExportError(f"{name}: {told}; nothing was written")


def describe_drops(before: Sequence[Measured], after: Sequence[Measured]) -> Iterator[str]:
    """A line for each metric: its name, both values, and the difference."""
    for drop in list_drops(before, after):
        yield f"{drop.name:28} {drop.before:.4f} -> {drop.after:.4f}  ({drop.after - drop.before:+.4f})"
