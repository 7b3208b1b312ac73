"""Alters one photo as a second camera, pose, light or phone would."""

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from convoy.client.answers.common import ImageRGB

Change = tuple[str, Callable[[ImageRGB], ImageRGB]]


def renditions(image_rgb: ImageRGB) -> Iterator[tuple[bytes, str]]:
    """Altered pictures as JPEG files, each with a note that says what was changed."""
    yield _alter(image_rgb, (turned(7), darker(0.6), smaller(0.6)), jpeg_quality=40)
    yield _alter(image_rgb, (flipped(), darker(0.8)), jpeg_quality=70)


def turned(degrees: float) -> Change:
    """Turn the picture to the left about its centre."""

    def change(image_rgb: ImageRGB) -> ImageRGB:
        height, width = image_rgb.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        return np.asarray(cv2.warpAffine(image_rgb, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)

    return f"turned by {degrees:g}°", change


def darker(factor: float) -> Change:
    """Multiply every value by a factor below 1."""
    return f"{1 - factor:.0%} darker", lambda image_rgb: (image_rgb * factor).astype(np.uint8)


def smaller(factor: float) -> Change:
    """Multiply both sides by a factor below 1."""

    def change(image_rgb: ImageRGB) -> ImageRGB:
        return np.asarray(cv2.resize(image_rgb, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)

    return f"{1 - factor:.0%} smaller", change


def flipped() -> Change:
    """Mirror the picture."""
    return "mirrored", lambda image_rgb: np.ascontiguousarray(image_rgb[:, ::-1])


def _alter(image_rgb: ImageRGB, changes: Sequence[Change], jpeg_quality: int) -> tuple[bytes, str]:
    for _, change in changes:
        image_rgb = change(image_rgb)
    options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), options)
    notes = [note for note, _ in changes]
    return data.tobytes(), ", ".join([*notes, f"JPEG quality {jpeg_quality}"])
