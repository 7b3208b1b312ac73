"""Reads options of an import that people write as words and numbers, such as 0.485,0.456,0.406."""

import math
from typing import TYPE_CHECKING

from convoy.core.errors import InvalidArgument

if TYPE_CHECKING:
    from convoy.importing.adapters.adapter import Boxes, Form

UNITS: "dict[str, Boxes]" = {"pixels": "pixels", "normalised": "normalised", "normalized": "normalised"}
FORMS: "dict[str, Form]" = {
    "corners": "corners",
    "xyxy": "corners",
    "centres": "centres",
    "centers": "centres",
    "cxcywh": "centres",
}


def read_channels(option: str, text: str | None) -> tuple[float, float, float] | None:
    """Read one number for all channels, or three with commas. Raises InvalidArgument(BAD_ARGUMENT)."""
    if text is None:
        return None
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 3):
        raise InvalidArgument("BAD_ARGUMENT", f"{option} {text}: give one number, or three as 0.485,0.456,0.406")
    red, green, blue = numbers * 3 if len(numbers) == 1 else numbers
    return red, green, blue


def read_points(text: str | None) -> tuple[str, ...] | None:
    """Read names with commas between them. Raises InvalidArgument(BAD_ARGUMENT) for an empty or repeated name."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise InvalidArgument("BAD_ARGUMENT", f"--points {text}: give names as nose,left_eye,right_eye, each once")
    return names


def read_boxes(text: str | None) -> "tuple[Boxes | None, Form | None]":
    """Read pixels or normalised, corners or centres, or one of each. Raises InvalidArgument(BAD_ARGUMENT)."""
    unit: Boxes | None = None
    form: Form | None = None
    for word in text.split(",") if text is not None else ():
        known_unit, known_form = UNITS.get(word.strip().lower()), FORMS.get(word.strip().lower())
        if (known_unit is None) == (known_form is None) or (unit and known_unit) or (form and known_form):
            choices = "pixels or normalised, corners or centres, or one of each as normalised,centres"
            raise InvalidArgument("BAD_ARGUMENT", f"--boxes {text}: give {choices}")
        unit, form = known_unit or unit, known_form or form
    return unit, form


def read_priors(text: str | None) -> tuple[tuple[float, ...], ...] | None:
    """Read sides for each stride, as 16,32/64,128/256,512. Raises InvalidArgument(BAD_ARGUMENT)."""
    if text is None:
        return None
    try:
        priors = tuple(tuple(float(side) for side in level.split(",")) for level in text.split("/"))
    except ValueError:
        priors = ()
    if not 3 <= len(priors) <= 4 or not all(0 < side <= 8192 for level in priors for side in level):
        raise InvalidArgument(
            "BAD_ARGUMENT", f"--priors {text}: give the sides for strides 8, 16, 32 as 16,32/64,128/256,512"
        )
    return priors


def read_size(text: str | None) -> tuple[int, int] | int | None:
    """Read one side, or HEIGHTxWIDTH. Raises InvalidArgument(BAD_ARGUMENT)."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and 0 < int(side) <= 8192 for side in sides):
        raise InvalidArgument("BAD_ARGUMENT", f"--input-size {text}: give one side as 640, or HEIGHTxWIDTH as 480x640")
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def read_window(text: str | None) -> tuple[float, float] | None:
    """Read LEVEL,WIDTH of a window of grey values, as 40,400. Raises InvalidArgument(BAD_ARGUMENT)."""
    if text is None:
        return None
    try:
        level, width = map(float, text.split(","))
    except ValueError:
        level, width = 0.0, 0.0
    if not (math.isfinite(level) and 0 < width < math.inf):
        raise InvalidArgument("BAD_ARGUMENT", f"--window {text}: give level and width as 40,400; the width is above 0")
    return level, width
