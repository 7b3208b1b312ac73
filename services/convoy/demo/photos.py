"""The people and pictures of the demo: public ones that Python packages carry, or your own."""

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
"""The face in astronaut.png, marked by hand from the eyebrows to the chin, temple to temple."""


@dataclass(frozen=True)
class Photo:
    """An encoded picture. note: where it comes from, or what was changed."""

    name: str
    data: bytes
    note: str

    @property
    def image_rgb(self) -> ImageRGB:
        """The pixels of the picture."""
        return decode_image(self.data).image_rgb


@dataclass(frozen=True)
class Somebody:
    """A person of the story: photos to register, and probes that must be named, or for a stranger must not."""

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
    """A picture from an installed package. Raises NotFound(NO_PHOTO) without the package."""
    package, path, note = PACKAGED[name]
    spec = find_spec(package)
    file = Path(spec.origin).parent / path if spec is not None and spec.origin else None
    if file is None or not file.is_file():
        message = f"the package {package} with {name} is not installed: pip install 'convoy-vision[demo]'"
        raise NotFound("NO_PHOTO", message)
    return Photo(name, file.read_bytes(), note)


def packaged_cast() -> Cast:
    """An astronaut, registered by one photo and looked for in altered copies of it, and an admiral as the stranger."""
    portrait, stranger = packaged("astronaut.png"), packaged("grace_hopper.jpg")
    probes = tuple(
        Photo(f"{portrait.name}, altered copy {number}", data, f"{portrait.name} {note}")
        for number, (data, note) in enumerate(renditions(portrait.image_rgb), 1)
    )
    collins = Somebody("eileen-collins", "Eileen Collins", (portrait,), probes)
    return Cast((collins,), (Somebody("grace-hopper", "Grace Hopper", (), (stranger,)),))


def read_cast(folder: Path) -> Cast:
    """People from a folder with a sub-folder for each. The last photo of each is the probe, the others are registered.

    A person with one photo is a stranger; if nobody has just one, the last person is the stranger.
    Raises InvalidArgument(BAD_ARGUMENT) for fewer than two people, or nobody with two photos.
    """
    shots = {path.name: _read_photos(path) for path in sorted(folder.iterdir()) if path.is_dir()}
    people = [_somebody(name, photos) for name, photos in shots.items() if photos]
    known = [person for person in people if person.photos]
    strangers = [person for person in people if not person.photos]
    if not strangers and len(known) > 1:
        last = known.pop()
        strangers = [Somebody(last.person_id, last.name, (), (*last.photos, *last.probes))]
    if not known or not strangers:
        message = (
            f"'{folder}' must have a sub-folder for each of at least two people, one of them with at least two photos"
        )
        raise InvalidArgument("BAD_ARGUMENT", message)
    return Cast(tuple(known), tuple(strangers))


def _read_photos(folder: Path) -> tuple[Photo, ...]:
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return tuple(Photo(f"{folder.name}/{file.name}", file.read_bytes(), "your own photo") for file in files)


def _somebody(folder_name: str, photos: tuple[Photo, ...]) -> Somebody:
    person_id = re.sub(r"\s+", "-", folder_name.strip())
    name = folder_name.replace("_", " ").title()
    return Somebody(person_id, name, photos[:-1], photos[-1:])
