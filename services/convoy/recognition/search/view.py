"""What this process can tell of a gallery, whichever way it is searched."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from convoy.recognition.domain.records import Gallery, Person
from convoy.recognition.domain.templates import Codec
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.index import Hit
from convoy.recognition.store.base import Head

Entry: TypeAlias = tuple[str, str]


class View(Protocol):
    """A gallery as of the version of `head`, or later. Searches raise Unavailable where they ask a store."""

    gallery: Gallery
    codec: Codec
    head: Head

    @property
    def size(self) -> int:
        """Faces that are searched, as last counted."""

    async def load(self, head: Head, anew: bool) -> Head:
        """Take in what the store has, read after `head`; gives the change from which the stream is to be followed.

        anew: the stream could not be followed from where this process stood.
        """

    async def refresh(self, changed: Mapping[str, Sequence[str]], version: int) -> None:
        """Make people be as they are in the store, which has that version; with each the ids of faces that came."""

    def put(self, person_id: str, person: Person | None, embeddings: Mapping[str, Vector]) -> None:
        """Make the person be so; `embeddings` holds those of the faces that are new."""

    async def arrive(self, head: Head) -> None:
        """Every change up to this one has been taken in."""

    def drop_expired(self, now_ms: int) -> None:
        """Forget people whose time is over; the store deletes them in its own time."""

    async def search(self, probe: Vector, top_k: int, having: Sequence[Entry], exact: bool) -> list[Hit]:
        """The `top_k` most similar people, best first, each by the nearest face; ties by person id, then face id.

        probe: [dimension], unit length. having: only people with all of these entries (see Person.entries). exact:
        prove that nobody is nearer.
        """

    async def count_faces(self, having: Sequence[Entry]) -> int:
        """Faces of the people with these entries, or of more: as many comparisons a search makes at most."""

    async def find_people(self, person_ids: Sequence[str]) -> dict[str, Person]:
        """Those of the people who are there."""

    async def vectors_of(self, person_id: str) -> Vector | None:
        """The vectors of a person's faces, [faces, dimension]; None for nobody."""

    async def measure(self) -> tuple[int, int]:
        """Faces that are searched, and the memory that they take, in bytes."""

    async def checksum(self) -> str:
        """Sixteen hexadecimal digits that are equal for equal faces."""
