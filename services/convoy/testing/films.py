"""Films whose truth is known: rectangles that move, hide behind each other, and leave."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from convoy.testing.pictures import GREY, ImageRGB


@dataclass(frozen=True)
class Rectangle:
    """One rectangle in one picture. box_xyxy: in pixels; visible: the share that nothing hides, 0 to 1."""

    identity: int
    box_xyxy: tuple[float, float, float, float]
    visible: float


Truth = list[list[Rectangle]]


def moving_rectangles(count: int, pictures: int, seed: int, width: int = 640, height: int = 360) -> Truth:
    """Let rectangles move at steady speeds and bounce off the edges; a later one hides those before it."""
    random = np.random.default_rng(seed)
    sizes = random.uniform((30, 40), (60, 90), (count, 2))
    room = np.array([width, height]) - sizes
    start, speed = random.uniform(0, room), random.uniform(-4, 4, (count, 2))
    film = []
    for picture in range(pictures):
        # A triangle wave: there and back between the edges.
        corner = room - np.abs((start + speed * picture) % (2 * room) - room)
        boxes = np.concatenate([corner, corner + sizes], 1)
        film.append(
            [
                Rectangle(one, (x0, y0, x1, y1), _visible(boxes, one, (width, height)))
                for one, (x0, y0, x1, y1) in enumerate(boxes.tolist())
            ]
        )
    return film


def _visible(boxes: npt.NDArray[np.float64], one: int, extent: tuple[int, int]) -> float:
    covered = np.zeros(extent[::-1], bool)
    for x0, y0, x1, y1 in boxes[one + 1 :].astype(int):
        covered[y0:y1, x0:x1] = True
    x0, y0, x1, y1 = boxes[one].astype(int)
    return float(1 - covered[y0:y1, x0:x1].mean())


@dataclass(frozen=True)
class Found:
    """What an imperfect detector finds in one picture. boxes_xyxy: [N, 4] in pixels; scores: [N], 0 to 1."""

    boxes_xyxy: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]


def imperfect_detections(
    film: Truth, seed: int, jitter: float = 0.03, missed: float = 0.05, false: float = 0.1
) -> list[Found]:
    """What a detector with known faults finds: hidden rectangles score less, and those hidden by half are not found.

    jitter: standard deviation of each edge, as a share of the box; missed: share of visible rectangles that it does not
    find; false: boxes per picture where nothing is.
    """
    random = np.random.default_rng(seed)
    found = []
    for picture in film:
        boxes, scores = [], []
        for one in picture:
            if one.visible < 0.5 or random.random() < missed:
                continue
            x0, y0, x1, y1 = one.box_xyxy
            size = np.array([x1 - x0, y1 - y0] * 2)
            boxes.append(np.array(one.box_xyxy) + random.normal(0, jitter, 4) * size)
            scores.append(np.clip(0.2 + 0.7 * one.visible + random.normal(0, 0.03), 0, 1))
        for _ in range(random.poisson(false)):
            x, y = random.uniform(0, (560, 270))
            boxes.append(np.array([x, y, x + 50, y + 60]))
            scores.append(random.uniform(0.3, 0.6))
        found.append(Found(np.array(boxes).reshape(-1, 4), np.array(scores)))
    return found


def draw_film(film: Truth, colours: Sequence[int], width: int = 640, height: int = 360) -> list[ImageRGB]:
    """Draw each picture: grey, with each rectangle in the grey level of its place in `colours`."""
    drawn = []
    for picture in film:
        canvas = np.full((height, width, 3), GREY, np.uint8)
        for one in picture:
            x0, y0, x1, y1 = map(round, one.box_xyxy)
            canvas[y0:y1, x0:x1] = colours[one.identity]
        drawn.append(canvas)
    return drawn


def write_film(path: Path, pictures: Sequence[ImageRGB], per_second: int = 25) -> None:
    """Write pictures of one size as H.264. It needs the extra `film`."""
    from convoy.drawing.films import FilmWriter

    with FilmWriter(path, per_second) as film:
        for picture in pictures:
            film.write(picture)
