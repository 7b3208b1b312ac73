"""Galleries and changes as keys and words of Redis, and Redis's replies as records."""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgpack

from convoy.recognition.domain.records import Change, Gallery, Model, Note, Person, Policy, UnreadableGallery
from convoy.recognition.store.base import (
    NOWHERE,
    Committed,
    Conflict,
    Head,
    Idempotency,
    Opened,
    Outcome,
    PersonChange,
    Standing,
    Write,
    gallery_full,
    gallery_not_found,
    gallery_unreadable,
)
from convoy.recognition.store.words import words_of_person


def key_of(name: str, part: str) -> str:
    """A key of a gallery."""
    return f"convoy:{{{name}}}:{part}"


def keys_of(name: str, *parts: str) -> list[str]:
    """Several keys of a gallery."""
    return [key_of(name, part) for part in parts]


def request_key(name: str, born: int, idempotency: Idempotency) -> str:
    """Where the first answer to a request is remembered."""
    return key_of(name, f"request:{born}:{idempotency.key}")


def field_of(person_id: str, face_id: str) -> str:
    """The field of a template in its hash."""
    return f"{person_id} {face_id}"


def label_of(person_id: str, face_id: str) -> str:
    """The field of a face's label in the gallery's hash."""
    return f"label {field_of(person_id, face_id)}"


def face_of(field: bytes) -> tuple[str, str]:
    """Person id and face id of a field."""
    person_id, _, face_id = field.decode().partition(" ")
    return person_id, face_id


def new_token() -> str:
    """A token that no other change has."""
    return secrets.token_hex(8)


def _tokens(count: int) -> list[str]:
    """Many tokens with one call to the system."""
    digits = secrets.token_hex(8 * count)
    return [digits[i : i + 16] for i in range(0, len(digits), 16)]


def words_of(note: Note) -> list[str]:
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


def limits_of(policy: Policy) -> tuple[int, int]:
    """How many people and how many faces a gallery may hold; 0 is no limit."""
    return policy.max_people, policy.max_faces


def packed(writes: Sequence[Write], gallery: Gallery) -> Iterator[bytes]:
    """Writes as the script change_people reads them."""
    changes = [change for write in writes for change, _ in write.changes]
    tokens = iter(_tokens(len(changes)))
    # Redis reads MessagePack as it was before it told bytes from text.
    yield msgpack.packb([_write(write, tokens, gallery) for write in writes], use_bin_type=False)
    for change in changes:
        yield from change.templates.values()


def _write(write: Write, tokens: Iterator[str], gallery: Gallery) -> tuple[object, ...]:
    idempotency = write.idempotency
    at_version = "" if write.at_version is None else write.at_version
    changes = [_person_change(change, note, next(tokens), gallery) for change, note in write.changes]
    remembered = (int(bool(idempotency.request_id)), idempotency.answer, idempotency.lifetime_s)
    return *remembered, at_version, changes, idempotency.content, write.at_epoch


def _person_change(change: PersonChange, note: Note, token: str, gallery: Gallery) -> tuple[object, ...]:
    person_id, after = change.person_id, change.after
    before = change.before.to_json() if change.before else ""
    removed = [field_of(person_id, face_id) for face_id in change.removed]
    added = [field_of(person_id, face_id) for face_id in change.templates]
    # With these ids a follower asks for the new templates together with the record.
    words = [*words_of(note), *(("faces", " ".join(change.templates)) if added else ())]
    # Labels stand in the gallery's own hash, which goes as a whole even where 0.1.0 deletes the gallery.
    labels = [(label_of(person_id, face_id), label) for face_id, label in change.labels.items() if label]
    unlabelled = [label_of(person_id, face_id) for face_id in change.removed]
    had, has = words_of_person(change.before, gallery), words_of_person(after, gallery)
    told = (token, words, removed, added, labels, unlabelled, sorted(had - has), sorted(has - had))
    if after is None:
        return person_id, before, "", "", *told
    expire_ms = "" if after.expire_time_ms is None else after.expire_time_ms
    return person_id, before, after.to_json(), expire_ms, *told


def is_made(reply: Any) -> bool:
    """Whether a script's reply says that something is kept, now or by an earlier call."""
    replies = reply if isinstance(reply[0], list) else [reply]
    return any(one[0] in (b"DONE", b"REPEATED") for one in replies)


