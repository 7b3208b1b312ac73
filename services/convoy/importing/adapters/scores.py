"""Reads class scores [N, A, C] that may be logits and may have a background class, first or last."""

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from convoy.importing.adapters.adapter import Array, Choices, Misfit, Probe, Reading
from convoy.importing.adapters.arithmetic import Floats, floats, sigmoid, softmax
from convoy.importing.sketch import Sketch

SLACK = 1e-3
Background = Literal["none", "first", "last"]


def read_scores(reading: Reading, probe: Probe, name: str, choices: Choices, background: Background) -> Reading:
    """Note what the scores are: what the user says, or else probabilities if all are in 0 to 1, or else logits."""
    if choices.scores is not None:
        return replace(reading, scores=choices.scores, background=background)
    numbers = probe.every(name)
    check_scale(numbers)
    inside = bool(((numbers >= 0) & (numbers <= 1)).all())
    note = f"scores lie between {numbers.min():.3g} and {numbers.max():.3g}, so they count as "
    kind: tuple[str, ...] = (note + ("probabilities" if inside else "logits") + " (--scores decides)",)
    return replace(
        reading,
        scores="probabilities" if inside else "logits",
        background=background,
        notes=(*reading.notes, *kind),
    )


def check_scale(numbers: npt.NDArray[np.float32]) -> None:
    """Raise Misfit for numbers that are hardly probabilities and hardly logits, such as percentages or grey values."""
    if numbers.min() >= 0 and numbers.max() > 1 + SLACK:
        span = f"scores lie between {numbers.min():.3g} and {numbers.max():.3g}"
        raise Misfit(f"{span}: logits would be negative too, and probabilities not above 1; choose with --scores")


def draw_scores(sketch: Sketch, scores: str, reading: Reading) -> str:
    """Draw probabilities [N, A, C] without the background: softmax if there is one, otherwise sigmoids."""
    if reading.scores == "logits":
        has_background = reading.background != "none"
        scores = sketch.op("Softmax", scores, axis=2) if has_background else sketch.op("Sigmoid", scores)
    bounds = {"none": (0, 0), "first": (1, 0), "last": (0, -1)}[reading.background]
    return scores if reading.background == "none" else sketch.part(scores, *bounds, axis=2)


def decode_scores(scores: Array, reading: Reading) -> Floats:
    """Do the same in NumPy."""
    numbers = floats(scores)
    if reading.scores == "logits":
        numbers = sigmoid(numbers) if reading.background == "none" else softmax(numbers)
    kept = {"none": slice(None), "first": slice(1, None), "last": slice(None, -1)}[reading.background]
    return np.asarray(numbers[..., kept], np.float64)
