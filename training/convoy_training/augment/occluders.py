"""Draws masks, dark glasses and hands over faces, by their landmarks, because this data has no labels of real ones.

`cover` draws one of them as it is worn, for measuring. `cover_anyhow` draws blobs of any place, shape and texture, for
learning: what is learnt from them has seen none of those that it is measured with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from convoy.faces.alignment import ALIGNED_SIZE_PX, estimate_similarity
from convoy.faces.alignment import REFERENCE_LANDMARKS as REFERENCE
from numpy.random import Generator
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.floating]
DRAWN = 2
"""Occluders are drawn twice as large as an aligned crop, with half a crop around it, then placed."""
BORDER = ALIGNED_SIZE_PX // 2
CANVAS_PX = (ALIGNED_SIZE_PX + 2 * BORDER) * DRAWN
CLOTH = ((235, 240, 245), (150, 190, 220), (30, 30, 34), (120, 120, 125), (170, 60, 60), (210, 200, 180))
"""Colours of masks, RGB."""

Shape = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""What covers the face: its colours [C,C,3] and how opaque it is [C,C], 0 to 255."""


def cover(image: Image, landmarks: Floats, kind: str, random: Generator) -> Image:
    """The picture [H,W,3] with an occluder over the face with these landmarks [5,2]; kind: one of `KINDS`."""
    return place(image, landmarks, KINDS[kind](image, landmarks, random))


def cover_anyhow(image: Image, landmarks: Floats, textures: Sequence[Image] | Image, random: Generator) -> Image:
    """The same with blobs of any shape that hide the mouth or both eyes or half of the face; textures: what of."""
    return place(image, landmarks, _draw_blobs(textures[int(random.integers(len(textures)))], random))


def place(image: Image, landmarks: Floats, drawn: Shape) -> Image:
    """Puts what was drawn on an aligned crop's coordinates over the face in the picture."""
    colours, opacity = drawn
    matrix = estimate_similarity((REFERENCE + BORDER) * DRAWN, landmarks)
    size = (image.shape[1], image.shape[0])
    # Reduced first, since a warp does not average.
    scale = min(1.0, float(np.hypot(matrix[0, 0], matrix[0, 1])))
    small = max(1, round(CANVAS_PX * scale))
    matrix = matrix @ np.diag([CANVAS_PX / small, CANVAS_PX / small, 1.0])
    reduced = [cv2.resize(one, (small, small), interpolation=cv2.INTER_AREA) for one in (colours, opacity)]
    over, share = (cv2.warpAffine(one, matrix, size, flags=cv2.INTER_LINEAR) for one in reduced)
    alpha = share[..., None].astype(np.float32) / 255
    return np.asarray(image * (1 - alpha) + over * alpha, np.float32).round().astype(np.uint8)


def _draw_mask(image: Image, landmarks: Floats, random: Generator) -> Shape:
    """A mask of cloth or paper from the nose to the chin, with folds."""
    top = random.uniform(56, 66)
    edge = np.array([(56, top), (34, top + 6), (14, top + 4), (18, 96), (36, 120), (56, 127), (76, 120), (94, 96)])
    edge = np.vstack([edge, [(98, top + 4), (78, top + 6)]]) + random.normal(0, 1.5, (10, 2))
    opacity = _fill([edge])
    rows = np.arange(CANVAS_PX)[:, None] / DRAWN
    folds = 10 * np.sin(rows * random.uniform(0.3, 0.9) + random.uniform(0, 6)) + random.normal(0, 3, (CANVAS_PX, 1))
    colour = np.array(CLOTH[int(random.integers(len(CLOTH)))], np.float32) * random.uniform(0.7, 1.05)
    shaded = colour + folds[..., None] - _shade(random)[..., None]
    return _finish(shaded, opacity)


def _draw_glasses(image: Image, landmarks: Floats, random: Generator) -> Shape:
    """Dark glasses: two lenses, a bridge and the arms."""
    opacity = np.zeros((CANVAS_PX, CANVAS_PX), np.uint8)
    half = (int(random.uniform(14, 20) * DRAWN), int(random.uniform(10, 15) * DRAWN))
    middles = [_at(np.add(point, (0, 2))) for point in REFERENCE[:2]]
    are_round = random.random() < 0.5
    for middle in middles:
        if are_round:
            cv2.ellipse(opacity, middle, half, 0, 0, 360, 255, -1)
        else:
            cv2.rectangle(opacity, tuple(np.subtract(middle, half)), tuple(np.add(middle, half)), 255, -1)
    thick = int(random.uniform(2, 4) * DRAWN)
    cv2.line(opacity, middles[0], middles[1], 255, thick)
    for middle, side in zip(middles, (-1, 1), strict=True):
        cv2.line(opacity, middle, (middle[0] + side * 40 * DRAWN, middle[1] - 2 * DRAWN), 255, thick)
    opacity = (opacity * random.uniform(0.85, 1.0)).astype(np.uint8)
    tint = np.array(random.uniform(5, 45, 3), np.float32)
    return _finish(np.broadcast_to(tint, (CANVAS_PX, CANVAS_PX, 3)) + _shade(random)[..., None], opacity)


