"""Scales, crops, mirrors and relights pictures for segmentation; image and mask change together."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
GREY = (114, 114, 114)


def crop_and_scale(
    image: Pixels, mask: Pixels, size: tuple[int, int], scales: tuple[float, float], mirror: bool, ignore: int,
    random: np.random.Generator,
) -> tuple[Pixels, Pixels]:  # fmt: skip
    """Scales by a random factor and cuts `size` (height, width) out at a random place.

    Mask pixels outside the image become `ignore`. With `mirror`, left and right are exchanged half of the time.
    """
    height, width = size
    scale = float(np.exp(random.uniform(*np.log(scales))))
    slack_x, slack_y = image.shape[1] * scale - width, image.shape[0] * scale - height
    left, top = random.uniform(min(0, slack_x), max(0, slack_x)), random.uniform(min(0, slack_y), max(0, slack_y))
    warp = np.array([[scale, 0, -left], [0, scale, -top]], np.float32)
    if random.random() < 0.5 and mirror:
        warp = np.array([[-1, 0, width - 1], [0, 1, 0]], np.float32) @ np.vstack([warp, [0, 0, 1]]).astype(np.float32)
    seen = cv2.warpAffine(image, warp, (width, height), flags=cv2.INTER_LINEAR, borderValue=GREY)
    labels = cv2.warpAffine(mask, warp, (width, height), flags=cv2.INTER_NEAREST, borderValue=ignore)
    return seen, labels  # type: ignore[return-value]


def change_light(image: Pixels, strength: float, random: np.random.Generator, out: Pixels | None = None) -> Pixels:
    """Changes brightness, contrast, saturation and tint of an RGB image [H,W,3] at random.

    out: where the result goes, such as a row of a batch. All four changes are linear, so one matrix [3,4] and one pass
    over the bytes do.
    """
    contrast, brightness, saturation = random.uniform(1 - strength, 1 + strength, 3)
    tint = random.uniform(1 - strength / 4, 1 + strength / 4, (3, 1))
    mix = saturation * np.eye(3) + (1 - saturation) / 3
    lift = (brightness - contrast) * float(np.mean(cv2.mean(image)[:3]))
    matrix = tint * np.column_stack([contrast * mix, np.full(3, lift)])
    return cv2.transform(image, matrix, dst=out)  # type: ignore[return-value]
