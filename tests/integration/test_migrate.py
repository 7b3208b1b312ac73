"""convoy migrate: everybody comes with ids and photos, again and again, and what does not come is told by name."""

import csv
import json
import sqlite3
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import Result
from convoy.cli import patience
from convoy.cli.app import app
from convoy.cli.migration import compreface as rest
from convoy.cli.migration.enrolment import Enrolment
from convoy.client import Convoy
from convoy.core.errors import ConvoyError, Unavailable
from typer.testing import CliRunner

from tests.compreface_stub import KEY, OTHER_KEY, CompreFaceStub, copied, serving
from tests.fake_faces import look, photo_of, picture
from tests.recognition_stories import tell

pytestmark = pytest.mark.redis
Call = Callable[..., Result]
ODD = 'Ada\t"O\'Neil\\n" \u0141\u00f3'
STUB_PHOTOS = {
    "Joe_Biden": [photo_of(1).encoded, photo_of(1, 1).encoded],
    ODD: [photo_of(2).encoded],
    "Many": [photo_of(3, n).encoded for n in range(10)],
    "Two": [picture(look(4), look(5)).encoded, photo_of(6).encoded],
    "Twin": [photo_of(1, 7).encoded],
    "Unkept": [None],
    "Nobody": [],
    "Broken": [b"GIF89a?"],
}
LEFT = {
    ("Two", "SEVERAL_FACES"),
    ("Twin", "IDENTITY_CONFLICT"),
    ("Unkept", "NO_PICTURE"),
    ("Nobody", "NO_PHOTO"),
    ("Broken", "BAD_IMAGE"),
}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSE_S", 0.0)


@pytest.fixture
def stub() -> CompreFaceStub:
    stub = CompreFaceStub()
    for subject, photos in STUB_PHOTOS.items():
        stub.add(subject, *photos)
    stub.says = {photo: subject for subject, photos in STUB_PHOTOS.items() for photo in photos if photo}
    return stub


@pytest.fixture
def call(recognition_address: str) -> Call:
    environment = {"CONVOY_RECOGNITION_ADDRESS": recognition_address, "COLUMNS": "300"}
    return lambda *words: CliRunner().invoke(app, ["migrate", *map(str, words), "-g", "staff"], env=environment)


def document(done: Result) -> dict[str, Any]:
    """The document that a command printed, after the log lines of the service in this process."""
    lines = done.stdout.splitlines(keepends=True)
    found: dict[str, Any] = json.loads("".join(lines[lines.index("{\n") :]))
    return found


def faces(convoy: Convoy) -> dict[str, list[str]]:
    return {one.person_id: sorted(face.face_id for face in one.faces) for one in convoy.list_people("staff")}


def wanted(stub: CompreFaceStub) -> dict[str, list[str]]:
    """Who has which faces afterwards."""
    ids = {subject: [i for i, (one, _) in stub.faces.items() if one == subject] for subject in stub.subjects}
    kept = {subject: ids[subject] for subject in ("Joe_Biden", ODD, "Many")} | {"Two": ids["Two"][1:]}
    named = {"Joe_Biden": "joe_biden", ODD: 'ada%09"o\'neil\\n"%20\u0142\u00f3'}
    return {named.get(one, one.lower()): sorted(kept.get(one, [])) for one in stub.subjects}


@pytest.mark.parametrize("source", ["rest", "copy", "inserts"])
async def test_everybody_of_a_compreface_comes_and_a_second_run_changes_nothing(
    recognition_address: str, call: Call, stub: CompreFaceStub, tmp_path: Path, source: str
) -> None:
    report = tmp_path / "left.csv"

    def story(convoy: Convoy) -> None:
        with serving(stub) as url:
            if source == "rest":
                where = ("--url", url)
            else:
                where = ("--dump", tmp_path / "frs.sql")
                where[1].write_bytes(copied(stub, source == "inserts"))  # type: ignore[union-attr]
            words = ("compreface", *where, "--key", KEY, "--report", report)
            planned = call(*words, "--dry-run", "--json")
            assert document(planned)["photos"] == (18 if source == "rest" else 17), planned.output
            assert faces(convoy) == {}
            done = call(*words, "--json")
            said = document(done)
            assert (done.exit_code, said["registered"], said["known"]) == (1, 14, 0), done.output
            assert {(one["name"], one["reason"]) for one in said["left"]} == LEFT
            assert faces(convoy) == wanted(stub)
            assert convoy.get_person("staff", "joe_biden").display_name == "Joe_Biden"
            # Each photo is recognised by both.
            assert said["differences"] == [] and any("embeddings" in one for one in said["lost"])
            with report.open(newline="") as file:
                assert {(row["name"], row["reason"]) for row in csv.DictReader(file)} == LEFT
            version = convoy.get_gallery("staff").version
            again = document(call(*words, "--json"))
            assert (again["registered"], again["known"]) == (0, 14)
            assert {(one["name"], one["reason"]) for one in again["left"]} == LEFT
            assert convoy.get_gallery("staff").version == version

    await tell(recognition_address, story)


