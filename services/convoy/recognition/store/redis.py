"""Galleries in Redis (6.2 or newer, no modules): the truth that every replica follows.

All keys of a gallery share its name as hash tag, so they lie on one node of a Redis Cluster:

| key                        | type   | content                                                                     |
|----------------------------|--------|-----------------------------------------------------------------------------|
| convoy:{name}:meta         | hash   | info and later (JSON), born, people, faces, max_people, max_faces, labels   |
| convoy:{name}:head         | hash   | version, token of the last change, epoch, found; outlives the gallery       |
| convoy:{name}:people       | hash   | person id -> record (JSON)                                                  |
| convoy:{name}:order        | zset   | person ids, for pages                                                       |
| convoy:{name}:expiry       | zset   | person id -> when it is deleted by itself, in ms                            |
| convoy:{name}:templates    | hash   | "person id, space, face id" -> template                                     |
| convoy:{name}:found        | zset   | whose a name or the id of a face is: see directory.py                       |
| convoy:{name}:changes      | stream | <version>-0 -> token, who did what to whom; outlives the gallery: its audit |
| convoy:{name}:request:b:id | hash   | version, first answer and digest of a request; b: gallery's born; expires   |
| convoy:{name}:batch:id     | string | what came of writes without request ids, if they are sent again; expires    |

convoy:galleries (zset) holds every name that was ever used. A name is written before its gallery is made and is never
removed, so no gallery is missing from it; listing looks which galleries are there. convoy:aliases (hash) holds the
gallery that each alias stands for. The channel convoy:changes has the name of each gallery that is changed.
"""

# ruff: noqa: D102 - Store says what the methods do
import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import cached_property

from redis import exceptions
from redis.asyncio import RedisCluster

from convoy.recognition.domain.records import Change, Gallery, Note, Person, UnreadableGallery
from convoy.recognition.store.base import (
    NOWHERE,
    REPEATABLE_S,
    RESENT_S,
    Committed,
    Conflict,
    Head,
    Idempotency,
    NotSafe,
    Opened,
    Outcome,
    Standing,
    Store,
    Write,
    gallery_exists,
    gallery_not_found,
    gallery_unreadable,
)
from convoy.recognition.store.commands import RedisCommands
from convoy.recognition.store.connection import answered
from convoy.recognition.store.directory import Directory
from convoy.recognition.store.hints import listened
from convoy.recognition.store.layout import (
    change_of,
    committed_of,
    face_of,
    field_of,
    gallery_of,
    head_of,
    key_of,
    keys_of,
    label_of,
    last_state_of,
    limits_of,
    new_token,
    only_stream,
    opened_of,
    outcomes_of,
    packed,
    people_of,
    request_key,
    standings_of,
    words_of,
)
from convoy.recognition.store.sweeping import scanned, surveyed

INDEX = "convoy:galleries"
ALIASES = "convoy:aliases"
PAGE = 500
# Redis answers nobody else while a script runs, which takes some milliseconds for this many.
WRITES_PER_SCRIPT = 128
SURVEYED = 500
KEYS = ("meta", "head", "changes", "people", "order", "expiry", "templates", "found")


def _named(gallery: str) -> tuple[object, ...]:
    """The command that notes the name of a gallery, as often as one likes."""
    return "ZADD", INDEX, 0, gallery


