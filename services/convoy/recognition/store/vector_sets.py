"""Galleries in vector sets of Redis 8: an index beside the truth, spread over shards.

A person's faces lie in one shard. Each shard has a hash tag of its own, so a Redis Cluster spreads the shards of one
gallery over its nodes:

| key                               | type       | content                                                        |
|-----------------------------------|------------|----------------------------------------------------------------|
| convoy:{name/shard}:vectors:id    | vector set | "person id, space, face id" -> vector; attributes: see below   |
| convoy:{name/shard}:faces:id      | hash       | person id -> version of the state in the set, face ids         |
| convoy:{name}:settled:id          | hash       | version, token: every change up to here is in the sets         |
| convoy:vector_sets                | hash       | "name, space, id" -> shards, when they were made; for the sweep|

Each gallery has an `id` of its own, so that a new gallery never takes over what a deleted one of its name left behind.
Attributes are digests: one of the person's id, and one of each entry (fact or tag). So you can filter by any text, and
no text can break out of the filter's expression.
"""

import asyncio
import hashlib
import json
import time
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass

from convoy.core.errors import FailedPrecondition
from convoy.core.names import decomposed
from convoy.recognition.domain.records import Gallery, Person, UnreadableGallery, VectorSets
from convoy.recognition.store.base import Head
from convoy.recognition.store.redis import RedisStore

REGISTER = "convoy:vector_sets"
# A search with a filter looks at as many nodes of the graph as it must.
UNBOUNDED = 1_000_000_000
# Sets this old belong to a gallery that has been made, or that never will be; no writer comes later than the second.
MADE_S, LATE_S = 60.0, 3600.0
# An insertion takes Redis a millisecond or more, and other callers wait behind this many.
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Near:
    """A face that a vector set found, and its similarity by the numbers of the set."""

    person_id: str
    face_id: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Settled:
    """A person's state that the sets shall have. templates: of every face, little-endian float32."""

    person_id: str
    person: Person | None
    templates: Mapping[str, bytes]


