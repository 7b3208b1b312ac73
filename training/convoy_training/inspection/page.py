"""A data set's summary as one HTML file: counts, faults, and pictures with their labels drawn, rarest classes first."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from convoy_training.inspection.counts import Summary
from convoy_training.inspection.lines import describe
from convoy_training.report.page import Section, Shot, write_report

RAREST, EACH, EXTREMES = 12, 3, 6
LONGEST_PX = 320
IGNORED = 255


def write_page(summary: Summary, file: Path) -> None:
    """Writes the page, whole or not at all."""
    facts = {"path": summary.path, "SHA-256": summary.sha256, "classes": len(summary.classes)}
    text = Section("What was understood", "Every class and every finding.", lines=list(describe(summary, whole=True)))
    write_report(file, f"Data: {summary.title or summary.path}", facts, [], [text, *_show(summary)])


def _show(summary: Summary) -> Iterator[Section]:
    for split, loaded in summary.loaded.items():
        counts = summary.splits[split]
        rare = sorted(summary.classes, key=lambda name: counts.by_class.get(name, 0))
        shots = [shot for name in rare[:RAREST] for shot in _show_class(loaded, summary.classes.index(name), name)]
        yield Section(f"{split}: the rarest classes first", "Labels are drawn as they are learnt.", shots=shots)
        if counts.unit == "boxes" and any(counts.by_class.values()):
            note = "A box of a few pixels or of the whole picture is often a mistake."
            yield Section(f"{split}: the smallest and the largest boxes", note, shots=list(_show_extremes(loaded)))


def _show_class(split: Any, number: int, name: str) -> Iterator[Shot]:
    if hasattr(split, "pixels"):
        rows = [e for e in split.examples[:200] if (e.read_mask() == number).any()][:EACH]
        for e in rows:
            yield Shot(f"{name}: {e.photo.name}", _shrink(_paint(e.photo.decode().image_rgb, e.read_mask())))
    elif hasattr(split, "examples"):
        rows = [e for e in split.examples if number in e.labels][:EACH]
        yield from (Shot(f"{name}: {e.photo.name}", _draw(e, split.classes)) for e in rows)
    else:
        for row in np.flatnonzero(split.labels == number)[:EACH].tolist():
            photos = getattr(split.images, "photos", None)
            image = photos[row].decode().image_rgb if photos else split.images[row]
            yield Shot(f"{name}: {photos[row].name if photos else row}", _shrink(image))


def _show_extremes(split: Any) -> Iterator[Shot]:
    sizes = [
        (float(area), row)
        for row, e in enumerate(split.examples)
        for area in np.prod(e.boxes_xyxy[:, 2:] - e.boxes_xyxy[:, :2], axis=1)
    ]
    ordered = list(dict.fromkeys(row for _, row in sorted(sizes)))
    for row in dict.fromkeys([*ordered[:EXTREMES], *list(dict.fromkeys(r for _, r in sorted(sizes)[::-1]))[:EXTREMES]]):
        example = split.examples[row]
        sides = example.boxes_xyxy[:, 2:] - example.boxes_xyxy[:, :2]
        small, large = (sides[int(f(sides.prod(1)))].round(1).tolist() for f in (np.argmin, np.argmax))
        told = f"{example.photo.name}: from {small[0]:g}x{small[1]:g} to {large[0]:g}x{large[1]:g} pixels"
        yield Shot(told, _draw(example, split.classes))


def _colour(number: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.9, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw(example: Any, classes: tuple[str, ...]) -> NDArray[np.uint8]:
    """The picture with its boxes in the colours of their classes, and crowds in grey."""
    scene = example.decode()
    factor = min(1.0, LONGEST_PX / max(scene.image_rgb.shape[:2]))
    canvas = _shrink(scene.image_rgb).copy()
    entries = [(box, _colour(int(label))) for box, label in zip(scene.boxes_xyxy, scene.labels, strict=True)]
    entries += [(box, (150, 150, 150)) for box in example.crowds_xyxy]
    for box, colour in entries:
        x0, y0, x1, y1 = (round(float(value) * factor) for value in box)
        cv2.rectangle(canvas, (x0, y0), (x1, y1), colour, 2)
    return canvas


def _paint(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture with half of each pixel in the colour of its class; ignored ones are white."""
    table = np.array([*(_colour(number) for number in range(IGNORED)), (255, 255, 255)], np.uint8)
    painted: NDArray[np.uint8] = (image // 2 + table[mask] // 2).astype(np.uint8)
    return painted


def _shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    factor = LONGEST_PX / max(height, width)
    if factor >= 1:
        return image
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
