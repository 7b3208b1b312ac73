"""People of one application of CompreFace, from its database as `pg_dump` wrote it.

Tables: model (a service: api_key, name, type), subject (id, api_key, subject_name), embedding (id: that of a face in
the REST interface, subject_id, img_id), img (id, content: the photo as it was uploaded).
"""

from collections import defaultdict
from pathlib import Path

from convoy.cli.migration.compreface import LOST, NO_PICTURE
from convoy.cli.migration.postgres_dump import Dump, Place, Row, bytea
from convoy.cli.migration.source import Left, Photo, Somebody, Source
from convoy.core.errors import InvalidArgument

TABLES = ("model", "subject", "embedding", "img")
RECOGNITION = ("R", "RECOGNITION")


def read_dump(path: Path, key: str) -> Source:
    """Everybody of the recognition service that the key names; photos are read when they are needed.

    Raises InvalidArgument(BAD_ARGUMENT): it is no such dump, or has no such service.
    """
    dump = Dump(path)
    models: dict[str, tuple[str, str]] = {}
    subjects: dict[str, str] = {}
    faces: list[tuple[str, str, str]] = []
    pictures: dict[str, Place] = {}
    left = []
    for table, row, place in dump.rows(TABLES):
        if table == "model":
            models[_text(row, "api_key")] = (_text(row, "name"), _text(row, "type"))
        elif table == "subject":
            if _text(row, "api_key") == key:
                subjects[_text(row, "id")] = _text(row, "subject_name")
        elif table == "embedding":
            faces.append((_text(row, "id"), _text(row, "subject_id"), _text(row, "img_id")))
        elif _text(row, "id"):
            pictures[_text(row, "id")] = place
    _check(path, models, key)
    photos: defaultdict[str, list[Photo]] = defaultdict(list)
    without = set(subjects)
    for face_id, subject_id, picture_id in sorted(faces):
        if subject_id not in subjects:
            continue
        without.discard(subject_id)
        if picture_id in pictures:
            photos[subject_id].append(_photo(dump, face_id, pictures[picture_id]))
        else:
            left.append(Left(face_id, subjects[subject_id], "", "NO_PICTURE", NO_PICTURE))
    left += [Left("", subjects[one], "", "NO_PHOTO", "the subject has no face there") for one in sorted(without)]
    named = sorted(subjects.items(), key=lambda item: item[1])
    people = tuple(Somebody(name, tuple(photos[subject_id])) for subject_id, name in named)
    return Source(people, tuple(left), LOST, keeps_empty=True)


def _photo(dump: Dump, face_id: str, place: Place) -> Photo:
    def read() -> bytes:
        content = dump.row_at(place).get("content")
        try:
            return bytea(content or b"")
        except ValueError as error:
            raise InvalidArgument("BAD_ARGUMENT", "the photo in the dump is no bytea; dump again") from error

    return Photo(face_id, read, face_id)


def _check(path: Path, models: dict[str, tuple[str, str]], key: str) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) unless the dump has a recognition service of this key. No key is told."""
    if not models:
        message = f"{path.name} has no table of services (model); is it a dump of CompreFace's database frs?"
        raise InvalidArgument("BAD_ARGUMENT", message)
    name, kind = models.get(key, ("", ""))
    if kind.upper() in RECOGNITION:
        return
    known = ", ".join(sorted(name for name, one in models.values() if one.upper() in RECOGNITION)) or "none"
    what = f"{name!r} is no recognition service" if kind else "no service of the dump has this key"
    raise InvalidArgument("BAD_ARGUMENT", f"{what}; recognition services in it: {known}")


def _text(row: Row, column: str) -> str:
    """A value as text, with \\xNN for a byte that is not UTF-8; empty for NULL.

    Raises InvalidArgument(BAD_ARGUMENT) for a column that is not there.
    """
    if column not in row:
        raise InvalidArgument("BAD_ARGUMENT", f"a table of the dump has no column {column}; is it one of CompreFace?")
    return (row[column] or b"").decode(errors="backslashreplace")
