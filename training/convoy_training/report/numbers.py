"""Formats numbers for people."""

from __future__ import annotations

from convoy.core.manifest import Metric


def format_count(count: int | None) -> str:
    """1234567 -> 1.23 M."""
    if count is None:
        return "?"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)


def format_value(metric: Metric) -> str:
    """The value, with its 95 % interval if one was measured."""
    interval = f" ({metric.interval[0]:.4f} to {metric.interval[1]:.4f})" if metric.interval else ""
    return f"{metric.value:.4f}{interval}"
