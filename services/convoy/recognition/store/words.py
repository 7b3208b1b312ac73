"""The words by which the index of a gallery finds people: see directory.py."""

import hashlib

from convoy.core.names import folded
from convoy.recognition.domain.records import Gallery, Person


def words_of_person(person: Person | None, gallery: Gallery) -> set[str]:
    """What a person is found by."""
    if person is None:
        return set()
    words = {f"{word_of_name(person.display_name)} {person.person_id}"} if person.display_name else set()
    # In memory each replica knows faces by their ids.
    faces = person.faces if gallery.vector_sets else ()
    return words | {f"{word_of_face(face.face_id)} {person.person_id}" for face in faces}


def word_of_name(name: str) -> str:
    """The word of a display name, without the person."""
    return f"n {hashlib.blake2b(folded(name).encode(), digest_size=12).hexdigest()}"


def word_of_face(face_id: str) -> str:
    """The word of a face, without the person."""
    return f"f {face_id}"
