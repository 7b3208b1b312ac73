"""Reads films, picture by picture. It needs PyAV: the extra `film`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from convoy.client.answers.common import ImageRGB
from convoy.core.errors import FailedPrecondition, InvalidArgument

CUT = 0.5
"""From this change of colours on, a picture follows a cut: the share of pixels that would have to change."""
_LEVELS = 8
_SAMPLES = 128


@dataclass(frozen=True)
class Frame:
    """One picture of a film, upright. after_cut: whether its colours differ much from the picture before."""

    number: int
    time_s: float
    image_rgb: ImageRGB = field(repr=False)
    after_cut: bool = False


def frame_rate(path: Path) -> float:
    """How many pictures the film shows in a second, on average. Raises as `read_film` does."""
    with _open(load_pyav(), path) as film:
        return float(film.streams.video[0].average_rate or 25)


def read_film(path: Path) -> Iterator[Frame]:
    """Yield the pictures of a film in order; their size may change.

    OSError: the file cannot be read. InvalidArgument: it is no film (NOT_A_FILM), or it ends before its own
    header says (FILM_ENDS_EARLY); that is raised after the last picture that can be read. FailedPrecondition(NO_PYAV).
    """
    av = load_pyav()
    with _open(av, path) as film:
        yield from _frames(av, film, path)


def _open(av: Any, path: Path) -> Any:
    with path.open("rb") as file:  # A clear error for a file that is not there.
        file.read(1)
    try:
        film = av.open(str(path))
    except (av.error.FFmpegError, ValueError) as error:
        raise InvalidArgument("NOT_A_FILM", f"'{path}' is no film that can be read: {error}") from None
    if not film.streams.video:
        film.close()
        raise InvalidArgument("NOT_A_FILM", f"'{path}' has no pictures")
    return film


def _frames(av: Any, film: Any, path: Path) -> Iterator[Frame]:
    stream = film.streams.video[0]
    per_second = float(stream.average_rate or 25)
    number, time_s, last = 0, 0.0, None
    problem = ""
    decoded = film.decode(stream)
    while True:
        try:
            picture = next(decoded)
        except StopIteration:
            break
        except av.error.FFmpegError as error:
            problem = str(error)
            break
        time_s = picture.time if picture.time is not None else number / per_second
        image = _upright(picture)
        colours = _colours(image)
        yield Frame(number, time_s, image, last is not None and bool(np.abs(colours - last).sum() / 2 > CUT))
        number, last = number + 1, colours
    if not number:
        raise InvalidArgument("NOT_A_FILM", f"no picture of '{path}' can be read")
    promised_s = film.duration / av.time_base if film.duration else 0.0
    begin_s = (film.start_time or 0) / av.time_base
    missing = promised_s - (time_s - begin_s) - 1 / per_second
    # A film that was trimmed and not encoded anew counts pictures that it does not show: its length tells. That of the
    # film may be the sound's.
    own_s = float(stream.duration * stream.time_base) if stream.duration else promised_s
    lacks = number < stream.frames and (not own_s or missing - (promised_s - own_s) > 1 / per_second)
    if problem or lacks or missing > max(0.5, 3 / per_second):
        said = f", of {promised_s:.1f} s" if promised_s else ""
        raise InvalidArgument("FILM_ENDS_EARLY", f"'{path}' ends after {number} pictures, {time_s:.1f} s{said}")


def _upright(picture: Any) -> ImageRGB:
    image = picture.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(image, round(getattr(picture, "rotation", 0) / 90) % 4))


def _colours(image_rgb: ImageRGB) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """How many pixels have each of 512 colours, as shares."""
    height, width = image_rgb.shape[:2]
    few = image_rgb[:: max(1, height // _SAMPLES), :: max(1, width // _SAMPLES)].reshape(-1, 3) // (256 // _LEVELS)
    index = (few[:, 0].astype(int) * _LEVELS + few[:, 1]) * _LEVELS + few[:, 2]
    return np.bincount(index, minlength=_LEVELS**3) / len(index)


def load_pyav() -> Any:
    """Return the library. FailedPrecondition(NO_PYAV): it is not installed."""
    try:
        return import_module("av")
    except ImportError:
        hint = "pip install 'convoy-vision[film]'"
        raise FailedPrecondition("NO_PYAV", "films need PyAV, which is not installed", hint=hint) from None
