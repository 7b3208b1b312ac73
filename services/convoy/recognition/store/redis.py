"""Galleries in Redis (6.2 or newer, no modules): the truth that every replica follows.

All keys of a gallery share its name as hash tag, so they lie on one node of a Redis Cluster:

| key                        | type   | content                                                                     |
|----------------------------|--------|-----------------------------------------------------------------------------|
| convoy:{name}:meta         | hash   | info (JSON), born, people, faces, max_people, max_faces                     |
| convoy:{name}:head         | hash   | version, token of the last change; outlives the gallery                     |
| convoy:{name}:people       | hash   | person id -> record (JSON)                                                  |
| convoy:{name}:order        | zset   | person ids, for pages                                                       |
| convoy:{name}:expiry       | zset   | person id -> when it is deleted by itself, in ms                            |
| convoy:{name}:templates    | hash   | "person id, space, face id" -> template                                     |
| convoy:{name}:changes      | stream | <version>-0 -> token, who did what to whom; outlives the gallery: its audit |
| convoy:{name}:request:b:id | hash   | version and first answer of a request; b is the gallery's born; expires     |
| convoy:{name}:batch:id     | string | what came of writes without request ids, if they are sent again; expires    |

convoy:galleries (zset) holds every name ever used. It is written before the gallery is made and never taken from, so it
cannot miss one; listing looks which are there. convoy:aliases (hash) holds the gallery that each alias stands for.
"""

# ruff: noqa: D102 - Store says what the methods do
import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import unquote, urlsplit

import msgpack
from redis import exceptions
from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.credentials import CredentialProvider

from convoy.core.errors import Unavailable
from convoy.recognition.background import end
from convoy.recognition.records import Change, Gallery, Note, Person, Policy
from convoy.recognition.store.base import (
    RESENT_S,
    Committed,
    Conflict,
    Head,
    Outcome,
    PersonChange,
    Request,
    Store,
    Write,
    gallery_exists,
    gallery_full,
    gallery_not_found,
)

INDEX = "convoy:galleries"
ALIASES = "convoy:aliases"
PAGE = 500
SCANNED = 1000
DISK_MS = 3000
# Redis answers nobody else while a script runs: some ms for so many.
WRITES_PER_SCRIPT = 128
KEYS = ("meta", "head", "changes", "people", "order", "expiry", "templates")
# Words with which Redis says that it cannot serve for now, though it answers.
AWAY_ERRORS = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ClusterError,
    exceptions.RedisClusterException,
    exceptions.ReadOnlyError,
    OSError,
)
AWAY = ("MISCONF", "NOREPLICAS")


class _Login(CredentialProvider):
    """What a new connection says of itself. The password is asked for each time: it may change meanwhile."""

    def __init__(self, user: str, password: Callable[[], str]) -> None:
        self._user = user
        self._password = password

    def get_credentials(self) -> tuple[str, str]:
        return self._user, self._password()

    async def get_credentials_async(self) -> tuple[str, str]:
        return self.get_credentials()


