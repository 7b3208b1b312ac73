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
    """A gallery at the version of `head`, or later. Searches that ask a store raise Unavailable(STORE_UNAVAILABLE)."""

    gallery: Gallery
    codec: Codec
    head: Head

    @property
    def size(self) -> int:
        """Faces that are searched, as last counted."""

    async def load(self, head: Head, anew: bool) -> Head:
        """Take in what the store has, after `head` was read; gives the change after which to follow the stream.

        anew: the stream did not go on from where this process stood.
        """

    async def refresh(self, changed: Mapping[str, Sequence[str]], version: int) -> None:
        """Bring people up to the store, which has that version. changed: by person id, ids of the faces that came."""

    def put(self, person_id: str, person: Person | None, embeddings: Mapping[str, Vector]) -> None:
        """Put a person as they are now; None for nobody. embeddings: of the faces that are new, by id."""

    async def arrive(self, head: Head) -> None:
        """Note that every change up to this one has been taken in."""

    def drop_expired(self, now_ms: int) -> None:
        """Forget people who have expired; the sweep deletes them from the store later."""

    async def search(
        self, probe: Vector, top_k: int, having: Sequence[Entry], exact: bool, averages: bool = False
    ) -> list[Hit]:
        """The `top_k` most similar people, best first, each by the nearest face; ties by person id, then face id.

        probe: [dimension], unit length. having: only people with all of these entries (see Person.entries). exact:
        prove that nobody is nearer. averages: a person's average counts like a face, if the gallery asks for averages.
        """

    async def count_faces(self, having: Sequence[Entry]) -> int:
        """How many faces a search with this filter compares at most."""

    async def count_comparisons(self, having: Sequence[Entry]) -> int:
        """How many faces and averages a search with this filter compares at most."""

    async def find_people(self, person_ids: Sequence[str]) -> dict[str, Person]:
        """The people who are there, by id."""

    async def people_with(self, face_ids: Sequence[str]) -> dict[str, list[str]]:
        """The ids of those who have a face of an id, for each id that somebody has."""

    async def vectors_of(self, person_id: str) -> Vector | None:
        """The vectors of a person's faces, [faces, dimension]; None if the person is not there."""

    async def measure(self) -> tuple[int, int]:
        """Faces that are searched, and the memory that they take, in bytes."""

    async def checksum(self) -> str:
        """Sixteen hexadecimal digits that are equal for equal faces."""
