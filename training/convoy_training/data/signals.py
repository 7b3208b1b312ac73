"""Signals with a label each, from a file of NumPy's arrays (.npz).

The file holds `train_signals` [N, samples] or [N, samples, channels], `train_labels` [N], which are names, and the same
for `validation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from convoy.core.manifest import MAX_SAMPLES, MAX_SIGNAL_CHANNELS
from numpy.typing import NDArray

from convoy_training.data.source import locate, read_arrays
from convoy_training.errors import LabelError

SPLITS = ("train", "validation")


@dataclass(frozen=True)
class Split:
    """signals: float32 [N, samples, channels]; labels: class ids [N]."""

    signals: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


@cache
def load_split(split: str, path: str) -> Split:
    """Loads one split and checks it. Raises LabelError that says what is wrong."""
    arrays = {name: _read(path, name) for name in SPLITS}
    classes = tuple(sorted({str(label) for label in arrays["train"][1]}))
    signals, labels = arrays[split]
    if strange := sorted({str(label) for label in labels} - set(classes)):
        raise LabelError(path, None, f"{split}_labels has '{strange[0]}', which train_labels lacks")
    if signals.shape[1:] != arrays["train"][0].shape[1:]:
        raise LabelError(path, None, "train_signals and validation_signals differ in length or channels")
    return Split(signals, np.array([classes.index(str(label)) for label in labels], np.int64), classes)


def _read(path: str, split: str) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    names = f"{split}_signals", f"{split}_labels"
    held = read_arrays(locate(path), names)
    try:
        signals, labels = held[names[0]].astype(np.float32), held[names[1]].astype(np.str_)
    except (TypeError, ValueError) as error:
        raise LabelError(path, None, f"{split}: {error}") from None
    if signals.ndim == 2:
        signals = signals[..., None]
    if signals.ndim != 3 or not len(signals) or labels.shape != signals.shape[:1]:
        shapes = f"{list(signals.shape)} and {list(labels.shape)}"
        raise LabelError(path, None, f"{split}: signals and labels have the shapes {shapes}")
    if not (2 <= signals.shape[1] <= MAX_SAMPLES and signals.shape[2] <= MAX_SIGNAL_CHANNELS):
        most = f"{MAX_SAMPLES} samples and {MAX_SIGNAL_CHANNELS} channels"
        raise LabelError(
            path, None, f"{split}_signals has the shape {list(signals.shape)}; signals have at most {most}"
        )
    if len(bad := np.flatnonzero(~np.isfinite(signals).all((1, 2)))):
        raise LabelError(path, None, f"signal {bad[0] + 1} of {split}_signals has a sample that is no finite number")
    return signals, labels
