"""Class scores [N, A, C] that may be logits and may begin with a background class."""

from dataclasses import replace

import numpy as np

from convoy.importing.adapters.adapter import Array, Choices, Reading
from convoy.importing.sketch import Sketch


def read_scores(reading: Reading, scores: Array, choices: Choices, background: bool) -> Reading:
    """Add what the scores are: as the user says, otherwise probabilities if all lie in 0 to 1."""
    if choices.scores is not None:
        return replace(reading, scores=choices.scores, background=background)
    numbers = np.asarray(scores, np.float32)
    inside = bool(((numbers >= 0) & (numbers <= 1)).all())
    note = f"scores from {numbers.min():.3g} to {numbers.max():.3g} are taken for "
    kind: tuple[str, ...] = (note + ("probabilities" if inside else "logits") + " (--scores decides)",)
    return replace(
        reading,
        scores="probabilities" if inside else "logits",
        background=background,
        notes=(*reading.notes, *kind),
    )


def draw_scores(sketch: Sketch, scores: str, reading: Reading) -> str:
    """Probabilities [N, A, C] without the background: softmax where there is one, otherwise sigmoids."""
    if reading.scores == "logits":
        scores = sketch.op("Softmax", scores, axis=2) if reading.background else sketch.op("Sigmoid", scores)
    return sketch.part(scores, 1, 0, axis=2) if reading.background else scores
