"""What callers may send: the form of names and ids, and how much of everything is kept."""

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.core.names import is_id
from convoy.recognition.domain.found_faces import Box
from convoy.recognition.domain.records import Person

GALLERY_NAME = re.compile(r"[a-z0-9_][a-z0-9_-]{0,63}")
MAX_METADATA = 64
MAX_METADATA_LENGTH = 1024
MAX_TEXT_LENGTH = 1024
MAX_TAGS = 64
MAX_TAG_LENGTH = 128
MAX_REQUEST_ID_LENGTH = 128
MAX_LABEL_LENGTH = 200
MAX_FACE_ID = 64
MAX_FACES_OF_A_PERSON = 1000


def check_gallery_name(name: str) -> None:
    """1 to 64 of a-z, 0-9, '-' and '_', with no '-' first: a command would take the name for an option."""
    if not GALLERY_NAME.fullmatch(name):
        raise _bad(
            "gallery", f"{name[:80]!r} cannot name a gallery; use 1 to 64 of a-z, 0-9, '-' and '_', with no '-' first"
        )


def check_person_id(person_id: str) -> None:
    """1 to 128 printable characters without space."""
    if not is_id(person_id):
        raise _bad(
            "person_id", f"{person_id[:140]!r} cannot be a person id; use 1 to 128 printable characters without spaces"
        )


def check_text(name: str, text: str, most: int = MAX_TEXT_LENGTH) -> None:
    """A bounded length and no control characters, which a terminal would obey."""
    if len(text) > most:
        raise _bad(name, f"{name} has {len(text)} characters; at most {most} are kept")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise _bad(name, f"{name} has a control character; send text alone")


def check_metadata(metadata: Mapping[str, str]) -> None:
    """At most 64 entries of 1,024 characters, with keys that are not empty."""
    if len(metadata) > MAX_METADATA:
        raise _bad("metadata", f"metadata has {len(metadata)} entries; at most {MAX_METADATA} are kept")
    for key, value in metadata.items():
        if not key:
            raise _bad("metadata", "metadata has an entry with an empty key")
        if len(key) + len(value) > MAX_METADATA_LENGTH:
            raise _bad("metadata", f"the metadata entry {key[:40]!r} is longer than {MAX_METADATA_LENGTH} characters")
        check_text("metadata", key + value)


def check_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """The tags sorted, each once: at most 64 of 1 to 128 characters."""
    once = tuple(sorted(set(tags)))
    if len(once) > MAX_TAGS:
        raise _bad("tags", f"there are {len(once)} tags; at most {MAX_TAGS} are kept")
    for tag in once:
        if not tag:
            raise _bad("tags", "tags has an empty tag")
        check_text("tags", tag, MAX_TAG_LENGTH)
    return once


def check_labels(labels: Sequence[str], photos: int) -> None:
    """None, or one for each photo, of at most 200 characters."""
    if labels and len(labels) != photos:
        raise _bad("photo_labels", f"there are {len(labels)} labels for {photos} photos; send one for each, or none")
    for label in labels:
        check_text("photo_labels", label, MAX_LABEL_LENGTH)


def check_face_ids(ids: Sequence[str], photos: int) -> None:
    """None, or one for each photo, empty or of the form of is_face_id; none twice."""
    if ids and len(ids) != photos:
        raise _bad("face_ids", f"there are {len(ids)} face ids for {photos} photos; send one for each, or none")
    given = [face_id for face_id in ids if face_id]
    for face_id in given:
        if not is_face_id(face_id):
            what = f"{face_id[:80]!r} cannot be the id of a face"
            raise _bad("face_ids", f"{what}; use 1 to {MAX_FACE_ID} printable ASCII characters without spaces")
    if len(set(given)) < len(given):
        raise _bad("face_ids", "a face id is there twice; each face has its own")


def is_face_id(face_id: str) -> bool:
    """Whether it is 1 to 64 printable ASCII characters without space."""
    return 1 <= len(face_id) <= MAX_FACE_ID and face_id.isascii() and face_id.isprintable() and " " not in face_id


def check_boxes(boxes: Sequence[Box | None], photos: int) -> None:
    """None, or one for each photo, of finite edges in order."""
    if boxes and len(boxes) != photos:
        raise _bad("photo_boxes", f"there are {len(boxes)} boxes for {photos} photos; send one for each, or none")
    for box in boxes:
        # Written so that NaN is refused too.
        if box and not (all(map(math.isfinite, box)) and box.x_min < box.x_max and box.y_min < box.y_max):
            raise _bad("photo_boxes", "a box has edges that are no numbers, or none inside; send pixels of the photo")


def check_filter(filter: Mapping[str, str]) -> None:
    """Facts with keys that are not empty. The index files tags under the empty key, so it would find those."""
    if "" in filter:
        raise _bad("filter", "filter has an entry with an empty key; name the fact, or give a tag in tags")


def check_range(name: str, value: float, low: float, high: float, is_low_out: bool = False) -> None:
    """A number from `low` to `high` that is not NaN; is_low_out: above `low`."""
    if not low <= value <= high or (is_low_out and value == low):
        allowed = f"above {low:g} and at most {high:g}" if is_low_out else f"from {low:g} to {high:g}"
        raise InvalidArgument("BAD_ARGUMENT", f"{name} is {value:g}; it must be {allowed}")


def check_expiry(expires_ms: int, now_ms: int) -> int:
    """A time in the future: a person with a time in the past would be gone before the answer."""
    if expires_ms <= now_ms:
        raise _bad("expire_time", "expire_time is in the past; send a time in the future")
    return expires_ms


def check_request_id(request_id: str) -> None:
    """Up to 128 printable characters; empty for none."""
    if len(request_id) > MAX_REQUEST_ID_LENGTH or not (request_id.isprintable() and request_id.isascii()):
        raise _bad("request_id", f"request_id must be up to {MAX_REQUEST_ID_LENGTH} printable ASCII characters")


def check_faces(person: Person) -> Person:
    """The person, with at most 1,000 faces: each change of a person is written, read and searched as one."""
    if (count := len(person.faces)) > MAX_FACES_OF_A_PERSON:
        most = f"at most {MAX_FACES_OF_A_PERSON} of a person are kept"
        message = f"person {person.person_id!r} would have {count} faces; {most}"
        facts = {"person_id": person.person_id, "max_faces_of_a_person": MAX_FACES_OF_A_PERSON}
        raise FailedPrecondition("TOO_MANY_FACES", message, facts, hint="delete faces that you do not need")
    return person


def _bad(field: str, message: str) -> InvalidArgument:
    return InvalidArgument("BAD_ARGUMENT", message, {"field": field})
