"""What the store keeps of a gallery and its people. There are no pictures, and templates lie beside the records.

Times are whole milliseconds since 1970 (UTC).

Services of two versions share one store during an upgrade. A reader takes the facts that it knows and carries the
others along in `rest`, so that what it writes back still has them, and so that a record that is read and written is the
same text: the store changes a record only if it still is the text that was read. A fact that a later version adds is
therefore left out of the text while it has its default. Version 0.1.0 cannot read a gallery's text with a fact that it
does not know, so what was added to Policy since stands in a text of its own, which 0.1.0 leaves as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, TypeAlias, TypeVar

import orjson

from convoy.core.names import composed

Entry: TypeAlias = tuple[str, str]
"""What a person is found by: a fact as key and value, or a tag as the empty key and the tag."""
Rest: TypeAlias = Mapping[str, Any]
Record = TypeVar("Record", "Model", "Policy", "VectorSets")
SINCE_0_1_0 = ("rate_unit", "same_occasion", "average_faces")
"""Facts of Policy that 0.1.0 did not have. The next ones belong here too."""
CARRIED = {"rest", "later"}
THINGS = "embedding"
"""The task of an embedder that is not of faces. 0.1.0 cannot read a gallery with it, and could not answer for it."""


@dataclass(frozen=True, slots=True)
class Model:
    """The embedder that a gallery is bound to. task: THINGS for one of things, empty for one of faces."""

    name: str
    version: str
    sha256: str
    embedding_size: int
    task: str = ""
    rest: Rest = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a gallery demands of photos and searches. None takes the service's default; a limit of 0 is no limit.

    later: facts of a later version that stand beside those of SINCE_0_1_0.
    """

    quality_floor: float | None = None
    false_positive_identification_rate: float | None = None
    ambiguity_margin: float | None = None
    max_faces: int = 0
    max_people: int = 0
    rate_unit: str | None = None
    same_occasion: bool | None = None
    average_faces: bool | None = None
    rest: Rest = field(default_factory=dict, hash=False)
    later: Rest = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class VectorSets:
    """The vector sets of Redis 8 in which a gallery is searched, as many as there are shards.

    id: tells the sets of two galleries with the same name apart. quantization: "NOQUANT" or "Q8", as VADD calls them.
    search_effort: VSIM's EF.
    """

    id: str
    shards: int
    quantization: str
    search_effort: int
    rest: Rest = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Gallery:
    """A set of people.

    born: the version at which it was made. It tells a gallery from an earlier one of the same name that was deleted.
    data_key: the wrapped key that seals its templates; empty when they are not sealed.
    vector_sets: where it is searched; None means in the memory of every replica. epoch: in which `version` counts.
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
    rest: Rest = field(default_factory=dict, hash=False)
    epoch: str = field(default="", compare=False, repr=False)

    def to_json(self) -> str:
        """What the caller or the service chose, in facts of 0.1.0; the store keeps the counters beside it."""
        policy = {name: fact for name, fact in _written(self.policy).items() if name not in SINCE_0_1_0}
        if not self.policy.max_people:
            del policy["max_people"]
        model = _written(self.model)
        if not self.model.task:
            del model["task"]
        kept = {
            "model": model,
            "description": self.description,
            "policy": policy,
            "create_time_ms": self.create_time_ms,
            "data_key": self.data_key,
        }
        if self.vector_sets:
            kept["vector_sets"] = _written(self.vector_sets)
        return _compact({**self.rest, **kept})

    def later_to_json(self) -> str:
        """What was chosen of the policy in facts that 0.1.0 does not have; empty if nothing was."""
        chosen = {name: fact for name in SINCE_0_1_0 if (fact := getattr(self.policy, name)) is not None}
        later = {**self.policy.later, **chosen}
        return _compact(later) if later else ""

    @classmethod
    def from_json(
        cls, name: str, text: str, later: str = "", *, born: int = 0, version: int = 0, people: int = 0, faces: int = 0
    ) -> Self:
        """The inverse of to_json and later_to_json."""
        rest, facts = orjson.loads(text), orjson.loads(later or "{}")
        chosen = {name: facts.pop(name) for name in SINCE_0_1_0 if name in facts}
        return cls(
            name=name,
            model=_read(Model, rest.pop("model")),
            description=rest.pop("description", ""),
            policy=replace(_read(Policy, {**rest.pop("policy", {}), **chosen}), later=facts),
            create_time_ms=rest.pop("create_time_ms", 0),
            data_key=rest.pop("data_key", ""),
            vector_sets=_read(VectorSets, sets) if (sets := rest.pop("vector_sets", None)) else None,
            born=born,
            version=version,
            people=people,
            faces=faces,
            rest=rest,
        )


@dataclass(frozen=True, slots=True)
class UnreadableGallery:
    """A gallery that is there, but whose record cannot be read; problem: why, in a few words."""

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class Face:
    """One face on record."""

    face_id: str
    quality: float
    create_time_ms: int
    rest: tuple[Any, ...] = field(default=(), hash=False)

    @classmethod
    def from_list(cls, kept: Sequence[Any]) -> Self:
        """The inverse of to_list."""
        face_id, quality, create_time_ms, *rest = kept
        return cls(face_id, quality, create_time_ms, tuple(rest))

    def to_list(self) -> list[Any]:
        """The face as its person's record has it."""
        return [self.face_id, self.quality, self.create_time_ms, *self.rest]


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
    rest: Rest = field(default_factory=dict, hash=False)

    @property
    def entries(self) -> Iterator[Entry]:
        """What the person is found by: facts, and tags under the empty key, which no fact has; in one form (NFC)."""
        yield from ((composed(key), composed(value)) for key, value in self.metadata.items())
        yield from (("", composed(tag)) for tag in self.tags)

    def is_expired(self, now_ms: int) -> bool:
        """Whether the person counts as deleted already."""
        return self.expire_time_ms is not None and self.expire_time_ms <= now_ms

    def without(self, face_id: str, now_ms: int) -> Self:
        """The person less one face."""
        faces = tuple(face for face in self.faces if face.face_id != face_id)
        return replace(self, faces=faces, update_time_ms=now_ms)

    def to_json(self) -> str:
        """The record as text: equal records have equal texts, so the store compares texts."""
        times = [self.create_time_ms, self.update_time_ms, self.expire_time_ms, *self.rest.get("times", ())]
        kept = {
            "name": self.display_name,
            "metadata": dict(self.metadata),
            "faces": [face.to_list() for face in self.faces],
            "times": times,
        }
        if self.tags:
            kept["tags"] = self.tags
        return _compact({**self.rest, **kept})

    @classmethod
    def from_json(cls, person_id: str, text: str | bytes) -> Self:
        """The inverse of to_json."""
        rest = orjson.loads(text)
        name, metadata = rest.pop("name"), rest.pop("metadata")
        faces = tuple(map(Face.from_list, rest.pop("faces")))
        created, updated, expires, *later = rest.pop("times")
        if later:
            rest["times"] = later
        return cls(person_id, name, metadata, faces, created, updated, expires, tuple(rest.pop("tags", ())), rest)