class RedisStore(Store):
    """See Store.

    password: asked for at each new connection, unless the URL has one. keep: changes that a gallery's stream remembers,
    about. wait_aof: acknowledge a change only when Redis has it on its disk (WAITAOF, Redis 7.2 or newer, one node);
    with `appendfsync always` it has anyway.
    """

    def __init__(
        self, url: str, password: Callable[[], str] | None = None, keep: int = 1_000_000, wait_aof: bool = False
    ) -> None:
        self._keep = keep
        self._wait_aof = wait_aof
        self._redis: Any = _connect(url, password)
        pool = getattr(self._redis, "connection_pool", None)
        self._sentinels: list[Redis] = getattr(getattr(pool, "sentinel_manager", None), "sentinels", [])

    async def ping(self) -> None:
        await self._do("PING")

    async def close(self) -> None:
        await self._redis.aclose()
        # redis-py closes the master's connections alone, not those by which the sentinels were asked for it.
        for sentinel in self._sentinels:
            await sentinel.aclose()

    async def create_gallery(self, gallery: Gallery, note: Note, request: Request) -> Committed:
        await self._do("ZADD", INDEX, 0, gallery.name)
        keys = [*_keys(gallery.name, "meta", "head", "changes"), _request_key(gallery.name, 0, request)]
        info = (gallery.to_json(), *_most(gallery.policy))
        written = (_token(), self._keep, request.answer, request.lifetime_s, *_words(note))
        reply = await self._run("create_gallery", keys, *info, *written)
        if reply[0] == b"EXISTS":
            raise gallery_exists(gallery.name)
        return _committed(reply, request)

    async def get_gallery(self, name: str) -> Gallery:
        [gallery] = await self._galleries([name])
        if gallery is None:
            raise gallery_not_found(name)
        return gallery

    async def set_alias(self, alias: str, gallery: str) -> None:
        await (self._do("HSET", ALIASES, alias, gallery) if gallery else self._do("HDEL", ALIASES, alias))

    async def list_aliases(self) -> dict[str, str]:
        found = await self._do("HGETALL", ALIASES)
        return {alias.decode(): gallery.decode() for alias, gallery in found.items()}

    async def list_galleries(self, after: str, limit: int) -> list[Gallery]:
        found: list[Gallery] = []
        while len(found) < limit:
            start = f"({after}" if after else "-"
            names = await self._do("ZRANGE", INDEX, start, "+", "BYLEX", "LIMIT", 0, limit)
            if not names:
                break
            found += [gallery for gallery in await self._galleries([name.decode() for name in names]) if gallery]
            after = names[-1].decode()
        return found[:limit]

    async def update_gallery(self, before: Gallery, after: Gallery, note: Note) -> Committed:
        chosen = (before.to_json(), after.to_json(), *_most(after.policy))
        keys = _keys(before.name, "meta", "head", "changes")
        reply = await self._run("update_gallery", keys, *chosen, _token(), self._keep, *_words(note))
        if reply[0] == b"NOT_FOUND":
            raise gallery_not_found(before.name)
        if reply[0] == b"CONFLICT":
            raise Conflict
        return _committed(reply, Request())

    async def delete_gallery(self, name: str, note: Note) -> Gallery:
        reply = await self._run("delete_gallery", _keys(name, *KEYS), _token(), self._keep, *_words(note))
        if reply[0] == b"NOT_FOUND":
            raise gallery_not_found(name)
        version, info, born, people, faces = reply[1:]
        counters = {"version": int(version), "born": int(born), "people": int(people), "faces": int(faces)}
        return Gallery.from_json(name, info.decode(), **counters)

    async def change_people(self, gallery: Gallery, writes: Sequence[Write]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for start in range(0, len(writes), WRITES_PER_SCRIPT):
            page = writes[start : start + WRITES_PER_SCRIPT]
            named = [write.request for write in page if write.request.request_id]
            keys = [*_keys(gallery.name, *KEYS, f"batch:{_token()}")]
            keys += [_request_key(gallery.name, gallery.born, request) for request in named]
            resent_s = RESENT_S if len(named) < len(page) else 0
            replies = await self._run("change_people", keys, gallery.born, self._keep, resent_s, *_packed(page))
            outcomes += [_outcome(gallery, *each) for each in zip(page, replies, strict=False)]
        return outcomes

    async def get_answer(self, gallery: Gallery, request_id: str) -> Committed | None:
        if not request_id:
            return None
        key = _request_key(gallery.name, gallery.born, Request(request_id))
        version, answer = await self._do("HMGET", key, "version", "answer")
        return Committed(int(version), answer, repeated=True) if version else None

    async def get_people(self, name: str, person_ids: Sequence[str]) -> list[Person | None]:
        if not person_ids:
            return []
        return _people(person_ids, await self._do("HMGET", _key(name, "people"), *person_ids))

    async def list_people(self, name: str, after: str, limit: int) -> list[Person]:
        start = f"({after}" if after else "-"
        ids = await self._do("ZRANGE", _key(name, "order"), start, "+", "BYLEX", "LIMIT", 0, limit)
        return [person for person in await self.get_people(name, [i.decode() for i in ids]) if person]

    async def list_expired(self, name: str, now_ms: int, limit: int) -> list[str]:
        ids = await self._do("ZRANGE", _key(name, "expiry"), "-inf", now_ms, "BYSCORE", "LIMIT", 0, limit)
        return [person_id.decode() for person_id in ids]

    async def get_templates(self, name: str, faces: Sequence[tuple[str, str]]) -> list[bytes | None]:
        if not faces:
            return []
        found: list[bytes | None] = await self._do("HMGET", _key(name, "templates"), *(_field(*face) for face in faces))
        return found

    async def read_people(
        self, name: str, person_ids: Sequence[str], faces: Sequence[tuple[str, str]]
    ) -> tuple[list[Person | None], list[bytes | None]]:
        if not person_ids or not faces:
            return await super().read_people(name, person_ids, faces)
        pipe = self._redis.pipeline(transaction=False)
        pipe.execute_command("HMGET", _key(name, "people"), *person_ids)
        pipe.execute_command("HMGET", _key(name, "templates"), *(_field(*face) for face in faces))
        with _reached():
            records, templates = await pipe.execute()
        return _people(person_ids, records), templates

    async def scan_people(self, name: str) -> AsyncIterator[list[tuple[str, bytes]]]:
        async for page in self._scan(_key(name, "people")):
            yield [(person_id.decode(), record) for person_id, record in page.items()]

    async def scan_templates(self, name: str) -> AsyncIterator[tuple[list[tuple[str, str]], list[bytes]]]:
        async for page in self._scan(_key(name, "templates")):
            yield [_unfield(face) for face in page], list(page.values())

    async def get_head(self, name: str) -> Head:
        version, token = await self._do("HMGET", _key(name, "head"), "version", "token")
        return Head(int(version), token.decode()) if version else Head(0, "")

    async def read_changes(self, name: str, after: int, wait_s: float) -> list[Change]:
        block = ("BLOCK", max(1, int(wait_s * 1000)))
        reply = await self._do("XREAD", "COUNT", PAGE, *block, "STREAMS", _key(name, "changes"), f"{after}-0")
        return [_change(*entry) for entry in _only_stream(reply)]

    async def list_changes(self, name: str, before: int, limit: int) -> list[Change]:
        newest = f"({before}-0" if before else "+"
        entries = await self._do("XREVRANGE", _key(name, "changes"), newest, "-", "COUNT", limit)
        return [_change(*entry) for entry in entries]

    async def command(self, *words: object) -> Any:
        """Any other command, for what is kept beside galleries."""
        return await self._do(*words)

    async def script(self, name: str, keys: Sequence[str], *arguments: object) -> Any:
        """Run a script of the folder scripts."""
        return await self._run(name, keys, *arguments)

    async def _galleries(self, names: Sequence[str]) -> list[Gallery | None]:
        """Each with its counters, read in one go."""
        fields = ("info", "born", "people", "faces")
        metas = [self._do("HMGET", _key(name, "meta"), *fields) for name in names]
        heads = [self.get_head(name) for name in names]
        read = await asyncio.gather(*metas, *heads)
        return [_gallery(*parts) for parts in zip(names, read[: len(names)], read[len(names) :], strict=True)]

    async def _scan(self, key: str) -> AsyncIterator[dict[bytes, bytes]]:
        """The fields of a hash. While the caller works on a page the next one is on its way."""
        coming: asyncio.Task[Any] | None = self._scan_page(key, 0)
        try:
            while coming is not None:
                cursor, page = await coming
                coming = self._scan_page(key, int(cursor)) if int(cursor) else None
                yield page
        finally:
            await end(coming)

    def _scan_page(self, key: str, cursor: int) -> "asyncio.Task[Any]":
        return asyncio.create_task(self._do("HSCAN", key, cursor, "COUNT", SCANNED))

    async def _run(self, name: str, keys: Sequence[str], *arguments: object) -> Any:
        text, digest = _script(name)
        with _reached():
            try:
                return await self._write("EVALSHA", digest, len(keys), *keys, *arguments)
            except exceptions.NoScriptError:
                return await self._write("EVAL", text, len(keys), *keys, *arguments)

    async def _write(self, *command: object) -> Any:
        if not self._wait_aof:
            return await self._redis.execute_command(*command)
        # Both on one connection: WAITAOF waits for what its own connection wrote.
        pipe = self._redis.pipeline(transaction=False)
        reply, waited = await pipe.execute_command(*command).execute_command("WAITAOF", 1, 0, DISK_MS).execute()
        if waited[0] < 1:
            raise Unavailable("STORE_UNAVAILABLE", "the change is not on the store's disk yet; try again")
        return reply

    async def _do(self, *command: object) -> Any:
        with _reached():
            return await self._redis.execute_command(*command)


@contextmanager
def _reached() -> Iterator[None]:
    """Turn every way in which Redis can be away into one error."""
    try:
        yield
    except AWAY_ERRORS as error:
        raise Unavailable("STORE_UNAVAILABLE", "the store (Redis) cannot be reached; try again") from error
    except exceptions.OutOfMemoryError as error:
        raise Unavailable(
            "STORE_UNAVAILABLE", "the store (Redis) has no memory left; give it more or delete people"
        ) from error
    except exceptions.ResponseError as error:
        if not str(error).startswith(AWAY):
            raise
        raise Unavailable("STORE_UNAVAILABLE", "the store (Redis) cannot serve for now; try again") from error


def _connect(url: str, password: Callable[[], str] | None) -> "Redis | RedisCluster":
    """A client for redis://, rediss:// (TLS), unix://, redis+cluster://, rediss+cluster:// and redis+sentinel:// URLs.

    Sentinels are given as redis+sentinel://host:port,host:port/database/name-of-the-master.
    """
    options: dict[str, Any] = {"socket_timeout": 5.0, "socket_connect_timeout": 2.0}
    # Every gallery that is followed holds one of them; redis-py by itself would stop at a hundred.
    options["max_connections"] = 1 << 16
    # Again only where the connection broke; a store that is silent for seconds is away, and callers are told then.
    broken = (exceptions.ConnectionError,)
    options["retry"] = Retry(ExponentialBackoff(cap=0.1, base=0.01), retries=2, supported_errors=broken)
    user = urlsplit(url)
    if password and not user.password:
        options["credential_provider"] = _Login(unquote(user.username or "default"), password)
        url = url.replace(f"{user.username}@", "", 1) if user.username else url
    scheme, _, rest = url.partition("://")
    if scheme in ("redis+cluster", "rediss+cluster"):
        return RedisCluster.from_url(f"{scheme.removesuffix('+cluster')}://{rest}", **options)
    if scheme == "redis+sentinel":
        hosts, database, name = rest.split("/")
        pairs = [host.rsplit(":", 1) for host in hosts.rpartition("@")[2].split(",")]
        ask: Any = Sentinel
        master: Redis = ask([(host, int(port)) for host, port in pairs], socket_timeout=2.0).master_for(
            name, db=int(database), **options
        )
        return master
    return Redis.from_url(url, **options)


@cache
def _script(name: str) -> tuple[str, str]:
    text = resources.files("convoy.recognition.store").joinpath("scripts", f"{name}.lua").read_text()
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _key(name: str, part: str) -> str:
    return f"convoy:{{{name}}}:{part}"


def _keys(name: str, *parts: str) -> list[str]:
    return [_key(name, part) for part in parts]


def _request_key(name: str, born: int, request: Request) -> str:
    return _key(name, f"request:{born}:{request.key}")


def _field(person_id: str, face_id: str) -> str:
    return f"{person_id} {face_id}"


def _unfield(field: bytes) -> tuple[str, str]:
    person_id, _, face_id = field.decode().partition(" ")
    return person_id, face_id


def _token() -> str:
    return secrets.token_hex(8)


def _tokens(count: int) -> list[str]:
    """So many at once: one call to the system."""
    digits = secrets.token_hex(8 * count)
    return [digits[i : i + 16] for i in range(0, len(digits), 16)]


def _words(note: Note) -> list[str]:
    """The note as field, value, field, value…; empty ones are left out."""
    facts = {
        "action": note.action,
        "time_ms": str(note.time_ms),
        "person_id": note.person_id,
        "actor": note.actor,
        "outcome": note.outcome,
        "request_id": note.request_id,
    }
    return [word for fact in facts.items() if fact[1] for word in fact]


def _most(policy: Policy) -> tuple[int, int]:
    return policy.max_people, policy.max_faces


def _packed(writes: Sequence[Write]) -> Iterator[bytes]:
    """What the script change_people reads of writes."""
    changes = [change for write in writes for change, _ in write.changes]
    tokens = iter(_tokens(len(changes)))
    # Redis reads MessagePack as it was before it told bytes from text.
    yield msgpack.packb([_write(write, tokens) for write in writes], use_bin_type=False)
    for change in changes:
        yield from change.templates.values()


def _write(write: Write, tokens: Iterator[str]) -> tuple[object, ...]:
    request = write.request
    at_version = "" if write.at_version is None else write.at_version
    changes = [_person_change(change, note, next(tokens)) for change, note in write.changes]
    return int(bool(request.request_id)), request.answer, request.lifetime_s, at_version, changes


def _person_change(change: PersonChange, note: Note, token: str) -> tuple[object, ...]:
    person_id, after = change.person_id, change.after
    before = change.before.to_json() if change.before else ""
    removed = [_field(person_id, face_id) for face_id in change.removed]
    added = [_field(person_id, face_id) for face_id in change.templates]
    # Whoever follows the stream asks for the new templates together with the record.
    words = [*_words(note), *(("faces", " ".join(change.templates)) if added else ())]
    if after is None:
        return person_id, before, "", "", token, words, removed, added
    expire_ms = "" if after.expire_time_ms is None else after.expire_time_ms
    return person_id, before, after.to_json(), expire_ms, token, words, removed, added


def _outcome(gallery: Gallery, write: Write, reply: Any) -> Outcome:
    match reply[0]:
        case b"NOT_FOUND":
            raise gallery_not_found(gallery.name)
        case b"CONFLICT":
            return Conflict()
        case b"FULL":
            return gallery_full(gallery.name, reply[1].decode(), int(reply[2]))
    return _committed(reply, write.request)


def _change(entry_id: bytes, fields: dict[bytes, bytes]) -> Change:
    facts = {key.decode(): value.decode() for key, value in fields.items()}
    token, parent, time_ms = facts.pop("token"), facts.pop("parent"), int(facts.pop("time_ms"))
    faces = tuple(facts.pop("faces", "").split())
    return Change(int(entry_id.split(b"-")[0]), token, parent, Note(time_ms=time_ms, **facts), faces)


def _people(person_ids: Sequence[str], records: Sequence[bytes | None]) -> list[Person | None]:
    pairs = zip(person_ids, records, strict=True)
    return [Person.from_json(person_id, record) if record else None for person_id, record in pairs]


def _only_stream(reply: Any) -> Any:
    """The entries of an XREAD of one stream, in the shape of either protocol."""
    if not reply:
        return []
    return next(iter(reply.values()))[0] if isinstance(reply, dict) else reply[0][1]


def _gallery(name: str, meta: Sequence[bytes | None], head: Head) -> Gallery | None:
    info, born, people, faces = meta
    if info is None:
        return None
    counters = {"born": int(born or 0), "people": int(people or 0), "faces": int(faces or 0)}
    return replace(Gallery.from_json(name, info.decode(), **counters), version=head.version)


def _committed(reply: Any, request: Request) -> Committed:
    if reply[0] == b"REPEATED":
        return Committed(int(reply[1]), reply[2], repeated=bool(request.request_id))
    return Committed(int(reply[1]), request.answer)