async def test_a_name_is_looked_for_as_it_stands_and_two_that_become_one_id_are_told(
    recognition_address: str, call: Call
) -> None:
    def story(convoy: Convoy) -> None:
        convoy.create_person("staff", "Joe_Biden")
        stub = CompreFaceStub()
        for number, name in enumerate(("Joe_Biden", "Ada L", "ADA L", "x" * 200), 1):
            stub.add(name, photo_of(number).encoded)
        with serving(stub) as url:
            done = call("compreface", "--url", url, "--key", KEY, "--no-compare")
        assert set(faces(convoy)) == {"Joe_Biden", "ada%20l"}
        assert [len(one) for one in faces(convoy).values()] == [1, 1]
        assert done.output.count("NAME") == 2 and "ADA L" in done.output

    await tell(recognition_address, story)


async def test_what_the_two_do_not_agree_on_is_listed(recognition_address: str, call: Call) -> None:
    def story(convoy: Convoy) -> None:
        stub = CompreFaceStub()
        stub.add("Ada", photo_of(1).encoded)
        stub.add("Bob", photo_of(2).encoded)
        stub.says = {photo_of(1).encoded: "Ada", photo_of(2).encoded: "Ada"}
        with serving(stub) as url:
            done = call("compreface", "--url", url, "--key", KEY, "--json")
        [difference] = document(done)["differences"]
        assert (difference["name"], difference["here"], difference["there"]) == ("Bob", "bob", "Ada")

    await tell(recognition_address, story)