def glance(records: Sequence[bytes]) -> Iterator[tuple[Sequence[Entry], int | None]]:
    """From the texts of many people, the entries of each and when each expires; a fifth of the cost of from_json."""
    for kept in orjson.loads(b"[%b]" % b",".join(records)):
        entries = tuple((composed(key), composed(value)) for key, value in kept["metadata"].items())
        if "tags" in kept:
            entries += tuple(("", composed(tag)) for tag in kept["tags"])
        yield entries, kept["times"][2]


@dataclass(frozen=True, slots=True)
class Note:
    """An entry of the audit: who changed what, when, and what came of it, without biometrics."""

    action: str
    time_ms: int
    person_id: str = ""
    actor: str = ""
    outcome: str = ""
    request_id: str = ""

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Self:
        """The note of a stream's entry. Nobody rewrites entries, so facts of a later version are passed over."""
        words = {name: facts.get(name, "") for name in ("action", "person_id", "actor", "outcome", "request_id")}
        return cls(time_ms=int(facts.get("time_ms", 0)), **words)


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of a gallery's stream: the change that led to `version`.

    token: unique to this change. parent: the token of the change before; by it a follower sees that history was
    replaced. faces: ids of the faces that came with the change.
    """

    version: int
    token: str
    parent: str
    note: Note
    faces: tuple[str, ...] = ()


def _read(kind: type[Record], kept: Mapping[str, Any]) -> Record:
    """A record of its facts by name; those that are missing take their defaults."""
    known = {each.name for each in fields(kind)} - CARRIED
    facts = {name: kept[name] for name in known if name in kept}
    return kind(**facts, rest={name: fact for name, fact in kept.items() if name not in known})


def _written(record: Model | Policy | VectorSets) -> dict[str, Any]:
    """The inverse of _read."""
    known = {each.name: getattr(record, each.name) for each in fields(record) if each.name not in CARRIED}
    return {**record.rest, **known}


def _compact(value: Mapping[str, Any]) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