def _draw_hand(image: Image, landmarks: Floats, random: Generator) -> Shape:
    """A hand of the face's own colour over the mouth, or over an eye and a cheek: a palm and four fingers."""
    low = random.random() < 0.6
    palm = np.array((random.uniform(30, 82), 104.0) if low else (random.choice((30, 82)), random.uniform(60, 80)))
    angle = random.uniform(-0.6, 0.6) + (0 if low else np.pi / 2 * random.choice((-1, 1)) * 0.3)
    along = np.array([np.sin(angle), -np.cos(angle)])
    across = np.array([along[1], -along[0]])
    opacity, light = (np.zeros((CANVAS_PX, CANVAS_PX), np.uint8) for _ in range(2))
    cv2.ellipse(opacity, _at(palm), (24 * DRAWN, 20 * DRAWN), float(np.degrees(angle)), 0, 360, 255, -1)
    for finger in range(4):
        start = palm + across * (finger - 1.5) * 11
        end = start + along * random.uniform(24, 38)
        cv2.line(opacity, _at(start), _at(end), 255, 10 * DRAWN)
        cv2.line(light, _at(start + across * 5.5), _at(end + across * 5.5), 255, DRAWN)
    eye, nose = np.clip(landmarks[[0, 2]].round().astype(int), 0, np.array(image.shape[1::-1]) - 1)
    x, y = (eye + nose) // 2
    skin = np.asarray(image[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4], np.float32).reshape(-1, 3).mean(axis=0)
    drawn = skin * random.uniform(0.85, 1.1) - 0.25 * cv2.GaussianBlur(light, (0, 0), DRAWN)[..., None]
    return _finish(drawn - _shade(random)[..., None], opacity)


def _draw_blobs(texture: Image, random: Generator) -> Shape:
    """One or two polygons or ellipses of a texture or of a plain colour, over what tells faces apart."""
    opacity = np.zeros((CANVAS_PX, CANVAS_PX), np.uint8)
    hidden = REFERENCE[[(3, 4), (0, 1), (0, 3), (1, 4)][int(random.integers(4))], :]
    middle = hidden.mean(axis=0) + random.normal(0, 3, 2)
    half = np.abs(hidden - middle).max(axis=0) + random.uniform(9, 26, 2)
    turns = np.sort(random.uniform(0, 2 * np.pi, int(random.integers(5, 14))))
    if random.random() < 0.5 or np.diff(turns, append=turns[0] + 2 * np.pi).max() > 2:
        axes = (int(half[0] * DRAWN * 1.2), int(half[1] * DRAWN * 1.2))
        cv2.ellipse(opacity, _at(middle), axes, random.uniform(-25, 25), 0, 360, 255, -1)
    else:
        reach = random.uniform(1.0, 1.7, (len(turns), 1))
        opacity = _fill([middle + reach * half * np.column_stack([np.cos(turns), np.sin(turns)])])
    if random.random() < 0.5:
        plain = random.uniform(0, 255, 3) + _shade(random)[..., None]
        return _finish(plain + random.normal(0, random.uniform(0, 12), (CANVAS_PX, CANVAS_PX, 1)), opacity)
    side = int(random.uniform(0.4, 1.0) * min(texture.shape[:2]))
    part = cv2.resize(texture[:side, :side], (CANVAS_PX, CANVAS_PX), interpolation=cv2.INTER_LINEAR)
    return _finish(part.astype(np.float32), opacity)


def _fill(polygons: Sequence[Floats]) -> NDArray[np.uint8]:
    opacity = np.zeros((CANVAS_PX, CANVAS_PX), np.uint8)
    cv2.fillPoly(opacity, [((one + BORDER) * DRAWN).round().astype(np.int32) for one in polygons], 255)
    return opacity


def _at(point: Floats) -> tuple[int, int]:
    """A point of the aligned crop on the canvas."""
    x, y = ((np.asarray(point) + BORDER) * DRAWN).round().astype(int)
    return int(x), int(y)


def _shade(random: Generator) -> NDArray[np.float32]:
    """A soft slope of light across the canvas, in grey levels."""
    slope = random.normal(0, 12, 2)
    ramp = np.linspace(-1, 1, CANVAS_PX, dtype=np.float32)
    return np.asarray(slope[0] * ramp[None] + slope[1] * ramp[:, None], np.float32)


def _finish(colours: Floats, opacity: NDArray[np.uint8]) -> Shape:
    return np.clip(colours, 0, 255).astype(np.uint8), cv2.GaussianBlur(opacity, (0, 0), DRAWN / 2).astype(np.uint8)


KINDS: dict[str, Callable[[Image, Floats, Generator], Shape]] = {
    "mask": _draw_mask,
    "dark glasses": _draw_glasses,
    "hand": _draw_hand,
}
"""How each occluder is drawn."""