async def test_a_compreface_that_dies_half_way_is_gone_on_with(
    recognition_address: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def story(convoy: Convoy) -> None:
        stub = CompreFaceStub()
        for number in range(30):
            stub.add(f"p{number:02}", photo_of(number).encoded)
        with serving(stub) as url:
            stub.fail_after = 30
            words = ("compreface", "--url", url, "--key", KEY, "--no-compare")
            done = call(*words)
            assert done.exit_code == 3 and "500" in done.output, done.output
            assert 0 < len(faces(convoy)) < 30
            stub.fail_after = 10**9
            assert call(*words).exit_code == 0
        assert [len(one) for one in faces(convoy).values()] == [1] * 30

    await tell(recognition_address, story)


async def test_one_photo_that_always_fails_there_is_refused_and_the_rest_comes(
    recognition_address: str, call: Call, tmp_path: Path
) -> None:
    def story(convoy: Convoy) -> None:
        stub, report = CompreFaceStub(), tmp_path / "left.csv"
        ids = {name: stub.add(name, photo_of(n).encoded, photo_of(n, 1).encoded) for n, name in enumerate("abcd")}
        stub.says = {photo: name for name, photo in stub.faces.values() if photo}
        stub.failing = {ids["b"][1]}
        with serving(stub) as url:
            words = ("compreface", "--url", url, "--key", KEY, "--json", "--report", report)
            said = document(call(*words))
            assert [(one["photo"], one["reason"]) for one in said["left"]] == [(ids["b"][1], "UNREADABLE")]
            assert (said["registered"], said["differences"]) == (7, [])
            assert "500" in report.read_text() and "UNREADABLE" in report.read_text()
            # What it cannot recognise is one photo's trouble too.
            stub.failing = {ids["c"][0]}
            said = document(call(*words))
            assert (said["registered"], said["known"], said["left"]) == (1, 7, [])
            [difference] = said["differences"]
            assert (difference["photo"], difference["here"][:9]) == (ids["c"][0], "not asked")
            stub.failing = {"/recognize"}
            assert {one["there"][:8] for one in document(call(*words))["differences"]} == {"refused:"}
            # Where it fails on one photo after another, it is not the photos.
            stub.failing = {"/img"}
            for name in map(str, range(60)):
                stub.add(name, photo_of(7 + int(name)).encoded)
            done = call("compreface", "--url", url, "--key", KEY, "--no-compare")
            assert (done.exit_code, "20 photos in a row" in done.output) == (3, True), done.output
            assert patience.RESUMED in done.output

    await tell(recognition_address, story)


@pytest.mark.parametrize("error", [Unavailable("SERVICE_UNREACHABLE", "away"), ConvoyError("INTERNAL", "broken")])
async def test_one_photo_that_always_fails_here_is_refused_and_the_rest_comes(
    recognition_address: str, call: Call, monkeypatch: pytest.MonkeyPatch, error: ConvoyError
) -> None:
    def story(convoy: Convoy) -> None:
        stub = CompreFaceStub()
        ids = stub.add("ada", *(photo_of(1, n).encoded for n in range(10)))
        others = [stub.add(f"p{n}", photo_of(20 + n).encoded)[0] for n in range(5)]
        register, look = Convoy.register, Convoy.get_gallery
        bad, away = photo_of(1, 4).encoded, [False]

        def failing(self: Convoy, gallery: str, person_id: str, photos: Any, **more: Any) -> Any:
            if bad in photos or away[0]:
                raise error
            return register(self, gallery, person_id, photos, **more)

        def looked(self: Convoy, gallery: str) -> Any:
            if away[0]:
                raise error
            return look(self, gallery)

        with serving(stub) as url, monkeypatch.context() as patch:
            patch.setattr(Convoy, "register", failing)
            patch.setattr(Convoy, "get_gallery", looked)
            words = ("compreface", "--url", url, "--key", KEY, "--no-compare")
            said = document(call(*words, "--json"))
            assert [(one["photo"], one["reason"]) for one in said["left"]] == [(ids[4], error.reason)]
            assert faces(convoy)["ada"] == sorted(set(ids) - {ids[4]}) and said["registered"] == 14
            # A service that is away ends the run, and says what to do.
            away[0] = True
            done = call(*words)
            assert (done.exit_code != 0, patience.RESUMED in done.output) == (True, True), done.output
            away[0] = False
            patch.undo()
            assert call(*words).exit_code == 0
        assert faces(convoy) == {"ada": sorted(ids)} | {f"p{n}": [i] for n, i in enumerate(others)}

    await tell(recognition_address, story)


async def test_ctrl_c_ends_it_in_good_order(
    recognition_address: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def story(convoy: Convoy) -> None:
        stub = CompreFaceStub()
        for number in range(30):
            stub.add(f"p{number:02}", photo_of(number).encoded)
        enrol, main = Enrolment.enrol, threading.current_thread()

        def interrupted(self: Enrolment, people: Any) -> Any:
            assert threading.current_thread() is main
            for number, each in enumerate(enrol(self, people)):
                if number == 5:
                    raise KeyboardInterrupt
                yield each

        with serving(stub) as url, monkeypatch.context() as patch:
            patch.setattr(Enrolment, "enrol", interrupted)
            words = ("compreface", "--url", url, "--key", KEY, "--no-compare")
            assert call(*words).exit_code == 130
            patch.undo()
            assert call(*words).exit_code == 0
        assert [len(one) for one in faces(convoy).values()] == [1] * 30

    await tell(recognition_address, story)


async def test_bad_answers_of_a_compreface_are_said(
    recognition_address: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def story(convoy: Convoy) -> None:
        stub = CompreFaceStub()
        stub.add("Ada", photo_of(1).encoded)
        monkeypatch.setattr(rest, "MOST_BYTES", 4000)
        with serving(stub) as url:
            asking = ("compreface", "--url", url, "--key")
            for words, exit_code, said in (
                ((*asking, OTHER_KEY), 2, "not found"),
                ((*asking, "k\u00e9y"), 2, "x-api-key"),
                (("compreface", "--url", "ftp://x", "--key", KEY), 2, "no address"),
                (("compreface", "--url", "http://127.0.0.1:9", "--key", KEY), 3, "does not answer"),
                (("compreface", "--key", KEY), 2, "either --url or --dump"),
                (("compreface", "--url", url), 2, "either --key or --key-file"),
            ):
                done = call(*words)
                assert (done.exit_code, said in done.output) == (exit_code, True), done.output
            for wrong, said in (
                (b"<html>", "none of CompreFace's"),
                (b"[]", "none of CompreFace's"),
                (b'{"subjects": 3}', "no subjects"),
                (b'{"subjects": [3], "faces": []}', "no text"),
                (b'{"subjects": [], "faces": [{"image_id": 7}]}', "no text"),
                (b"{" + b" " * 5000, "more than"),
            ):
                stub.wrong = wrong
                done = call(*asking, KEY)
                assert (done.exit_code, said in done.output) == (2, True), done.output
            # The key goes to no other server.
            stub.wrong, stub.redirect, before = None, "http://127.0.0.1:9/", len(stub.asked)
            assert call(*asking, KEY).exit_code == 2 and len(stub.asked) == before + 1
        assert faces(convoy) == {}

    await tell(recognition_address, story)


async def test_bad_dumps_are_said(recognition_address: str, call: Call, stub: CompreFaceStub, tmp_path: Path) -> None:
    whole = copied(stub)
    dumps = {
        b"PGDMP\x01\x0e": "pg_restore",
        b"\x1f\x8b\x08\0": "gunzip",
        "COPY".encode("utf-16"): "UTF-16",
        b"": "no table of services",
        b"hello\n": "no table of services",
        whole[: whole.index(b"COPY public.subject") - 200]: "ends inside",
        whole.replace(b"COPY public.subject (id, api_key,", b"COPY public.subject (id, key,"): "no column api_key",
        whole.replace(b"id, name, type, app_id, guid, api_key) FROM", b"id, api_key) FROM"): "6 values for 2",
        copied(stub, inserts=True).replace(b"', NULL);", b"', NULL"): "INSERT",
    }

    def story(convoy: Convoy) -> None:
        dump = tmp_path / "frs.sql"
        for content, said in dumps.items():
            dump.write_bytes(content)
            done = call("compreface", "--dump", dump, "--key", KEY)
            assert (done.exit_code, said in done.output) == (2, True), (said, done.output[-500:])
        dump.write_bytes(whole)
        done = call("compreface", "--dump", dump, "--key", "d")
        assert done.exit_code == 2 and "Door, Gate" in done.output
        assert KEY not in done.output and OTHER_KEY not in done.output
        assert faces(convoy) == {}
        # A photo that is no bytea is the only one that stays behind.
        dump.write_bytes(whole.replace(b"\\\\x" + photo_of(2).encoded.hex().encode(), b"\\\\xzz"))
        said = document(call("compreface", "--dump", dump, "--key", KEY, "--json"))
        assert (ODD, "BAD_ARGUMENT") in {(one["name"], one["reason"]) for one in said["left"]}
        assert said["registered"] == 13

    await tell(recognition_address, story)


LAYOUTS = {"double-take": ".storage/train", "viseron": "face_recognition/faces", "frigate": "clips/faces"}


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_folders_of_people_come(recognition_address: str, call: Call, tmp_path: Path, layout: str) -> None:
    place = tmp_path / LAYOUTS[layout]
    suffix = ".webp" if layout == "frigate" else ".jpg"
    for folder, number in (("Ada Lovelace", 1), ("bob", 2), ("unknown", 3), ("train", 4)):
        (place / folder).mkdir(parents=True)
        for photo in range(2):
            (place / folder / f"{photo}{suffix}").write_bytes(photo_of(number, photo).encoded)
    (place / "bob" / "copy.jpg").write_bytes(photo_of(2).encoded)
    (place / "bob" / "notes.txt").write_text("no photo")
    (place / ".hidden").mkdir()
    (place / "stray.jpg").write_bytes(photo_of(5).encoded)

    def story(convoy: Convoy) -> None:
        words = ("folders", tmp_path, "--from", layout, "--json")
        said = document(call(*words))
        assert (said["registered"], said["refused"]) == (4, 1), said
        reasons = sorted(one["reason"] for one in said["left"])
        assert reasons == ["DUPLICATE", "HIDDEN", "NO_PERSON", "NO_PERSON", "NO_PERSON", "UNSUPPORTED_FORMAT"]
        first = faces(convoy)
        assert {one: len(ids) for one, ids in first.items()} == {"ada%20lovelace": 2, "bob": 2}
        again = document(call(*words))
        assert (again["registered"], again["known"], faces(convoy)) == (0, 4, first)
        empty = tmp_path / "empty"
        empty.mkdir()
        assert call("folders", empty, "--from", layout).exit_code == 2

    await tell(recognition_address, story)


def painted(*embeddings: list[float]) -> bytes:
    """A picture that both the fake face service and an image library can read: JSON after the pixels of a PNG."""
    _, png = cv2.imencode(".png", np.zeros((100, 100, 3), np.uint8))
    return bytes(png) + picture(*embeddings).encoded


async def test_faces_of_rekognition_come_with_photos_of_ones_own(
    recognition_address: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.fake_faces import FakeFaces

    find = FakeFaces._find

    def after_png(self: FakeFaces, image: Any, *more: Any) -> Any:
        start = image.encoded.find(b'{"faces"')
        return find(self, type(image)(encoded=image.encoded[start:] if start > 0 else image.encoded), *more)

    monkeypatch.setattr(FakeFaces, "_find", after_png)
    ids = [str(uuid.UUID(int=n)) for n in range(1, 7)]
    box = {"Left": 0.0, "Top": 0.0, "Width": 0.99, "Height": 0.99}
    named = ["group.png", "ada", "gone.jpg", None, "twice", "no-picture"]
    listing = [
        {"FaceId": i, "ImageId": "i", "ExternalImageId": name, "BoundingBox": box}
        for i, name in zip(ids, named, strict=True)
    ]
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    (photos / "group.png").write_bytes(painted(look(1), look(2)))
    (photos / "more" / "ada.png").write_bytes(painted(look(2, 3)))
    (photos / "twice.jpg").write_bytes(b"1")
    (photos / "more" / "twice.png").write_bytes(b"2")
    (photos / "no-picture.jpg").write_bytes(b"no picture")
    made = tmp_path / "faces.json"

    def story(convoy: Convoy) -> None:
        made.write_text(json.dumps({"Faces": listing, "FaceModelVersion": "6.0"}))
        said = document(call("rekognition", made, photos, "--json"))
        assert said["registered"] == 2, said
        reasons = [(one["person_id"], one["reason"]) for one in said["left"]]
        assert sorted(reasons) == [
            (ids[2], "NO_PHOTO"),
            (ids[3], "NO_PHOTO"),
            (ids[4], "NO_PHOTO"),
            (ids[5], "NOT_AN_IMAGE"),
        ]
        # Both show one person; the box of the first says which of two faces is meant. Each FaceId stays a person.
        assert faces(convoy) == {ids[0]: [ids[0]], ids[1]: [ids[1]]}
        assert convoy.get_person("staff", ids[0]).metadata["external_image_id"] == "group.png"
        for wrong, told in (
            ("[]", "no Faces"),
            ("{", "no JSON"),
            ('{"Faces": [{"ImageId": "1"}]}', "no Faces"),
            (json.dumps({"Faces": listing, "NextToken": "more"}), "NextToken"),
            (json.dumps({"Faces": [listing[0] | {"BoundingBox": {"Left": "a"}}]}), "BoundingBox"),
            ("[" * 100_000, "no JSON"),
        ):
            made.write_text(wrong)
            done = call("rekognition", made, photos)
            assert (done.exit_code, told in done.output) == (2, True), done.output[-400:]

    await tell(recognition_address, story)


async def test_deepstack_gives_names_alone(recognition_address: str, call: Call, tmp_path: Path) -> None:
    database = tmp_path / "faceembedding.db"
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE TB_EMBEDDINGS(userid TEXT PRIMARY KEY, embedding TEXT)")
        connection.executemany("INSERT INTO TB_EMBEDDINGS VALUES (?, ?)", [("Ada", "[0.1]"), ("bob", "[0.2]")])
    connection.close()

    def story(convoy: Convoy) -> None:
        done = call("deepstack", database)
        assert done.exit_code == 1 and "mean of vectors" in done.output and done.output.count("NO_PHOTO") == 2
        assert faces(convoy) == {"ada": [], "bob": []}
        version = convoy.get_gallery("staff").version
        call("deepstack", database)
        assert convoy.get_gallery("staff").version == version
        for content in (b"", b"\x80\x04pickle", b"SQLite format 3\0" + b"\0" * 200):
            (tmp_path / "other.db").write_bytes(content)
            assert call("deepstack", tmp_path / "other.db").exit_code == 2

    await tell(recognition_address, story)