class VectorSetStore:
    """Vector sets in the Redis of a store. Methods raise Unavailable(STORE_UNAVAILABLE) as the store's do."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store

    async def check(self) -> None:
        """Raise FailedPrecondition(BACKEND_UNAVAILABLE) on a server without vector sets."""
        if not await self._store.script("has_vector_sets", [REGISTER]):
            message = "the store (Redis) has no vector sets; use Redis 8.0 or newer"
            raise FailedPrecondition("BACKEND_UNAVAILABLE", message)

    async def announce(self, gallery: Gallery) -> None:
        """Note the sets before they are made, so that the sweep finds what is left of them."""
        sets = _sets(gallery)
        await self._store.command("HSET", REGISTER, f"{gallery.name} {sets.id}", f"{sets.shards} {time.time():.0f}")

    async def settle(self, gallery: Gallery, version: int, people: Sequence[Settled], force: bool = False) -> None:
        """Make the sets agree with these states, which were read at `version` of the gallery or later."""
        # Whoever takes over the faces of another (MergePeople, RenamePerson) has them before the other is gone: so a
        # search meanwhile finds them under one of the two names.
        for are_there in (True, False):
            some = [each for each in people if (each.person is not None) is are_there]
            for start in range(0, len(some), AT_ONCE):
                page = some[start : start + AT_ONCE]
                await asyncio.gather(*(self._settle(gallery, version, each, force) for each in page))

    async def _settle(self, gallery: Gallery, version: int, settled: Settled, force: bool) -> None:
        person, quantization = settled.person, _sets(gallery).quantization
        faces = [face.face_id for face in person.faces if face.face_id in settled.templates] if person else []
        words = [word for face_id in faces for word in (face_id, settled.templates[face_id])]
        keys = _keys(gallery.name, _sets(gallery).id, _shard(gallery, settled.person_id))
        attributes = _attributes(person) if person else ""
        state = (settled.person_id, version, int(force), quantization, attributes)
        await self._store.script("settle_person", keys, *state, *words)

    async def outdated(self, gallery: Gallery, version: int, person_ids: Iterable[str]) -> list[str]:
        """The people whose state in the sets is older than `version`."""
        by_shard: dict[int, list[str]] = {}
        for person_id in person_ids:
            by_shard.setdefault(_shard(gallery, person_id), []).append(person_id)
        found: list[str] = []
        for shard, ids in by_shard.items():
            kept = await self._store.command("HMGET", _keys(gallery.name, _sets(gallery).id, shard)[1], *ids)
            found += [i for i, state in zip(ids, kept, strict=True) if not state or int(state.split()[0]) < version]
        return found

    async def nearest(
        self, gallery: Gallery, probe: bytes, count: int, having: Sequence[tuple[str, str]], exact: bool
    ) -> list[list[Near]]:
        """The nearest faces in each shard, best first, up to `count`; exact: by looking at each.

        probe: little-endian float32. having: only people with these entries (see Person.entries).
        """
        sets = _sets(gallery)
        options: list[object] = ["TRUTH"] if exact else ["EF", max(sets.search_effort, count)]
        if having:
            wanted = " and ".join(_has(*entry) for entry in having)
            options += ["FILTER", wanted, "FILTER-EF", UNBOUNDED]
        asked = ("FP32", probe, "WITHSCORES", "COUNT", count, *options)
        keys = (_keys(gallery.name, sets.id, shard)[0] for shard in range(sets.shards))
        return [_near(reply) for reply in await asyncio.gather(*(self._store.command("VSIM", k, *asked) for k in keys))]

    async def members(self, gallery: Gallery) -> AsyncIterator[tuple[str, list[str]]]:
        """Everybody whose faces are in the sets, with the face ids."""
        for shard in range(_sets(gallery).shards):
            cursor = 0
            while True:
                key = _keys(gallery.name, _sets(gallery).id, shard)[1]
                reply = await self._store.command("HSCAN", key, cursor, "COUNT", 500)
                cursor = int(reply[0])
                for person_id, state in reply[1].items():
                    if faces := state.decode().split()[1:]:
                        yield person_id.decode(), faces
                if cursor == 0:
                    break

    async def measure(self, gallery: Gallery) -> tuple[int, int]:
        """Faces in the sets, and the memory that Redis gives for them."""
        keys = [_keys(gallery.name, _sets(gallery).id, shard)[0] for shard in range(_sets(gallery).shards)]
        counts = await asyncio.gather(*(self._store.command("VCARD", key) for key in keys))
        sizes = await asyncio.gather(*(self._store.command("MEMORY", "USAGE", key) for key in keys))
        return sum(int(count or 0) for count in counts), sum(int(size or 0) for size in sizes)

    async def get_settled(self, gallery: Gallery) -> Head | None:
        """The change up to which the sets have everything, as noted last."""
        version, token = await self._store.command("HMGET", _settled_key(gallery), "version", "token")
        return Head(int(version), token.decode()) if version else None

    async def set_settled(self, gallery: Gallery, head: Head) -> None:
        """Note that the sets have everything up to this change."""
        await self._store.command("HSET", _settled_key(gallery), "version", head.version, "token", head.token)

    async def drop(self, gallery: Gallery) -> None:
        """Delete the sets of a gallery that was deleted."""
        await self._drop(gallery.name, _sets(gallery).id, _sets(gallery).shards)

    async def sweep(self, galleries: Mapping[str, Gallery | UnreadableGallery]) -> None:
        """Delete the sets of all galleries but these. An entry stays for a while, in case a writer comes late.

        Those of a gallery whose record cannot be read stay.
        """
        for entry, made in (await self._store.command("HGETALL", REGISTER)).items():
            name, set_id = entry.decode().split()
            shards, made_s, *_ = made.decode().split()
            kept = galleries.get(name)
            if isinstance(kept, UnreadableGallery):
                continue
            if kept and kept.vector_sets and kept.vector_sets.id == set_id:
                continue
            age_s = time.time() - float(made_s)
            if age_s > MADE_S and not await self._drop(name, set_id, int(shards)) and age_s > LATE_S:
                await self._store.command("HDEL", REGISTER, entry)

    async def _drop(self, name: str, set_id: str, shards: int) -> int:
        """Delete the keys of a gallery's sets; gives how many there were."""
        keys = [key for shard in range(shards) for key in _keys(name, set_id, shard)]
        keys.append(f"convoy:{{{name}}}:settled:{set_id}")
        return sum(await asyncio.gather(*(self._store.command("UNLINK", key) for key in keys)))


def _sets(gallery: Gallery) -> VectorSets:
    assert gallery.vector_sets is not None
    return gallery.vector_sets


def _shard(gallery: Gallery, person_id: str) -> int:
    return int(zlib.crc32(person_id.encode()) % _sets(gallery).shards)


def _keys(name: str, set_id: str, shard: int) -> list[str]:
    """The keys of a shard's vectors and faces. No gallery has a slash in its name."""
    return [f"convoy:{{{name}/{shard}}}:{part}:{set_id}" for part in ("vectors", "faces")]


def _settled_key(gallery: Gallery) -> str:
    return f"convoy:{{{gallery.name}}}:settled:{_sets(gallery).id}"


def _digest(*words: str) -> str:
    return hashlib.blake2b("\0".join(words).encode(), digest_size=8).hexdigest()


def _has(*entry: str) -> str:
    """The filter for an entry; sets that 0.1.0 wrote may have it decomposed."""
    forms = dict.fromkeys((entry, tuple(map(decomposed, entry))))
    return "(" + " or ".join(f'"{_digest(*form)}" in .has' for form in forms) + ")"


def _attributes(person: Person) -> str:
    has = [_digest(*entry) for entry in person.entries]
    return json.dumps({"person": _digest(person.person_id), "has": has}, separators=(",", ":"))


def _near(reply: Mapping[bytes, float]) -> list[Near]:
    """Faces of a VSIM reply, whose scores are (1 + cosine) / 2; an empty list where there is no set."""
    found = []
    for element, score in dict(reply).items():
        person_id, face_id = element.decode().split(" ")
        found.append(Near(person_id, face_id, 2 * float(score) - 1))
    return found
