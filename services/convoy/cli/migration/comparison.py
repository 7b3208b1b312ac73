"""Asks both systems who is in each photo that came over, and says where they differ."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convoy.cli.migration.source import Photo, Somebody
from convoy.cli.patience import Suspicion, is_broken, steadily
from convoy.core.errors import ConvoyError, InvalidArgument

if TYPE_CHECKING:
    from convoy.client import Convoy

NOBODY = "nobody"


@dataclass(frozen=True)
class Difference:
    """Who is in a photo, by either system. there: empty if the other system was not asked."""

    photo: str
    name: str
    here: str
    there: str


def compare(
    convoy: "Convoy", gallery: str, photos: Iterable[tuple[Somebody, Photo]], who: Callable[[bytes], str] | None
) -> Iterator[Difference | None]:
    """Yield for each photo None, or how the answers differ from each other or from the name on record.

    Raises Unavailable or what else a system answers that fails on everything.
    """
    version = convoy.get_gallery(gallery).version
    suspicion = Suspicion(lambda: convoy.get_gallery(gallery))
    for one, photo in photos:
        try:
            content = photo.read()
            here = _here(convoy, gallery, content, photo, version, suspicion)
            there = who(content) if who else ""
        except (OSError, InvalidArgument) as error:
            here, there = f"not asked: {error}", ""
        is_same = here == one.person_id and there.casefold() in ("", one.name.casefold())
        yield None if is_same else Difference(photo.label, one.name, here, there)


def _here(convoy: "Convoy", gallery: str, content: bytes, photo: Photo, version: int, suspicion: Suspicion) -> str:
    """The person's id, or why there is none: that of the face that is meant, else of the largest."""
    try:
        answer = steadily(lambda: convoy.identify(gallery, content, min_version=version, largest=photo.box_of is None))
    except ConvoyError as error:
        if is_broken(error):
            suspicion.weigh(error)
        else:
            suspicion.clear()
        return error.reason
    suspicion.clear()
    faces = list(answer)
    if photo.box_of is not None:
        box = photo.box_of(content)
        centre = ((box.x_min + box.x_max) / 2, (box.y_min + box.y_max) / 2)
        faces = [one for one in faces if _holds(one.face.box, centre)]
    if not faces or faces[0].person is None:
        return faces[0].decision.value.lower() if faces and faces[0].decision == "AMBIGUOUS" else NOBODY
    return faces[0].person.person_id


def _holds(box: object, point: tuple[float, float]) -> bool:
    x_min, y_min, x_max, y_max = (getattr(box, edge) for edge in ("x_min", "y_min", "x_max", "y_max"))
    return bool(x_min <= point[0] <= x_max and y_min <= point[1] <= y_max)
