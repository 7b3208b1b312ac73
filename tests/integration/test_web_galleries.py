"""Galleries as files, receipts of erasures, callers and load, by HTTP before a real fleet."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from convoy.cli.gallery_files import GalleryFile
from convoy.client import Convoy
from convoy.client.gallery_format import Secret
from convoy.fleet import Fleet
from convoy.testing.pictures import encode, portrait

from tests.web_door import Answer, Door

ADA, GRACE = encode(portrait(1)), encode(portrait(4))
BYTES = {"content-type": "application/octet-stream"}
PASSPHRASE = {"convoy-passphrase": base64.b64encode("grün und blau".encode()).decode()}


@pytest.fixture(scope="module")
def door(fleet: Fleet) -> Door:
    return Door(urlsplit(fleet.web_url).port or 0)


@pytest.fixture
def staff(convoy: Convoy) -> Iterator[str]:
    """A gallery with Ada and Grace, and an empty one beside it."""
    for name in ("web-files", "web-copy"):
        convoy.create_gallery(name)
    convoy.register("web-files", "ada", [ADA], display_name="Ada")
    convoy.register("web-files", "grace", [GRACE])
    yield "web-files"
    for name in ("web-files", "web-copy"):
        convoy.delete_gallery(name)


def exported(door: Door, **headers: str) -> Answer:
    answer = door.ask("POST", "/v1/galleries/web-files/export", headers=headers)
    assert answer.status == 200, answer.content
    return answer


@pytest.mark.parametrize("headers", [{}, PASSPHRASE], ids=["in the clear", "encrypted"])
def test_a_gallery_goes_out_as_the_command_writes_it_and_comes_back(
    door: Door, staff: str, convoy: Convoy, tmp_path: Path, headers: dict[str, str]
) -> None:
    answer = exported(door, **headers)
    assert answer.headers["content-disposition"] == 'attachment; filename="web-files.gallery"'
    file = tmp_path / "web-files.gallery"
    file.write_bytes(answer.content)
    secret = Secret.passphrase("grün und blau") if headers else None
    parts = list(GalleryFile.open(file, secret).parts())
    assert [one.person.person_id for part in parts for one in part.people] == ["ada", "grace"]
    assert (b"Ada" in answer.content) == (not headers)
    taken = door.ask("POST", "/v1/galleries/web-copy/import", answer.content, BYTES | headers)
    assert (taken.status, taken.json()["people_imported"], taken.json()["faces_imported"]) == (200, 2, 2)
    assert convoy.get_person("web-copy", "ada").display_name == "Ada"
    again = door.ask("POST", "/v1/galleries/web-copy/import", answer.content, BYTES | headers)
    assert (again.json()["people_imported"], again.json()["people_unchanged"]) == (0, 2)


def test_what_is_no_whole_gallery_is_refused(door: Door, staff: str) -> None:
    content, path = exported(door, **PASSPHRASE).content, "/v1/galleries/web-copy/import"
    other = {"convoy-passphrase": base64.b64encode(b"other").decode()}
    for body, headers in (
        (b"nothing", {}),
        (content[:-1], PASSPHRASE),
        (content + b"x", PASSPHRASE),
        (content, {}),
        (content, other),
        (content[:60] + bytes(1) + content[61:], PASSPHRASE),
        (content[:4], PASSPHRASE),
    ):
        answer = door.ask("POST", path, body, BYTES | headers)
        assert (answer.status, answer.reason) == (422, "BAD_GALLERY_FILE"), body[:20]
    assert door.ask("POST", path, content, {"content-type": "image/jpeg"}).status == 415
    assert door.ask("POST", path, content, BYTES | {"convoy-passphrase": "%"}).reason == "BAD_ARGUMENT"
    assert door.ask("POST", "/v1/galleries/nothing/import", content, BYTES | PASSPHRASE).reason == "GALLERY_NOT_FOUND"
    assert door.ask("POST", "/v1/galleries/nothing/export").reason == "GALLERY_NOT_FOUND"


def test_a_receipt_of_an_erasure_is_what_the_audit_says(door: Door, staff: str, convoy: Convoy) -> None:
    before = convoy.get_gallery(staff).version
    version = door.ask("DELETE", f"/v1/galleries/{staff}/people/ada").json()["version"]
    receipt = door.ask("GET", f"/v1/galleries/{staff}/erasures/{version}").json()
    [event] = [event for event in convoy.list_audit_events(staff) if event.version == version]
    facts = receipt["erasure"]
    assert (facts["person_id"], facts["action"], facts["outcome"]) == ("ada", "DeletePerson", event.outcome)
    assert hashlib.sha256(receipt["hashed"].encode()).hexdigest() == receipt["sha256"]
    assert json.loads(receipt["hashed"]) == {"gallery": staff} | facts
    assert door.ask("GET", f"/v1/galleries/{staff}/erasures/{version}").json() == receipt
    # What erased nobody has no receipt.
    for other in (before, version + 1):
        assert door.ask("GET", f"/v1/galleries/{staff}/erasures/{other}").reason == "NO_SUCH_ERASURE"
    for odd in ("0", "x", "1" * 40, "-1"):
        assert door.ask("GET", f"/v1/galleries/{staff}/erasures/{odd}").reason == "BAD_ARGUMENT"
    # The audit outlives its gallery, and so does the receipt of that.
    assert door.ask("DELETE", f"/v1/galleries/{staff}").status == 200
    assert door.ask("GET", f"/v1/galleries/{staff}/erasures/{version}").json() == receipt
    last = door.ask("GET", f"/v1/galleries/{staff}/erasures/{version + 1}").json()
    assert last["erasure"]["action"] == "DeleteGallery"
    convoy.create_gallery(staff)


def test_load_is_what_the_service_did(door: Door, staff: str) -> None:
    def calls(code: str) -> int:
        load = door.ask("GET", "/v1/services/recognition/load").json()
        assert load["window_s"] > 0 and load["version"]
        return sum(one["calls"] for one in load["calls"] if one["code"] == code)

    good, bad = calls("OK"), calls("NOT_FOUND")
    assert door.ask("GET", f"/v1/galleries/{staff}").status == 200
    assert door.ask("GET", f"/v1/galleries/{staff}/people/nobody").status == 404
    # A window moves on, so that old calls may leave it; these two have just come.
    assert calls("OK") >= min(good, 1) and calls("NOT_FOUND") >= min(bad, 1)
    assert calls("OK") >= 1 and calls("NOT_FOUND") >= 1
    assert door.ask("GET", "/v1/services/nothing/load").reason == "NO_SUCH_PATH"


def test_without_tokens_nothing_limits_a_caller(door: Door) -> None:
    services = door.ask("GET", "/v1/caller").json()["services"]
    assert {"service": "faces", "name": "", "is_limited": False, "scopes": []} in services and len(services) == 6
