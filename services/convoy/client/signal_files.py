"""Signals as arrays, from NumPy's and text files and from WAV."""

import os
import wave
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

from convoy.core.errors import InvalidArgument

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SignalLike: TypeAlias = Union["npt.ArrayLike", str, os.PathLike[str]]
"""Samples [T] or [T, channels], or the name of a .npy, .csv, .txt or .wav file that holds them."""
TEXTS = (".csv", ".tsv", ".txt")
_WIDTHS: dict[int, tuple[str, float, float]] = {
    1: ("u1", 128.0, 128.0),
    2: ("<i2", 0.0, 2.0**15),
    4: ("<i4", 0.0, 2.0**31),
}
"""By bytes of a WAV file's sample: its type, the value of silence, and of full scale."""


def read_signal(signal: SignalLike, rate_hz: float | None = None) -> "tuple[npt.NDArray[np.float32], float]":
    """The samples [T, channels] and the samples of each channel in a second.

    rate_hz: needed unless a WAV file says it. Samples of WAV lie between -1 and 1. InvalidArgument: NOT_A_SIGNAL, or
    BAD_ARGUMENT if nobody says the rate, or the file says another.
    """
    import numpy as np

    told = None
    if isinstance(signal, str | os.PathLike):
        samples, told = _read_file(Path(signal))
    else:
        samples = signal
    try:
        array = np.asarray(samples, np.float32)
    except (TypeError, ValueError):
        raise InvalidArgument("NOT_A_SIGNAL", "the signal is no array of numbers") from None
    if array.ndim not in (1, 2) or array.size == 0:
        message = f"the signal has the shape {list(array.shape)}; give samples [T] or [T, channels]"
        raise InvalidArgument("NOT_A_SIGNAL", message)
    if told is not None and rate_hz not in (None, told):
        raise InvalidArgument("BAD_ARGUMENT", f"the file says {told:g} Hz, and rate_hz {rate_hz:g}")
    rate = told if rate_hz is None else rate_hz
    if rate is None:
        raise InvalidArgument("BAD_ARGUMENT", "give the sampling rate (rate_hz), which only WAV files say themselves")
    return array.reshape(len(array), -1), float(rate)


def _read_file(file: Path) -> tuple[Any, float | None]:
    """Samples as they lie in a file, and their rate if it says it."""
    kind = file.suffix.lower()
    try:
        if kind == ".wav":
            return _read_wave(file)
        if kind == ".npy":
            import numpy as np

            return np.load(file, allow_pickle=False), None
        if kind in TEXTS:
            return _read_text(file), None
    except (ValueError, EOFError, wave.Error) as error:
        raise InvalidArgument("NOT_A_SIGNAL", f"'{file}' cannot be read as {kind[1:].upper()}: {error}") from None
    raise InvalidArgument("NOT_A_SIGNAL", f"'{file}': signals are read from .npy, .wav, {', '.join(TEXTS)}")


def _read_text(file: Path) -> "npt.NDArray[np.float32]":
    """A row for each moment, a column for each channel; a first line of names is skipped."""
    import numpy as np

    lines = [line for line in file.read_text("utf-8-sig").splitlines() if line.strip()]
    if not lines:
        raise ValueError("it is empty")
    mark = next((mark for mark in ("\t", ";", ",") if mark in lines[0]), None)
    has_names = len(lines) > 1 and not any(map(_is_number, lines[0].split(mark)))
    return np.loadtxt(lines[has_names:], np.float32, delimiter=mark, ndmin=2)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _read_wave(file: Path) -> "tuple[npt.NDArray[np.float32], float]":
    import numpy as np

    with wave.open(str(file), "rb") as sound:
        width, channels, rate = sound.getsampwidth(), sound.getnchannels(), sound.getframerate()
        if width not in _WIDTHS:
            raise ValueError(f"samples of {8 * width} bits; 8, 16 and 32 bits are read")
        kind, silence, full = _WIDTHS[width]
        values = np.frombuffer(sound.readframes(sound.getnframes()), kind).astype(np.float32)
    return ((values - silence) / full).reshape(-1, channels), float(rate)
