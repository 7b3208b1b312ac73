"""Folders of photos as Double Take, Viseron and Frigate keep them: a folder for each person."""

from functools import partial
from pathlib import Path

from convoy.cli.bulk_sources import photos_of, unwanted
from convoy.cli.migration.layouts import Layout
from convoy.cli.migration.source import Left, Photo, Somebody, Source
from convoy.cli.output import shown
from convoy.client.pictures import read_file
from convoy.core.errors import InvalidArgument
from convoy.core.names import composed

INSIDE = {
    Layout.DOUBLE_TAKE: (".storage/train", "train"),
    Layout.VISERON: ("face_recognition/faces", "faces"),
    Layout.FRIGATE: ("clips/faces", "faces"),
}
"""Where the folders of people lie below what the system calls its folder."""
NOBODY = frozenset({"unknown", "train", "none"})
"""Folders for faces that nobody has named yet."""
LOST = {
    Layout.DOUBLE_TAKE: ("matches, and what other detectors learnt: the photos are registered anew",),
    Layout.VISERON: ("the classifier that Viseron trained on these photos",),
    Layout.FRIGATE: ("Frigate's own embeddings and its recent attempts (the folder train)",),
}


def read_folders(folder: Path, layout: Layout) -> Source:
    """Everybody with a folder of photos. folder: that of the people, or the one above that the system writes to.

    Raises InvalidArgument(BAD_ARGUMENT) if there is nobody; OSError.
    """
    place = next((folder / one for one in INSIDE[layout] if (folder / one).is_dir()), folder)
    people, left = [], []
    for each in sorted(place.iterdir()):
        name = composed(shown(each.name))
        if reason := unwanted(each):
            left.append(Left(shown(each), "", "", *reason))
        elif not each.is_dir():
            left.append(Left(shown(each), "", "", "NO_PERSON", "it lies in no person's folder"))
        elif name.casefold() in NOBODY:
            left.append(Left(shown(each), name, "", "NO_PERSON", "faces in this folder have no name yet"))
        else:
            photos = []
            for path, outcome in photos_of(each):
                if outcome is None:
                    photos.append(Photo(shown(path), partial(read_file, path)))
                else:
                    left.append(Left(shown(path), name, "", outcome.reason, outcome.message))
            people.append(Somebody(name, tuple(photos)))
            if not photos:
                left.append(Left(shown(each), name, "", "NO_PHOTO", "there is no photo in it"))
    if not people:
        message = f"{shown(place)} has no folders of people; give the folder in which each person has one"
        raise InvalidArgument("BAD_ARGUMENT", message)
    return Source(tuple(one for one in people if one.photos), tuple(left), LOST[layout])
