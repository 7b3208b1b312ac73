"""Whose a name or the id of a face is, without reading everybody: an index beside the records, in the same slot.

| key                  | type | content                                                                                |
|----------------------|------|----------------------------------------------------------------------------------------|
| convoy:{name}:found  | zset | "n, digest of the name, person id" and, in vector sets, "f, face id, person id"        |
| convoy:{name}:head   | hash | found: the version up to which that is whole, and while it is built, the builder       |

The scripts that change people change it too, in the same step, and take `found` of the head along. A version of Convoy
that knows no index leaves `found` behind: then the index is built anew when it is next asked. Galleries that such a
version made have none, and get it in the same way. A name is kept as a digest, in the case that all spellings share.
Whoever finds an id here looks at the record, which is the truth.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgpack
import structlog
from redis import exceptions

from convoy.core.errors import Unavailable
from convoy.recognition.domain.records import Gallery, Person
from convoy.recognition.store.layout import key_of, keys_of
from convoy.recognition.store.words import word_of_face, word_of_name, words_of_person

if TYPE_CHECKING:
    from convoy.recognition.store.redis import RedisStore

log = structlog.get_logger()
TRIES = 3
OTHERS_S, PAUSE_S = 600.0, 0.2
"""How long another process that builds the index is waited for, and how long between looks."""
AT_ONCE = 1000


class Directory:
    """The index of each gallery in the Redis of a store."""

    def __init__(self, store: "RedisStore") -> None:
        self._store = store
        self._building: dict[str, asyncio.Task[bool]] = {}
        self._me = secrets.token_hex(8)

    async def named(self, gallery: Gallery, name: str) -> list[str] | None:
        """Ids of those who had this display name, in any case; None if there is no index for now."""
        found = await self._find(gallery, [word_of_name(name)])
        return None if found is None else found[0]

    async def owners(self, gallery: Gallery, face_ids: Sequence[str]) -> dict[str, list[str]] | None:
        """Ids of those who had a face of an id, for each id that somebody had; None if there is no index for now."""
        found = await self._find(gallery, list(map(word_of_face, face_ids)))
        if found is None:
            return None
        return {face_id: ids for face_id, ids in zip(face_ids, found, strict=True) if ids}

    async def _find(self, gallery: Gallery, words: Sequence[str]) -> list[list[str]] | None:
        if not await self._is_whole(gallery.name) and not await self._made(gallery):
            return None
        found: list[list[str]] = []
        for start in range(0, len(words), AT_ONCE):
            some = words[start : start + AT_ONCE]
            reply = await self._store.script("find_words", [key_of(gallery.name, "found")], *some)
            found += [[word.decode().rpartition(" ")[2] for word in one] for one in reply]
        return found

    async def _is_whole(self, name: str) -> bool:
        version, found = await self._store.command("HMGET", key_of(name, "head"), "version", "found")
        return found is not None and found == version

    async def _made(self, gallery: Gallery) -> bool:
        """Build the index, once for all who wait. It goes on when whoever asked first gives up."""
        task = self._building.get(gallery.name)
        if task is None:
            task = self._building[gallery.name] = asyncio.create_task(self._build(gallery))
            task.add_done_callback(lambda _: self._building.pop(gallery.name, None))
        return await asyncio.shield(task)

    async def _build(self, gallery: Gallery) -> bool:
        """Whether the index is whole now.

        A process of an earlier version may change people all the while, or the store take no writes for now.
        """
        for _ in range(TRIES):
            try:
                if await self._built(gallery):
                    return True
            except (exceptions.ResponseError, Unavailable) as error:  # Redis 7 says so as if it were away
                log.warning("the index of names is not built", gallery=gallery.name, problem=str(error)[:200])
                return False
        return False

    async def _built(self, gallery: Gallery) -> bool:
        await self._wait_for_others(gallery.name)
        # The time says how long another process waits for this one.
        token = f"{self._me}-{secrets.token_hex(4)}:{time.time():.0f}"
        head, changes, people, found = keys_of(gallery.name, "head", "changes", "people", "found")
        if await self._store.script("begin_found", [head, changes, found], token) == b"WHOLE":
            return True
        async for page in self._store.scan_people(gallery.name):
            if not await self._store.script("note_found", [head, people, found], token, _packed(page, gallery)):
                return False
        return bool(await self._store.script("end_found", [head, changes], token))

    async def _wait_for_others(self, name: str) -> None:
        while True:
            said = await self._store.command("HGET", key_of(name, "head"), "found")
            _, _, builder = (said or b"").decode().partition(" ")
            # What this process began and left is begun anew.
            if not builder or builder.startswith(self._me) or _age_s(builder) > OTHERS_S:
                return
            await asyncio.sleep(PAUSE_S)


def _age_s(builder: str) -> float:
    return time.time() - float(builder.rpartition(":")[2])


def _packed(page: Iterable[tuple[str, bytes]], gallery: Gallery) -> bytes:
    people = []
    for person_id, record in page:
        if words := words_of_person(Person.from_json(person_id, record), gallery):
            people.append((person_id, hashlib.sha1(record, usedforsecurity=False).hexdigest(), sorted(words)))
    packed: bytes = msgpack.packb(people, use_bin_type=False)
    return packed
