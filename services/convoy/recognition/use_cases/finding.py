"""Finding people and faces on record: in pages, by name and tags, and a face by its id."""

from collections.abc import Sequence
from dataclasses import dataclass

from convoy.core.errors import NotFound
from convoy.core.names import composed, folded
from convoy.recognition.domain.caller import now_ms
from convoy.recognition.domain.limits import check_tags, check_text
from convoy.recognition.domain.pages import Page, check_person_token, cut, page_size
from convoy.recognition.domain.records import Face, Person
from convoy.recognition.search.followers import Followers

PAGE_BYTES = 4 * 2**20
PEOPLE_AT_ONCE = 50
FILTERED = 5000
"""So many people are looked at for a page with a filter: reading and comparing them takes about a third of a second."""
_FACE_BYTES = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom a list is about. Empty: everybody.

    name: a text in id or display name, in any case; tags: all of them; called: the display name, in any case.
    """

    name: str = ""
    tags: Sequence[str] = ()
    called: str = ""

    def check(self) -> None:
        """Raise InvalidArgument(BAD_ARGUMENT) for what nobody can have."""
        check_text("name_contains", self.name)
        check_text("display_name", self.called)
        check_tags(self.tags)

    @property
    def is_everybody(self) -> bool:
        """Whether nothing is asked."""
        return not self.name and not self.tags and not self.called

    def fits(self, person: Person) -> bool:
        """Whether the person is one of them."""
        name = folded(self.name)
        if name and name not in folded(person.display_name) and name not in folded(person.person_id):
            return False
        if self.called and folded(self.called) != folded(person.display_name):
            return False
        return not self.tags or {composed(tag) for tag in self.tags} <= {composed(tag) for tag in person.tags}


EVERYBODY = Wanted()


class Finding:
    """The calls ListPeople and GetFace. Each raises the errors that the API documents."""

    def __init__(self, followers: Followers) -> None:
        self._store = followers.store
        self._followers = followers

    async def list(self, gallery: str, token: str, size: int, wanted: Wanted = EVERYBODY) -> Page[Person]:
        """People by id; the token of a page is its last id.

        Who has expired is left out, and a page ends after 4 MiB of facts, so a page may be short; with a filter it may
        be empty.
        """
        size, now = page_size(size), now_ms()
        check_person_token(token)
        wanted.check()
        found = await self._store.get_gallery(gallery)
        if wanted.called and (ids := await self._store.find_named(found, wanted.called)) is not None:
            page = await self._read(gallery, ids, token, size, wanted)
            return Page([person for person in page.entries if not person.is_expired(now)], page.next_token)
        read = self._read_page if wanted.is_everybody else self._look_for
        page = await read(gallery, token, size, wanted)
        return Page([person for person in page.entries if not person.is_expired(now)], page.next_token)

    async def _read_page(self, gallery: str, token: str, size: int, wanted: Wanted) -> Page[Person]:
        """Read people a few at a time, since each may have 64 KiB of facts, until the page is full."""
        found: list[Person] = []
        page_bytes = 0
        while len(found) <= size and (page_bytes < PAGE_BYTES or len(found) < 2):
            after, count = found[-1].person_id if found else token, min(PEOPLE_AT_ONCE, size + 1 - len(found))
            people = await self._store.list_people(gallery, after, count)
            found += people
            page_bytes += sum(map(_size_of, people))
            if not people:
                return cut(found, size, lambda person: person.person_id)
        return cut(found, min(size, len(found) - 1), lambda person: person.person_id)

    async def _read(self, gallery: str, ids: Sequence[str], token: str, size: int, wanted: Wanted) -> Page[Person]:
        """A page of those among these ids who are wanted."""
        after = [person_id for person_id in sorted(ids, key=str.encode) if person_id.encode() > token.encode()]
        people = await self._store.get_people(gallery, after[:size])
        fitting = [person for person in people if person and wanted.fits(person)]
        return Page(fitting, after[size - 1] if len(after) > size else "")

    async def _look_for(self, gallery: str, token: str, size: int, wanted: Wanted) -> Page[Person]:
        """Read people until the page is full of those who are wanted, or enough were looked at."""
        found: list[Person] = []
        looked_at = page_bytes = 0
        while looked_at < FILTERED and page_bytes < PAGE_BYTES:
            people = await self._store.list_people(gallery, token, PEOPLE_AT_ONCE)
            if not people:
                return Page(found, "")
            looked_at += len(people)
            for person in people:
                token = person.person_id
                if wanted.fits(person):
                    found.append(person)
                    page_bytes += _size_of(person)
                if len(found) == size:
                    return Page(found, token)
        return Page(found, token)

    async def get_face(self, gallery: str, face_id: str) -> tuple[Person, Face]:
        """A face by its id, and whose it is. Of people with one id for two faces, the first by person id."""
        view = await self._followers.fresh_view(gallery)
        owners = (await view.people_with([face_id])).get(face_id, ())
        for person in await self._store.get_people(gallery, sorted(owners, key=str.encode)):
            if person is not None and not person.is_expired(now_ms()):
                for face in person.faces:
                    if face.face_id == face_id:
                        return person, face
        message = f"gallery {gallery!r} has no face {face_id[:80]!r}"
        raise NotFound("FACE_NOT_FOUND", message, {"gallery": gallery, "face_id": face_id[:80]})


def _size_of(person: Person) -> int:
    """About how many bytes a record takes in an answer."""
    texts = (person.person_id, person.display_name, *person.tags, *person.metadata, *person.metadata.values())
    return sum(map(len, texts)) + _FACE_BYTES * len(person.faces)
