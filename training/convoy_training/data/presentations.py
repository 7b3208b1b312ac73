"""Your own presentations to an anti-spoofing network: `live/` with photos of people, `attack/<kind>/` with attacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from convoy.core.errors import InvalidArgument
from convoy.core.pictures.decoding import Pixels, decode_image

from convoy_training.data.lists import IMAGES
from convoy_training.errors import LabelError

LIVE, ATTACK = "live", "attack"


@dataclass(frozen=True)
class Presentation:
    """One photo; attack: its kind, such as print or replay, None if it shows a living person."""

    file: Path
    attack: str | None

    def decode(self) -> Pixels:
        """The pixels uint8 RGB [H,W,3]; raises LabelError if the file is no picture."""
        try:
            return decode_image(self.file.read_bytes()).image_rgb
        except InvalidArgument as error:
            raise LabelError(str(self.file), None, error.message) from error


def list_presentations(folder: Path) -> Sequence[Presentation]:
    """Every photo below live/ and attack/<kind>/, by name; raises LabelError if either has none."""
    live = [Presentation(file, None) for file in _list_pictures(folder / LIVE)]
    kinds = sorted(one for one in (folder / ATTACK).glob("*") if one.is_dir())
    attacks = [Presentation(file, kind.name) for kind in kinds for file in _list_pictures(kind)]
    for found, where in ((live, f"{LIVE}/"), (attacks, f"{ATTACK}/<kind>/")):
        if not found:
            raise LabelError(str(folder), None, f"there is no photo below {where}")
    return [*live, *attacks]


def _list_pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGES and file.is_file())