def outcomes_of(gallery: Gallery, writes: Sequence[Write], replies: Any) -> list[Outcome]:
    """What came of each write. Raises NotFound(GALLERY_NOT_FOUND)."""
    return [_outcome_of(gallery, *each) for each in zip(writes, replies, strict=False)]


def _outcome_of(gallery: Gallery, write: Write, reply: Any) -> Outcome:
    match reply[0]:
        case b"NOT_FOUND":
            raise gallery_not_found(gallery.name)
        case b"CONFLICT":
            return Conflict()
        case b"FULL":
            return gallery_full(gallery.name, reply[1].decode(), int(reply[2]))
    return committed_of(reply, write.idempotency)


def change_of(entry_id: bytes, fields: dict[bytes, bytes]) -> Change:
    """An entry of a stream."""
    facts = {key.decode(): value.decode() for key, value in fields.items()}
    faces = tuple(facts.get("faces", "").split())
    return Change(int(entry_id.split(b"-")[0]), facts["token"], facts["parent"], Note.from_facts(facts), faces)


def people_of(person_ids: Sequence[str], records: Sequence[bytes | None]) -> list[Person | None]:
    """People from their records; None for whoever is not there."""
    pairs = zip(person_ids, records, strict=True)
    return [Person.from_json(person_id, record) if record else None for person_id, record in pairs]


def only_stream(reply: Any) -> Any:
    """The entries of an XREAD of one stream, in the shape of either version of Redis's protocol."""
    if not reply:
        return []
    return next(iter(reply.values()))[0] if isinstance(reply, dict) else reply[0][1]


def gallery_of(name: str, meta: Sequence[bytes | None], head: Head) -> Gallery | UnreadableGallery | None:
    """A gallery from its fields; None if it is not there."""
    info, born, people, faces, later = meta
    if info is None:
        return None
    try:
        counters = {"born": int(born or 0), "people": int(people or 0), "faces": int(faces or 0)}
        gallery = Gallery.from_json(name, info.decode(), (later or b"").decode(), **counters)
        return replace(gallery, version=head.version, epoch=head.epoch)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return UnreadableGallery(name, f"its record is spoilt: {type(error).__name__}")


def last_state_of(name: str, reply: Sequence[bytes]) -> Gallery:
    """A gallery that was deleted, from its version and fields. Of a spoilt record only the counters are known."""
    version, *meta = reply
    found = gallery_of(name, meta, Head(int(version), ""))
    if isinstance(found, Gallery):
        return found
    people, faces = (int(count) if count and count.isdigit() else 0 for count in meta[2:4])
    return Gallery(name, Model("", "", "", 0), version=int(version), people=people, faces=faces)


def committed_of(reply: Any, idempotency: Idempotency) -> Committed:
    """What a script's reply says that it kept."""
    if reply[0] == b"REPEATED":
        content, epoch = reply[3].decode(), reply[4].decode()
        return Committed(int(reply[1]), reply[2], bool(idempotency.request_id), content, epoch)
    return Committed(int(reply[1]), idempotency.answer, epoch=reply[2].decode())


def head_of(version: bytes | None, token: bytes | None, epoch: bytes | None) -> Head:
    """The head from its fields."""
    if not version:
        return NOWHERE
    return Head(int(version), (token or b"").decode(), (epoch or b"").decode())


def opened_of(name: str, reply: Sequence[Any]) -> Opened:
    """What the script open_gallery gives. Raises NotFound(GALLERY_NOT_FOUND), Unavailable(GALLERY_UNREADABLE)."""
    if not reply:
        raise gallery_not_found(name)
    *meta, version, token, epoch, mended = reply
    head = head_of(version, token, epoch)
    gallery = gallery_of(name, meta, head)
    if not isinstance(gallery, Gallery):
        raise gallery_unreadable(gallery or UnreadableGallery(name, "its record is gone"))
    return Opened(gallery, head, tuple(what.decode() for what in mended))


def standings_of(reply: Sequence[Any]) -> list[Standing]:
    """What the script survey gives."""
    found = []
    for i in range(0, len(reply), 5):
        version, token, epoch, exists, first = reply[i : i + 5]
        # A version that is no number is the gallery's own trouble: whoever opens it is told.
        head = head_of(version, token, epoch) if version.isdigit() else NOWHERE
        found.append(Standing(head, bool(exists), float(first) if first else None))
    return found
