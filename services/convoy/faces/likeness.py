"""Whether an aligned crop looks like a face turned upright: the second opinion on what the detector found.

The detector answers for a place in the picture. This small network sees the aligned crop, so it also notices landmarks
that are wrong: a mouth taken for a face, a face on its head, a clock. likeness.json says what it was fitted on, with
which command, and how good it is.
"""

from functools import cache
from pathlib import Path

from convoy.core.pictures.decoding import Pixels
from convoy.faces.crop_network import CropNetwork, Floats, describe, load_network

WEIGHTS = Path(__file__).parent / "likeness.npz"
DRAWN = "tiny"
"""The architecture of convoy.testing's detector, which finds drawn patterns: they look like nobody's face."""


def measure_likeness(aligned_rgb: Pixels) -> float:
    """How much an aligned crop [112, 112, 3] looks like an upright face, 0 to 1."""
    return judge_likeness(describe(aligned_rgb))


def judge_likeness(features: Floats) -> float:
    """The same from the crop's features [1764]."""
    return _load().judge(features)


@cache
def _load() -> CropNetwork:
    return load_network(WEIGHTS)
