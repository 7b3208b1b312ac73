"""Draws charts as SVG text; the same numbers always give the same text."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

Numbers = NDArray[Any]
STYLE: Any = {"svg.hashsalt": "convoy", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False,
         "axes.spines.right": False, "legend.frameon": False, "axes.grid": True, "grid.alpha": 0.25}  # fmt: skip
# Texts stay texts in SVG, so the viewer's own fonts draw them: what matplotlib's font lacks is only measured amiss.
STYLE |= {"font.family": ["DejaVu Sans", "sans-serif"]}
MOST_NAMES, MOST_BARS, MOST_LINES = 60, 40, 20
"""Names beside a matrix, bars, and lines of a chart; more could not be read."""
LARGEST = 12.0
"""The longest side of a matrix, in inches."""
POINTS = 300
"""Points per line; more would make the file larger but nothing clearer."""


@dataclass(frozen=True)
class Line:
    """One curve: its name in the legend, and its points, sorted by x."""

    label: str
    x: Numbers
    y: Numbers


def draw_lines(
    lines: Sequence[Line], x_label: str, y_label: str, *, title: str = "", log_x: bool = False, log_y: bool = False,
    steps: bool = False, dots: bool = False,
) -> str:  # fmt: skip
    """Draws curves over one axis, each thinned to `POINTS`; of many, `MOST_LINES` at equal steps.

    dots: marks the points, as for lines of a single one.
    """
    chosen = np.unique(np.linspace(0, max(0, len(lines) - 1), min(len(lines), MOST_LINES)).astype(int))
    shown = [lines[place] for place in chosen] if lines else []

    def draw(axes: Any) -> None:
        for line in shown:
            rows = np.unique(np.linspace(0, len(line.x) - 1, POINTS).astype(int))
            style = "steps-post" if steps else "default"
            axes.plot(
                np.asarray(line.x)[rows],
                np.asarray(line.y)[rows],
                label=line.label,
                drawstyle=style,
                lw=1.4,
                marker="o" if dots else "",
            )
        axes.set(xlabel=x_label, ylabel=y_label, title=title)
        if log_x:
            axes.set_xscale("log")
        if log_y:
            axes.set_yscale("log")
        if len(shown) < len(lines):
            axes.plot([], [], " ", label=f"and {len(lines) - len(shown)} more")
        if any(line.label for line in lines):
            axes.legend(fontsize=7, loc="best")  # named, since matplotlib warns on slow machines otherwise

    return _draw(draw)


def draw_smoothed(x: Numbers, y: Numbers, x_label: str, y_label: str) -> str:
    """Draws a noisy curve faintly, and its running average over a fiftieth of its length."""

    def draw(axes: Any) -> None:
        width = max(1, len(y) // 50)
        average = np.convolve(np.pad(y, (width - 1, 0), mode="edge"), np.ones(width) / width, mode="valid")
        rows = np.unique(np.linspace(0, len(y) - 1, POINTS).astype(int))
        axes.plot(np.asarray(x)[rows], np.asarray(y)[rows], color="C0", alpha=0.25, lw=0.8)
        axes.plot(np.asarray(x)[rows], average[rows], color="C0", lw=1.4)
        axes.set(xlabel=x_label, ylabel=y_label)

    return _draw(draw)


def draw_matrix(counts: Numbers, labels: Sequence[str], title: str, columns: Sequence[str] | None = None) -> str:
    """Draws counts [R,C], coloured by the share in each row; rows are the truth, columns the answers."""

    def draw(axes: Any) -> None:
        shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.grid(visible=False)
        if max(counts.shape) <= MOST_NAMES:
            axes.set_xticks(range(counts.shape[1]), columns or labels, rotation=60, ha="right", fontsize=7)
            axes.set_yticks(range(counts.shape[0]), labels, fontsize=7)
        axes.set(xlabel="answer", ylabel="truth", title=title)
        if counts.size <= 400:
            for row, column in np.argwhere(counts):
                share = shares[row, column]
                text = f"{share:.0%}" if counts[row].sum() > 999 else f"{counts[row, column]}"
                colour = "white" if share > 0.6 else "black"
                axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)

    side = min(LARGEST, max(3.4, 0.36 * max(counts.shape) + 1.6)) if max(counts.shape) <= MOST_NAMES else LARGEST / 2
    return _draw(draw, (side + 0.6, side))


def draw_bars(names: Sequence[str], values: Sequence[float], x_label: str) -> str:
    """Draws one horizontal bar per name with its value beside it; NaN has no bar. Of many, the lowest are drawn."""
    if more := max(0, len(names) - MOST_BARS):
        lowest = np.argsort(np.asarray(values, float), kind="stable")[:MOST_BARS]
        names, values = [names[i] for i in lowest], [values[i] for i in lowest]
        x_label = f"{x_label}, the lowest {MOST_BARS}; {more} more"

    def draw(axes: Any) -> None:
        shown = np.nan_to_num(np.asarray(values, float))
        bars = axes.barh(list(names), shown, color="C0")
        axes.bar_label(bars, [f"{value:.3f}" for value in values], fontsize=7, padding=2)
        axes.invert_yaxis()
        axes.set(xlabel=x_label, xlim=(0, 1.1 * max(shown.max(initial=0), 1e-9)))

    return _draw(draw, (5.2, 0.3 * len(names) + 1.0))


def draw_histograms(groups: Sequence[tuple[str, Numbers]], x_label: str) -> str:
    """Draws the densities of several groups of numbers over one axis."""

    def draw(axes: Any) -> None:
        bins = np.linspace(min(g.min() for _, g in groups), max(g.max() for _, g in groups), 60)
        for name, values in groups:
            axes.hist(values, bins, density=True, alpha=0.55, label=name)
        axes.set(xlabel=x_label, ylabel="density")
        axes.legend(fontsize=7, loc="best")

    return _draw(draw)


def _draw(draw: Callable[[Any], None], size: tuple[float, float] = (4.8, 3.4)) -> str:
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(size, layout="constrained")
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
