"""Whether the face in an aligned crop is free of masks, hands and dark glasses.

visibility.json says what the network was fitted on, with which command, and how good it is.
"""

from functools import cache
from pathlib import Path

from convoy.faces.crop_network import CropNetwork, Floats, load_network

WEIGHTS = Path(__file__).parent / "visibility.npz"


def judge_visibility(features: Floats) -> float:
    """How surely nothing covers a face, 0 to 1, from its crop's features [1764]."""
    return _load().judge(features)


@cache
def _load() -> CropNetwork:
    return load_network(WEIGHTS)
