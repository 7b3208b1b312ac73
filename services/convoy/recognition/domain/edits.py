"""What callers ask to be made or changed: galleries and people."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import orjson

from convoy.core.errors import InvalidArgument
from convoy.recognition.domain.face_source import ModelName
from convoy.recognition.domain.limits import check_range
from convoy.recognition.domain.records import Policy, VectorSets

POLICY_FIELDS = (
    "quality_floor",
    "false_positive_identification_rate",
    "ambiguity_margin",
    "max_faces",
    "max_people",
    "rate_unit",
    "same_occasion",
    "average_faces",
)
HIGHEST = {"quality_floor": 1.0, "false_positive_identification_rate": 1.0, "ambiguity_margin": 2.0}
"""The highest value of each field that is a number from 0 on; a rate lies above 0."""


@dataclass(frozen=True, slots=True)
class PolicyEdit:
    """Fields of a policy that get new values, and fields that go back to the service's default."""

    values: Mapping[str, float | str] = field(default_factory=dict)
    reset: Sequence[str] = ()

    def apply(self, before: Policy) -> Policy:
        """The policy after the edit. Raises InvalidArgument(BAD_ARGUMENT) for a bad value or an unknown field."""
        default, left = Policy(), set(POLICY_FIELDS)
        for name in self.reset:
            if name not in left:
                raise InvalidArgument("BAD_ARGUMENT", f"{name[:80]!r} is not a field of the policy, or is named twice")
            left.remove(name)
        for name, value in self.values.items():
            if name in HIGHEST:
                assert not isinstance(value, str)
                check_range(f"policy.{name}", value, 0, HIGHEST[name], is_low_out=name.endswith("_rate"))
        changes = {name: getattr(default, name) for name in self.reset} | dict(self.values)
        return replace(before, **changes)


@dataclass(frozen=True, slots=True)
class NewGallery:
    """A gallery to be made. vector_sets: None keeps it in memory. model: None binds it to the embedder in use."""

    name: str
    description: str = ""
    policy: PolicyEdit = PolicyEdit()
    vector_sets: VectorSets | None = None
    model: ModelName | None = None
    request_id: str = ""

    def digest(self) -> str:
        """32 hexadecimal digits, the same for the same request whatever its id."""
        sets, model = self.vector_sets, self.model
        said = {
            "description": self.description,
            "policy": sorted(self.policy.values.items()),
            "vector_sets": sets and [sets.shards, sets.quantization, sets.search_effort],
            "model": model and [model.name, model.version],
        }
        said = {name: fact for name, fact in said.items() if fact}
        return hashlib.blake2b(orjson.dumps(["CreateGallery", said]), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class GalleryEdit:
    """What is to change of a gallery; a description of None stays."""

    name: str
    description: str | None = None
    policy: PolicyEdit = PolicyEdit()


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person to be made without faces; see CreatePersonRequest in recognition.proto."""

    gallery: str
    person_id: str
    display_name: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    expire_time_ms: int | None = None
    request_id: str = ""

    def digest(self) -> str:
        """32 hexadecimal digits, the same for the same request whatever its id."""
        said = {
            "person_id": self.person_id,
            "display_name": self.display_name,
            "metadata": dict(self.metadata),
            "tags": sorted(self.tags),
            "expire_time_ms": self.expire_time_ms,
        }
        said = {name: fact for name, fact in said.items() if fact}
        words = orjson.dumps(["CreatePerson", said], option=orjson.OPT_SORT_KEYS)
        return hashlib.blake2b(words, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class PersonEdit:
    """What is to change of a person.

    display_name: None stays. metadata: an empty value removes the entry. expire_time_ms: None stays, 0 means never.
    """

    gallery: str
    person_id: str
    display_name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    expire_time_ms: int | None = None
    add_tags: Sequence[str] = ()
    remove_tags: Sequence[str] = ()
