"""What is kept of a gallery and its people. No pictures, and templates only beside the records, never in them.

Times are whole milliseconds since 1970 (UTC).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import orjson


@dataclass(frozen=True, slots=True)
class Model:
    """The face embedder that a gallery is bound to."""

    name: str
    version: str
    sha256: str
    embedding_size: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What a gallery admits and how it decides; None takes the service's default, 0 means no limit."""

    quality_floor: float | None = None
    false_positive_identification_rate: float | None = None
    ambiguity_margin: float | None = None
    max_faces: int = 0
    max_people: int = 0


@dataclass(frozen=True, slots=True)
class VectorSets:
    """Where a gallery is searched that is not searched in memory: in so many vector sets of Redis 8.

    id: tells the sets of two galleries of one name apart. quantization: "NOQUANT" or "Q8", as VADD calls them.
    search_effort: VSIM's EF.
    """

    id: str
    shards: int
    quantization: str
    search_effort: int


@dataclass(frozen=True, slots=True)
class Gallery:
    """A set of people.

    born: the version at which it was made; tells two galleries of one name apart, when the first was deleted.
    data_key: the wrapped key that its templates are sealed with; empty when they are not.
    vector_sets: where it is searched; None for the memory of every replica.
    """

    name: str
    model: Model
    description: str = ""
    policy: Policy = Policy()
    create_time_ms: int = 0
    data_key: str = ""
    vector_sets: VectorSets | None = None
    born: int = 0
    version: int = 0
    people: int = 0
    faces: int = 0

    def to_json(self) -> str:
        """What the caller or the service chose; the counters are kept beside it."""
        chosen = asdict(self)
        for counter in ("name", "born", "version", "people", "faces"):
            del chosen[counter]
        if self.vector_sets is None:
            del chosen["vector_sets"]
        if not self.policy.max_people:
            del chosen["policy"]["max_people"]
        return _compact(chosen)

    @classmethod
    def from_json(cls, name: str, text: str, **counters: int) -> Self:
        """The inverse of to_json."""
        chosen = orjson.loads(text)
        model, policy = Model(**chosen.pop("model")), Policy(**chosen.pop("policy"))
        sets = chosen.pop("vector_sets", None)
        vector_sets = VectorSets(**sets) if sets else None
        return cls(name=name, model=model, policy=policy, vector_sets=vector_sets, **{**chosen, **counters})


@dataclass(frozen=True, slots=True)
class Face:
    """One face on record."""

    face_id: str
    quality: float
    create_time_ms: int


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a gallery; faces oldest first."""

    person_id: str
    display_name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    faces: tuple[Face, ...] = ()
    create_time_ms: int = 0
    update_time_ms: int = 0
    expire_time_ms: int | None = None
    tags: tuple[str, ...] = ()

    @property
    def entries(self) -> Iterator[tuple[str, str]]:
        """What the person is found by: metadata, and tags under the empty key, which no metadata has."""
        yield from self.metadata.items()
        yield from (("", tag) for tag in self.tags)

    def is_expired(self, now_ms: int) -> bool:
        """Whether the person counts as deleted already."""
        return self.expire_time_ms is not None and self.expire_time_ms <= now_ms

    def without(self, face_id: str, now_ms: int) -> Self:
        """The person less one face."""
        faces = tuple(face for face in self.faces if face.face_id != face_id)
        return replace(self, faces=faces, update_time_ms=now_ms)

    def to_json(self) -> str:
        """One text for one record, so that two records can be compared by their texts."""
        faces = [[face.face_id, face.quality, face.create_time_ms] for face in self.faces]
        times = [self.create_time_ms, self.update_time_ms, self.expire_time_ms]
        kept = {"name": self.display_name, "metadata": dict(self.metadata), "faces": faces, "times": times}
        return _compact(kept | {"tags": self.tags} if self.tags else kept)

    @classmethod
    def from_json(cls, person_id: str, text: str | bytes) -> Self:
        """The inverse of to_json."""
        kept = orjson.loads(text)
        faces = tuple(Face(*face) for face in kept["faces"])
        created, updated, expires = kept["times"]
        tags = tuple(kept.get("tags", ()))
        return cls(person_id, kept["name"], kept["metadata"], faces, created, updated, expires, tags)


def glance(records: Sequence[bytes]) -> Iterator[tuple[Sequence[tuple[str, str]], int | None]]:
    """Of the texts of many people: each one's entries and when the person expires; a fifth of what from_json costs."""
    for kept in orjson.loads(b"[%b]" % b",".join(records)):
        entries = tuple(kept["metadata"].items())
        if "tags" in kept:
            entries += tuple(("", tag) for tag in kept["tags"])
        yield entries, kept["times"][2]


@dataclass(frozen=True, slots=True)
class Note:
    """Who changed what, when, and what came of it: the audit's words, without biometrics."""

    action: str
    time_ms: int
    person_id: str = ""
    actor: str = ""
    outcome: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of a gallery's stream: the change that led to `version`.

    token: unique to it; parent: the token of the change before, so that a follower sees when history was replaced.
    faces: ids of the faces that came with it.
    """

    version: int
    token: str
    parent: str
    note: Note
    faces: tuple[str, ...] = ()


def _compact(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