class RedisStore(RedisCommands, Store):
    """See Store, and RedisCommands for how it is made."""

    @cached_property
    def _directory(self) -> Directory:
        return Directory(self)

    async def create_gallery(self, gallery: Gallery, note: Note, idempotency: Idempotency) -> Committed:
        await self._do(*_named(gallery.name))
        keys = [*keys_of(gallery.name, "meta", "head", "changes"), request_key(gallery.name, 0, idempotency)]
        keys.append(key_of(gallery.name, "found"))
        info = (gallery.to_json(), gallery.later_to_json(), *limits_of(gallery.policy))
        remembered = (idempotency.answer, idempotency.lifetime_s, idempotency.content, new_token())
        written = (new_token(), self._keep, *remembered, *words_of(note))
        reply = await self._run("create_gallery", keys, *info, *written)
        if reply[0] == b"EXISTS":
            raise gallery_exists(gallery.name)
        if self._writer.waits and isinstance(self._redis, RedisCluster):
            # On one server, whoever has the gallery has the name before it. Here that is on another node.
            await self._writer.write(INDEX, *_named(gallery.name))
        return committed_of(reply, idempotency)

    async def get_gallery(self, name: str) -> Gallery:
        [gallery] = await self._galleries([name])
        if gallery is None:
            raise gallery_not_found(name)
        if isinstance(gallery, UnreadableGallery):
            raise gallery_unreadable(gallery)
        return gallery

    async def set_alias(self, alias: str, gallery: str) -> None:
        change = ("HSET", ALIASES, alias, gallery) if gallery else ("HDEL", ALIASES, alias)
        await self._writer.write(ALIASES, *change)

    async def list_aliases(self) -> dict[str, str]:
        found = await self._do("HGETALL", ALIASES)
        return {alias.decode(): gallery.decode() for alias, gallery in found.items()}

    async def list_galleries(self, after: str, limit: int) -> list[Gallery | UnreadableGallery]:
        found: list[Gallery | UnreadableGallery] = []
        while len(found) < limit:
            start = f"({after}" if after else "-"
            names = await self._do("ZRANGE", INDEX, start, "+", "BYLEX", "LIMIT", 0, limit)
            if not names:
                break
            found += [gallery for gallery in await self._galleries([name.decode() for name in names]) if gallery]
            after = names[-1].decode()
        return found[:limit]

    async def update_gallery(self, before: Gallery, after: Gallery, note: Note) -> Committed:
        texts = (before.to_json(), before.later_to_json(), after.to_json(), after.later_to_json())
        chosen = (*texts, *limits_of(after.policy))
        keys = keys_of(before.name, "meta", "head", "changes")
        reply = await self._run("update_gallery", keys, *chosen, new_token(), self._keep, *words_of(note))
        if reply[0] == b"NOT_FOUND":
            raise gallery_not_found(before.name)
        if reply[0] == b"CONFLICT":
            raise Conflict
        return Committed(int(reply[1]))

    async def delete_gallery(self, name: str, note: Note) -> Gallery:
        keys = keys_of(name, *KEYS, "nothing")
        reply = await self._run("delete_gallery", keys, new_token(), self._keep, *words_of(note))
        if reply[0] == b"NOT_FOUND":
            raise gallery_not_found(name)
        return last_state_of(name, reply[1:])

    async def change_people(self, gallery: Gallery, writes: Sequence[Write]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for start in range(0, len(writes), WRITES_PER_SCRIPT):
            page = writes[start : start + WRITES_PER_SCRIPT]
            named = [write.idempotency for write in page if write.idempotency.request_id]
            keys = [*keys_of(gallery.name, *KEYS, f"batch:{new_token()}")]
            keys += [request_key(gallery.name, gallery.born, idempotency) for idempotency in named]
            resent_s = RESENT_S if len(named) < len(page) else 0
            try:
                replies = await self._run(
                    "change_people", keys, gallery.born, self._keep, resent_s, *packed(page, gallery)
                )
            except NotSafe as error:
                error.outcomes = [*outcomes, *outcomes_of(gallery, page, error.reply)]
                raise
            outcomes += outcomes_of(gallery, page, replies)
        return outcomes

    async def get_answer(self, gallery: Gallery, request_id: str) -> Committed | None:
        if not request_id:
            return None
        key = request_key(gallery.name, gallery.born, Idempotency(request_id))
        version, answer, content, epoch = await self._do("HMGET", key, "version", "answer", "digest", "epoch")
        if not version:
            return None
        if self._writer.waits:
            # The first time may have failed because it was not safe yet. What follows a write is safe when that is.
            await self._writer.write(key, "EXPIRE", key, REPEATABLE_S)
        return Committed(int(version), answer, True, (content or b"").decode(), (epoch or b"").decode())

    async def get_people(self, name: str, person_ids: Sequence[str]) -> list[Person | None]:
        if not person_ids:
            return []
        return people_of(person_ids, await self._do("HMGET", key_of(name, "people"), *person_ids))

    async def list_people(self, name: str, after: str, limit: int) -> list[Person]:
        start = f"({after}" if after else "-"
        ids = await self._do("ZRANGE", key_of(name, "order"), start, "+", "BYLEX", "LIMIT", 0, limit)
        return [person for person in await self.get_people(name, [i.decode() for i in ids]) if person]

    async def list_expired(self, name: str, now_ms: int, limit: int) -> list[str]:
        ids = await self._do("ZRANGE", key_of(name, "expiry"), "-inf", now_ms, "BYSCORE", "LIMIT", 0, limit)
        return [person_id.decode() for person_id in ids]

    async def get_templates(self, name: str, faces: Sequence[tuple[str, str]]) -> list[bytes | None]:
        if not faces:
            return []
        found: list[bytes | None] = await self._do(
            "HMGET", key_of(name, "templates"), *(field_of(*face) for face in faces)
        )
        return found

    async def get_labels(self, name: str, faces: Sequence[tuple[str, str]]) -> list[str]:
        if not faces:
            return []
        found = await self._do("HMGET", key_of(name, "meta"), *(label_of(*face) for face in faces))
        return [label.decode() if label else "" for label in found]

    async def read_people(
        self, name: str, person_ids: Sequence[str], faces: Sequence[tuple[str, str]]
    ) -> tuple[list[Person | None], list[bytes | None]]:
        if not person_ids or not faces:
            return await super().read_people(name, person_ids, faces)
        pipe = self._redis.pipeline(transaction=False)
        pipe.execute_command("HMGET", key_of(name, "people"), *person_ids)
        pipe.execute_command("HMGET", key_of(name, "templates"), *(field_of(*face) for face in faces))
        records, templates = await answered(pipe.execute())
        return people_of(person_ids, records), templates

    async def scan_people(self, name: str) -> AsyncIterator[list[tuple[str, bytes]]]:
        async for page in scanned(self._redis, key_of(name, "people")):
            yield [(person_id.decode(), record) for person_id, record in page.items()]

    async def scan_templates(self, name: str) -> AsyncIterator[tuple[list[tuple[str, str]], list[bytes]]]:
        async for page in scanned(self._redis, key_of(name, "templates")):
            yield [face_of(face) for face in page], list(page.values())

    async def find_named(self, gallery: Gallery, name: str) -> list[str] | None:
        return await self._directory.named(gallery, name)

    async def find_owners(self, gallery: Gallery, face_ids: Sequence[str]) -> dict[str, list[str]] | None:
        return await self._directory.owners(gallery, face_ids)

    async def list_names(self, after: str, limit: int) -> list[str]:
        start = f"({after}" if after else "-"
        return [name.decode() for name in await self._do("ZRANGE", INDEX, start, "+", "BYLEX", "LIMIT", 0, limit)]

    async def open_gallery(self, name: str, known: Head = NOWHERE) -> Opened:
        keys = keys_of(name, "meta", "head", "changes", "people", "templates")
        told = (new_token(), known.version, known.token, known.epoch)
        try:
            return opened_of(name, await self._script(self._together, "open_gallery", keys, *told))
        except exceptions.ResponseError as error:
            raise gallery_unreadable(UnreadableGallery(name, f"the store says: {error}")) from error

    async def survey(self, names: Sequence[str]) -> list[Standing]:
        pages = [names[start : start + SURVEYED] for start in range(0, len(names), SURVEYED)]
        return [one for page in pages for one in standings_of(await surveyed(self._redis, page))]

    def hints(self) -> AsyncIterator[str | None]:
        return listened(self._redis)

    async def get_head(self, name: str) -> Head:
        return head_of(*await self._do("HMGET", key_of(name, "head"), "version", "token", "epoch"))

    async def read_changes(self, name: str, after: int, wait_s: float) -> list[Change]:
        block = ("BLOCK", max(1, int(wait_s * 1000))) if wait_s else ()
        reply = await self._do("XREAD", "COUNT", PAGE, *block, "STREAMS", key_of(name, "changes"), f"{after}-0")
        return [change_of(*entry) for entry in only_stream(reply)]

    async def list_changes(self, name: str, before: int, limit: int) -> list[Change]:
        newest = f"({before}-0" if before else "+"
        entries = await self._do("XREVRANGE", key_of(name, "changes"), newest, "-", "COUNT", limit)
        return [change_of(*entry) for entry in entries]

    async def _galleries(self, names: Sequence[str]) -> list[Gallery | UnreadableGallery | None]:
        """Each with its counters, read in one go."""
        return await asyncio.gather(*(self._gallery(name) for name in names))

    async def _gallery(self, name: str) -> Gallery | UnreadableGallery | None:
        fields = ("info", "born", "people", "faces", "later")
        try:
            meta, last = await asyncio.gather(
                self._together("HMGET", key_of(name, "meta"), *fields),
                self._together("HMGET", key_of(name, "head"), "version", "token", "epoch"),
            )
            head = head_of(*last)
        except (exceptions.ResponseError, ValueError) as error:
            # Of this gallery alone: a key of another kind, a version that is no number.
            return UnreadableGallery(name, f"the store says: {error}")
        return gallery_of(name, meta, head)
