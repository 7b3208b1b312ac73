"""Writes the page of a report: facts, measured numbers, then sections of charts and pictures, all in one file."""

from __future__ import annotations

import base64
import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from numpy.typing import NDArray

from convoy_training.recipe import Config
from convoy_training.report.curves import read_curves
from convoy_training.task import Predict

SMALLEST_SHOWN_PX = 128


@dataclass(frozen=True)
class Shot:
    """A picture uint8 RGB [H,W,3] with a sentence under it."""

    caption: str
    image_rgb: NDArray[np.uint8]

    def embed(self) -> str:
        """The picture as a data: URL; a small one is enlarged without smoothing."""
        image, side = self.image_rgb, max(self.image_rgb.shape[:2])
        if side < SMALLEST_SHOWN_PX:
            factor = -(-SMALLEST_SHOWN_PX // side)
            image = image.repeat(factor, 0).repeat(factor, 1)
        jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
        return f"data:image/jpeg;base64,{base64.b64encode(jpeg.tobytes()).decode()}"


@dataclass(frozen=True)
class Section:
    """A heading, a sentence that says how to read the section, charts (SVG) and pictures.

    card: how to read the first chart alone. If it is set, the model's card shows that chart. lines: text to show as
    it is.
    """

    title: str
    note: str
    charts: Sequence[str] = ()
    shots: Sequence[Shot] = ()
    card: str = ""
    lines: Sequence[str] = ()


def review(predict: Predict, config: Config, split: str) -> list[Section]:
    """The sections for a recipe's task, such as curves, confusions and the worst mistakes."""
    page = importlib.import_module(f"convoy_training.report.{config.task}")
    sections: list[Section] = page.review(predict, config, split)
    return sections


def show_training(run: Path) -> list[Section]:
    """The curves of a run folder, if it has any."""
    charts = read_curves(run)
    return [Section("Training", "By step; the faint line is every step, the strong one its average.", charts)] * bool(
        charts
    )


def write_report(
    file: Path, title: str, facts: Mapping[str, Any], metrics: Sequence[Any], sections: Sequence[Section],
    *, pictures: bool = True,
) -> None:  # fmt: skip
    """Writes the page, whole or not at all. Without `pictures` it shows only charts, and nothing of the data."""
    environment = Environment(
        loader=PackageLoader("convoy_training", "report"), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    if not pictures:
        sections = [replace(section, shots=()) for section in sections if section.charts]
    text = environment.get_template("page.html").render(title=title, facts=facts, metrics=metrics, sections=sections)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(text)
    partial.replace(file)


def write_charts(folder: Path, sections: Sequence[Section]) -> None:
    """Writes the charts that a model's card shows as SVG files, and removes the old ones.

    Each file holds the chart's title and how to read it, where screen readers find them too.
    """
    for old in folder.glob("*.svg"):
        old.unlink()
    for section in (section for section in sections if section.card):
        name = "-".join(re.findall(r"\w+", section.title.lower()))
        head, text = section.charts[0].split(">", 1)
        title, description = escape(section.title), escape(section.card)
        (folder / f"{name}.svg").write_text(f"{head}>\n <title>{title}</title>\n <desc>{description}</desc>{text}")
