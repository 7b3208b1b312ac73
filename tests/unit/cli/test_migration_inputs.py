"""Files and answers of other systems that are spoilt: each is read, or refused with a sentence."""

import json
import random
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from convoy.cli.migration.compreface import CompreFace
from convoy.cli.migration.compreface_dump import read_dump
from convoy.cli.migration.enrolment import Enrolment
from convoy.cli.migration.plan import make_plan
from convoy.cli.migration.postgres_dump import bytea
from convoy.cli.migration.rekognition import read_list
from convoy.cli.migration.source import Photo, Somebody, Source
from convoy.core.errors import ConvoyError, InvalidArgument

from tests.compreface_stub import KEY, CompreFaceStub, copied

STUB = CompreFaceStub()
STUB.add("Ada L\u00f3", b"\xff\xd8 a photo", None)
STUB.add("bob", b"another one")


def mutated(rng: random.Random, whole: bytes) -> bytes:
    """A few bytes changed, left out or doubled."""
    spoilt = bytearray(whole)
    for _ in range(rng.randint(1, 4) if whole else 0):
        at = rng.randrange(len(spoilt))
        match rng.randrange(4):
            case 0:
                spoilt[at] = rng.randrange(256)
            case 1:
                del spoilt[at : at + rng.randint(1, 60)]
            case 2:
                spoilt[at:at] = rng.choice([b"'", b"\\", b"\n", b"\t", b"\0", b";", b"\\.\n", b"COPY ", b"(", b"NULL"])
            case 3:
                spoilt[at:at] = spoilt[max(0, at - rng.randint(1, 200)) : at]
        if not spoilt:
            return b""
    return bytes(spoilt)


def read_all(source: Source) -> None:
    """Every photo is read or refused, and every name gets an id or is left out."""
    for one in make_plan(source.people, ()).people:
        for photo in one.photos:
            with suppress(ConvoyError):
                photo.read()


@pytest.mark.parametrize("inserts", [False, True])
def test_a_spoilt_dump_is_read_or_refused(tmp_path: Path, inserts: bool) -> None:
    rng, whole, dump, refused = random.Random(36), copied(STUB, inserts), tmp_path / "frs.sql", 0
    for _ in range(150):
        dump.write_bytes(mutated(rng, whole))
        try:
            read_all(read_dump(dump, KEY))
        except ConvoyError:
            refused += 1
    assert 10 < refused < 150
    dump.write_bytes(whole)
    assert [one.name for one in read_dump(dump, KEY).people] == ["Ada L\u00f3", "bob"]


def test_a_spoilt_answer_is_read_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, refused = random.Random(36), 0
    for _ in range(150):

        def send(self: CompreFace, request: object) -> bytes:
            _, content = STUB.answer("GET", request.selector, b"", KEY)  # type: ignore[attr-defined]
            return mutated(rng, content) if rng.random() < 0.5 else content

        monkeypatch.setattr(CompreFace, "_send", send)
        try:
            read_all(CompreFace("http://old", KEY).read())
        except ConvoyError:
            refused += 1
    assert 10 < refused < 150


@pytest.mark.parametrize(
    "found", [[], [3], [{"subjects": {"a": 1}}], [{"subjects": [3]}], [{"subjects": []}], [{}], [{"subjects": 7}]]
)
def test_an_answer_of_another_shape_names_nobody(monkeypatch: pytest.MonkeyPatch, found: object) -> None:
    monkeypatch.setattr(CompreFace, "_send", lambda self, request: json.dumps({"result": found}).encode())
    assert CompreFace("http://old", KEY).who(b"photo") == "nobody"


def test_a_spoilt_list_of_rekognition_is_read_or_refused(tmp_path: Path) -> None:
    rng, refused, listing = random.Random(36), 0, tmp_path / "faces.json"
    photo = tmp_path / "photos" / "a.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"x")
    box = {"Left": 0.1, "Top": 0.1, "Width": 0.5, "Height": 0.5}
    whole = json.dumps({"Faces": [{"FaceId": "1", "ExternalImageId": "a", "BoundingBox": box}] * 3}).encode()
    for _ in range(150):
        listing.write_bytes(mutated(rng, whole))
        try:
            read_all(read_list(listing, photo.parent))
        except ConvoyError:
            refused += 1
    assert 10 < refused < 150


@pytest.mark.parametrize(
    ("kept", "meant"), [(b"\\xff00", b"\xff\0"), (b"a\\\\b\\000\\377", b"a\\b\0\xff"), (b"", b""), (b"\\x", b"")]
)
def test_bytes_come_in_either_form(kept: bytes, meant: bytes) -> None:
    assert bytea(kept) == meant


def test_two_people_of_one_name_are_one_and_two_names_of_one_id_are_told() -> None:
    people = [Somebody("Ada"), Somebody("Joe_Biden"), Somebody("ADA"), Somebody(""), Somebody("x", (), "the-id")]
    plan = make_plan(people, ["Joe_Biden"])
    assert [one.person_id for one in plan.people] == ["ada", "Joe_Biden", "the-id"]
    assert [(one.name, one.reason) for one in plan.left] == [("ADA", "NAME"), ("", "NAME")]


def test_a_photo_whose_id_is_refused_spoils_no_other() -> None:
    class Gallery:
        def register(self, *_: object, face_ids: list[str], **__: object) -> object:
            if "an odd id" in face_ids:
                raise InvalidArgument("BAD_ARGUMENT", "cannot be the id of a face")
            return SimpleNamespace(results=[SimpleNamespace(accepted=True, face_id=one) for one in face_ids])

    photos = tuple(Photo(name, name.encode, name) for name in ("a", "an odd id", "b"))
    convoy: Any = Gallery()
    ((_, done),) = Enrolment(convoy, "staff").enrol((Somebody("Ada", photos, "ada"),))
    assert [(face_id, left and left.reason) for _, face_id, left in done] == [
        ("a", None),
        ("", "BAD_ARGUMENT"),
        ("b", None),
    ]
