"""The photographs of the demo: public ones that well-kept packages carry, or the user's own."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from convoy.client.answers.common import Box, ImageRGB
from convoy.core.errors import InvalidArgument, NotFound
from convoy.core.pictures.decoding import decode_image
from convoy.core.pictures.formats import SUFFIXES
from convoy.demo.renditions import renditions

ASTRONAUTS_FACE = Box(180, 72, 268, 184)
"""Where the face is in astronaut.png, marked by hand from eyebrows and temples to the chin."""


@dataclass(frozen=True)
class Photo:
    """An encoded picture; note: where it comes from or what was done to it."""

    name: str
    data: bytes
    note: str

    @property
    def image_rgb(self) -> ImageRGB:
        """Its pixels."""
        return decode_image(self.data).image_rgb


@dataclass(frozen=True)
class Somebody:
    """A person of the story: photos to register, and probes that must be named (or, of a stranger, must not)."""

    person_id: str
    name: str
    photos: tuple[Photo, ...]
    probes: tuple[Photo, ...]


@dataclass(frozen=True)
class Cast:
    """Who plays in the story."""

    known: tuple[Somebody, ...]
    strangers: tuple[Somebody, ...]


PACKAGED = {
    "astronaut.png": ("skimage", "data/astronaut.png", "Eileen Collins; NASA, public domain; from scikit-image"),
    "grace_hopper.jpg": (
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "Grace Hopper; US Navy, public domain; from Matplotlib",
    ),
    "chelsea.png": ("skimage", "data/chelsea.png", "Chelsea the cat; S. van der Walt, CC0; from scikit-image"),
    "china.jpg": ("sklearn", "datasets/images/china.jpg", "danielbuechele, CC BY 2.0; from scikit-learn"),
}


def packaged(name: str) -> Photo:
    """A photo out of an installed package. NotFound(NO_PHOTO): the package is not there."""
    package, path, note = PACKAGED[name]
    spec = find_spec(package)
    file = Path(spec.origin).parent / path if spec is not None and spec.origin else None
    if file is None or not file.is_file():
        raise NotFound("NO_PHOTO", f"{name} of the package {package} is not here: pip install 'convoy[demo]'")
    return Photo(name, file.read_bytes(), note)


def packaged_cast() -> Cast:
    """One astronaut to be known by one photo and found in altered renditions of it, and an admiral as the stranger."""
    portrait, stranger = packaged("astronaut.png"), packaged("grace_hopper.jpg")
    probes = tuple(
        Photo(f"{portrait.name}, rendition {number}", data, f"{portrait.name} {note}")
        for number, (data, note) in enumerate(renditions(portrait.image_rgb), 1)
    )
    collins = Somebody("eileen-collins", "Eileen Collins", (portrait,), probes)
    return Cast((collins,), (Somebody("grace-hopper", "Grace Hopper", (), (stranger,)),))


def read_cast(folder: Path) -> Cast:
    """People from a folder with one sub-folder each: the last photo of each is the probe, the others are registered.

    Whoever has one photo is a stranger; if nobody has, the last person is. InvalidArgument(BAD_ARGUMENT): too few.
    """
    shots = {path.name: _read_photos(path) for path in sorted(folder.iterdir()) if path.is_dir()}
    people = [_somebody(name, photos) for name, photos in shots.items() if photos]
    known = [person for person in people if person.photos]
    strangers = [person for person in people if not person.photos]
    if not strangers and len(known) > 1:
        last = known.pop()
        strangers = [Somebody(last.person_id, last.name, (), (*last.photos, *last.probes))]
    if not known or not strangers:
        message = f"'{folder}' needs a sub-folder for each of two people or more, one of them with two photos or more"
        raise InvalidArgument("BAD_ARGUMENT", message)
    return Cast(tuple(known), tuple(strangers))


def _read_photos(folder: Path) -> tuple[Photo, ...]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return tuple(Photo(f"{folder.name}/{file.name}", file.read_bytes(), "your own photo") for file in files)


def _somebody(folder_name: str, photos: tuple[Photo, ...]) -> Somebody:
    person_id = re.sub(r"\s+", "-", folder_name.strip())
    name = folder_name.replace("_", " ").title()
    return Somebody(person_id, name, photos[:-1], photos[-1:])
