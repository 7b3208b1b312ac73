"""The DeepStack door before a real fleet, asked as its clients ask: forms over HTTP."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from convoy.client import Convoy
from convoy.core.security.tokens import write_line
from convoy.fleet import Fleet
from convoy.testing.pictures import encode, group, plain, portrait, with_box

from tests.door_keys import OLD_KEY, write_tokens
from tests.web_door import Door, web_door

GALLERY = "deepstack-door"
FACE = "/v1/vision/face"


@pytest.fixture(scope="module")
def door(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    tokens = write_tokens(
        tmp_path_factory.mktemp("tokens"), GALLERY, write_line("blind", "blind-key", [f"gallery:{GALLERY}:read"])
    )
    with web_door(fleet.addresses, web_doors="deepstack", deepstack_port=0, tokens_file=tokens) as running:
        yield running


@pytest.fixture
def empty(fleet: Fleet) -> Iterator[str]:
    """The gallery is not there yet: the door makes it."""
    yield GALLERY
    with fleet.client(timeout_s=30) as convoy:
        convoy.delete_gallery(GALLERY)


def say(door: Door, path: str, *parts: tuple[str, Any], key: str = OLD_KEY) -> dict[str, Any]:
    answer = door.form(path, [*parts, ("api_key", key)])
    said: dict[str, Any] = answer.json()
    assert said["success"] is (answer.status == 200)
    return {"status": answer.status} | said


def names(answer: dict[str, Any]) -> list[str]:
    return [one["userid"] for one in answer["predictions"]]


def test_people_are_registered_recognised_and_deleted(door: Door, empty: str) -> None:
    assert say(door, f"{FACE}/list")["faces"] == []
    for person, name in ((1, "Ada"), (4, "John Smith")):
        photos = [(f"image{i}", encode(portrait(person, noise=i))) for i in (1, 2)]
        assert say(door, f"{FACE}/register", *photos, ("userid", name))["message"] == "face added"
    assert sorted(say(door, f"{FACE}/list")["faces"]) == ["Ada", "John Smith"]
    # The same name in other letters is the same person, and the same photos once more are no error.
    again = say(door, f"{FACE}/register", ("image", encode(portrait(1, noise=1))), ("userid", "ADA"))
    assert again["message"] == "face updated"

    both = say(door, f"{FACE}/recognize", ("image", encode(group([1, 4, 7], shade=0.9))))
    assert names(both) == ["Ada", "John Smith", "unknown"]
    assert [one["confidence"] > 0.67 for one in both["predictions"]] == [True, True, False]
    assert both["predictions"][2]["confidence"] == 0
    assert {"x_min", "y_min", "x_max", "y_max"} < set(both["predictions"][0])
    # A client that asks for nearly nothing gets no name of a stranger; one that asks for all gets none at all.
    photo = ("image", encode(portrait(7)))
    assert names(say(door, f"{FACE}/recognize", photo, ("min_confidence", "0.01"))) == ["unknown"]
    photo = ("image", encode(portrait(1, shade=0.8, noise=9)))
    assert names(say(door, f"{FACE}/recognize", photo, ("min_confidence", "1"))) == ["unknown"]

    assert say(door, f"{FACE}/delete", ("userid", "john smith"))["success"]
    assert say(door, f"{FACE}/delete", ("userid", "nobody"))["success"]
    assert say(door, f"{FACE}/list")["faces"] == ["Ada"]


def test_what_is_wrong_with_a_photo_is_told_as_deepstack_tells_it(door: Door, empty: str) -> None:
    blank, two, text = encode(plain()), encode(group([1, 4])), b"no picture"
    nobody = say(door, f"{FACE}/recognize", ("image", blank))
    assert (nobody["status"], nobody["predictions"]) == (200, [])
    refused = say(door, f"{FACE}/register", ("image", blank), ("userid", "Ada"))
    assert (refused["status"], refused["error"]) == (400, "no face detected")
    refused = say(door, f"{FACE}/register", ("image", two), ("userid", "Ada"))
    assert (refused["status"], refused["reason"]) == (400, "SEVERAL_FACES")
    for path in ("/register", "/recognize", ""):
        refused = say(door, FACE + path, ("image", text), ("userid", "Ada"))
        assert (refused["status"], refused["error"]) == (400, "No valid image file found"), path
    for wrong, sentence in (
        ([("image", encode(portrait(1)))], "userid not specified"),
        ([("userid", "Ada")], "No valid image file found"),
    ):
        assert say(door, f"{FACE}/register", *wrong)["error"] == sentence
    refused = say(door, f"{FACE}/recognize", ("image", blank), ("min_confidence", "nan"))
    assert refused["error"].startswith("Invalid value for min_confidence")


def test_a_key_is_a_token(door: Door, empty: str) -> None:
    for key in ("", "wrong", "b6c7dd3e-4a5b-4c56-9a30-5f1e0b9a7c12", "schlüssel"):
        refused = say(door, f"{FACE}/list", key=key)
        assert (refused["status"], refused["error"]) == (401, "Incorrect api key")
    assert say(door, f"{FACE}/list", key=OLD_KEY)["success"]
    # What may not see scores gets none, not even rounded ones.
    refused = say(door, f"{FACE}/recognize", ("image", encode(portrait(1))), key="blind-key")
    assert (refused["status"], refused["reason"]) == (403, "SCOPE_MISSING")


def test_faces_and_objects_are_found(door: Door) -> None:
    faces = say(door, FACE, ("image", encode(group([1, 4]))))
    assert (faces["count"], "label" in faces["predictions"][0]) == (2, False)
    match = say(door, f"{FACE}/match", ("image1", encode(portrait(1))), ("image2", encode(portrait(1, shade=0.9))))
    other = say(door, f"{FACE}/match", ("image1", encode(portrait(1))), ("image2", encode(portrait(4))))
    assert other["similarity"] < 0.67 < match["similarity"]
    box = ("image", encode(with_box((40, 30, 90, 80))))
    found = say(door, "/v1/vision/detection", box)
    assert found["count"] == len(found["predictions"]) > 0
    assert found["message"] == f"Found {found['predictions'][0]['label']}"
    (model,) = say(door, "/v1/vision/custom/list")["models"]
    for name in (model, f"{model.upper()}.pt"):
        assert say(door, f"/v1/vision/custom/{name}", box)["predictions"] == found["predictions"]
    unknown = say(door, "/v1/vision/custom/ipcam", box)
    assert (unknown["status"], unknown["reason"]) == (404, "MODEL_NOT_FOUND")
    assert model in unknown["error"]
    scene = say(door, "/v1/vision/scene", box)
    assert 0 < scene["confidence"] <= 1 and scene["label"]
    assert say(door, "/v1/vision/enhance", box)["status"] == 403
    assert door.ask("GET", "/v1/status/updateavailable").json()["updateAvailable"] is False


def test_the_door_has_a_port_of_its_own_with_nothing_else_on_it(door: Door, empty: str) -> None:
    own = Door(door.own["deepstack"])
    assert say(own, f"{FACE}/list")["faces"] == []
    for path in ("/", "/v1/services", "/convoy.v1.DetectionService/Detect", "/v1/vision/nothing"):
        answer = own.ask("POST", path)
        assert (answer.status, answer.json()["success"]) == (404, False)
    assert own.ask("POST", f"{FACE}/list", headers={"Host": "evil.example"}).status == 421
    assert own.ask("POST", f"{FACE}/list", headers={"Origin": "https://evil.example"}).status == 403


def test_a_client_without_a_key_uses_the_token_of_the_file(fleet: Fleet, convoy: Convoy, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(OLD_KEY + "\n")
    convoy.create_gallery(GALLERY)
    settings = {"tokens_file": write_tokens(tmp_path, GALLERY), "deepstack_token_file": tmp_path / "key"}
    with web_door(fleet.addresses, web_doors="deepstack", **settings) as door:
        assert door.form(f"{FACE}/list", []).status == 200
        assert door.form(f"{FACE}/list", [("api_key", "wrong")]).status == 401
    convoy.delete_gallery(GALLERY)
