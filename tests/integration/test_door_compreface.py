"""The CompreFace door before a real fleet, asked by HTTP as its clients ask."""

import base64
import http.client
import json
import uuid
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from convoy.client import Convoy
from convoy.core.security.tokens import write_line
from convoy.fleet import Fleet
from convoy.testing.pictures import encode, group, plain, portrait

from tests.door_keys import OLD_KEY, write_tokens
from tests.web_door import Answer, Door, web_door

GALLERY = "compreface-door"
API = "/api/v1/recognition"
ADA, GRACE = [encode(portrait(1, noise=i)) for i in (1, 2)], [encode(portrait(4, noise=i)) for i in (1, 2)]


@pytest.fixture(scope="module")
def door(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    blind = write_line("blind", "blind-key", [f"gallery:{GALLERY}:write", "faces"])
    tokens = write_tokens(tmp_path_factory.mktemp("tokens"), GALLERY, blind)
    with web_door(fleet.addresses, web_doors="compreface", tokens_file=tokens, compreface_port=0) as running:
        yield running


@pytest.fixture
def people(door: Door, fleet: Fleet) -> Iterator[dict[str, list[str]]]:
    """Ada and Grace with two faces each: name -> ids of faces."""
    ids: dict[str, list[str]] = {}
    for name, photos in (("Ada", ADA), ("Grace", GRACE)):
        for photo in photos:
            answer = form(door, f"{API}/faces?subject={name}", photo)
            assert answer.status == 201, answer.content
            ids.setdefault(name, []).append(answer.json()["image_id"])
    yield ids
    with fleet.client(timeout_s=30) as convoy:
        convoy.delete_gallery(GALLERY)


def form(door: Door, path: str, photo: bytes, key: str = OLD_KEY, **fields: str) -> Answer:
    return door.form(path, [("file", photo), *fields.items()], **{"x-api-key": key})


def send(door: Door, method: str, path: str, value: Any = None, key: str = OLD_KEY) -> Answer:
    body = None if value is None else json.dumps(value)
    return door.ask(method, path, body, {"x-api-key": key, "content-type": "application/json"})


def told(answer: Answer) -> tuple[int, int]:
    """Status and number of a refusal."""
    assert set(answer.json()) == {"message", "code"}
    return answer.status, answer.json()["code"]


def test_the_nearest_comes_always_and_a_half_is_where_the_policy_says_who(door: Door, people: Any) -> None:
    photo = encode(group([1, 4, 7], shade=0.95))
    answer = form(door, f"{API}/recognize?status=true&face_plugins=landmarks,calculator,age", photo).json()
    best = [face["subjects"] for face in answer["result"]]
    assert [[one["subject"] for one in several] for several in best][:2] == [["Ada"], ["Grace"]]
    assert [several[0]["similarity"] >= 0.5 for several in best] == [True, True, False]
    assert [face["convoy"]["decision"] for face in answer["result"]] == ["MATCH", "MATCH", "NO_MATCH"]
    face = answer["result"][0]
    assert set(face) == {"box", "landmarks", "embedding", "subjects", "execution_time", "convoy"}
    assert set(face["box"]) == {"probability", "x_min", "y_min", "x_max", "y_max"}
    assert len(face["landmarks"]) == 5 and sum(x * x for x in face["embedding"]) == pytest.approx(1, abs=1e-4)
    assert set(answer["plugins_versions"]) == {"detector", "calculator"}
    plain_one = form(door, f"{API}/recognize?limit=1&prediction_count=2", photo).json()
    assert set(plain_one) == {"result"} and len(plain_one["result"]) == 1
    subjects = plain_one["result"][0]["subjects"]
    assert [one["subject"] for one in subjects] == ["Ada", "Grace"]
    assert subjects[0]["similarity"] > 0.5 > subjects[1]["similarity"]


def test_pictures_and_parameters_come_in_every_way(door: Door, people: Any) -> None:
    text = base64.b64encode(ADA[0]).decode()
    for content in (text, f"data:image/png;base64,{text}"):
        (face,) = send(door, "POST", f"{API}/recognize", {"file": content}).json()["result"]
        assert face["subjects"][0]["subject"] == "Ada"
    answer = form(door, f"{API}/faces", encode(portrait(1, noise=5)), subject="ada", det_prob_threshold="0.5")
    assert (answer.status, answer.json()["subject"]) == (201, "Ada")
    assert uuid.UUID(answer.json()["image_id"])
    both = {"source_image": text, "target_image": base64.b64encode(encode(group([4, 1]))).decode()}
    (compared,) = send(door, "POST", "/api/v1/verification/verify", both).json()["result"]
    assert [match["similarity"] > 0.5 for match in compared["face_matches"]] == [False, True]
    assert compared["source_image_face"]["box"]["probability"] > 0.9
    found = form(door, "/api/v1/detection/detect?face_plugins=landmarks", encode(group([4, 1]))).json()["result"]
    assert len(found) == 2 and set(found[0]) == {"box", "landmarks"}


def test_subjects_are_made_renamed_merged_and_deleted(door: Door, people: dict[str, list[str]]) -> None:
    assert send(door, "POST", f"{API}/subjects", {"subject": "John Smith"}).status == 201
    assert told(send(door, "POST", f"{API}/subjects", {"subject": "john smith"})) == (400, 43)
    assert told(send(door, "POST", f"{API}/subjects", {"subject": ""})) == (400, 33)
    assert told(send(door, "POST", f"{API}/subjects", {"subject": "x" * 129})) == (400, 26)
    assert sorted(send(door, "GET", f"{API}/subjects/").json()["subjects"]) == ["Ada", "Grace", "John Smith"]
    # Who was made by name alone is filled by the first photo.
    face = encode(portrait(12))
    assert form(door, f"{API}/faces?subject={quote('John Smith')}", face).json()["subject"] == "John Smith"

    def rename(name: str, new: str) -> Answer:
        return send(door, "PUT", f"{API}/subjects/{quote(name)}", {"subject": new})

    assert rename("John Smith", "JOHN SMITH").json() == {"updated": True}  # the same id, written otherwise
    assert rename("john smith", "Juan / Ñandú").json() == {"updated": True}
    assert told(rename("John Smith", "Nobody")) == (404, 42)
    (known,) = form(door, f"{API}/recognize", encode(portrait(12, shade=0.9))).json()["result"]
    assert known["subjects"][0]["subject"] == "Juan / Ñandú"
    assert rename("Juan / Ñandú", "Ada").json() == {"updated": True}  # Ada is there: the two become one
    faces = send(door, "GET", f"{API}/faces?subject=ada").json()
    assert (faces["total_elements"], {one["subject"] for one in faces["faces"]}) == (3, {"Ada"})

    gone = send(door, "DELETE", f"{API}/faces/{people['Ada'][0]}").json()
    assert gone == {"image_id": people["Ada"][0], "subject": "Ada"}
    assert told(send(door, "DELETE", f"{API}/faces/{people['Ada'][0]}")) == (404, 44)
    several = send(door, "POST", f"{API}/faces/delete", [people["Ada"][1], str(uuid.uuid4())]).json()
    assert several == [{"image_id": people["Ada"][1], "subject": "Ada"}]
    assert send(door, "DELETE", f"{API}/faces?subject=Grace").json() == {"deleted": 2}
    assert send(door, "DELETE", f"{API}/faces?subject=Grace").json() == {"deleted": 0}
    assert send(door, "DELETE", f"{API}/subjects/ADA").json() == {"subject": "Ada"}
    assert told(send(door, "DELETE", f"{API}/subjects/ADA")) == (404, 42)
    for name in ("One", "Two"):
        send(door, "POST", f"{API}/subjects", {"subject": name})
    assert send(door, "DELETE", f"{API}/subjects").json() == {"deleted": 2}
    assert send(door, "GET", f"{API}/subjects").json() == {"subjects": []}


def test_people_of_other_doors_are_found_by_the_name_that_is_shown(door: Door, people: Any, convoy: Convoy) -> None:
    convoy.register(GALLERY, "emp-7", [encode(portrait(12, noise=1))], display_name="Mary Jackson")
    assert "Mary Jackson" in send(door, "GET", f"{API}/subjects").json()["subjects"]
    more = form(door, f"{API}/faces", encode(portrait(12, noise=2)), subject="mary jackson")
    assert (more.status, more.json()["subject"]) == (201, "Mary Jackson")
    assert send(door, "DELETE", f"{API}/subjects/Mary%20Jackson").json() == {"subject": "Mary Jackson"}
    assert sorted(send(door, "GET", f"{API}/subjects").json()["subjects"]) == ["Ada", "Grace"]


def test_of_two_people_shown_under_one_name_none_is_deleted(door: Door, people: Any, convoy: Convoy) -> None:
    for person_id, shade in (("emp-7", 12), ("emp-8", 7)):
        convoy.register(GALLERY, person_id, [encode(portrait(shade))], display_name="John Smith")
    for answer in (
        send(door, "DELETE", f"{API}/subjects/John%20Smith"),
        send(door, "DELETE", f"{API}/faces?subject=john%20smith"),
        send(door, "PUT", f"{API}/subjects/John%20Smith", {"subject": "Ada"}),
        form(door, f"{API}/faces?subject=John%20Smith", encode(portrait(12, noise=2))),
    ):
        assert told(answer) == (400, 36) and answer.json()["message"].startswith("SEVERAL_PEOPLE: ")
    assert send(door, "DELETE", f"{API}/subjects/emp-8").json() == {"subject": "John Smith"}
    assert send(door, "DELETE", f"{API}/subjects/John%20Smith").json() == {"subject": "John Smith"}


def test_an_empty_name_deletes_nobody(door: Door, people: Any) -> None:
    for path in ("subjects/", "faces/", "subjects/%20", "subjects//", "subjects/%2F"):
        status, number = told(send(door, "DELETE", f"{API}/{path}"))
        assert status in (400, 404) and number in (26, 35, 42, 44), path
    assert told(send(door, "DELETE", f"{API}/subjects/")) == (400, 35)
    assert told(send(door, "DELETE", f"{API}/faces?subject=")) == (400, 33)
    assert send(door, "GET", f"{API}/faces").json()["total_elements"] == 4


def test_a_client_may_go_on_after_a_refusal_on_the_same_connection(door: Door, people: Any) -> None:
    """The picture of one with a wrong key is read to its end: who still sends would not read why it is refused."""
    body = json.dumps({"file": "A" * 4_000_000})
    with closing(http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)) as caller:
        for key, path, status in (("wrong", "recognize", 404), ("wrong", "recognize", 404), (OLD_KEY, "subjects", 200)):
            method = "POST" if status == 404 else "GET"
            caller.request(method, f"{API}/{path}", body if status == 404 else None, {"x-api-key": key})
            answer = caller.getresponse()
            assert (answer.status, answer.getheader("connection")) == (status, None)
            answer.read()


def test_faces_come_in_pages_and_pictures_of_them_are_empty(door: Door, people: dict[str, list[str]]) -> None:
    pages = [send(door, "GET", f"{API}/faces?page={page}&size=3").json() for page in range(3)]
    assert [len(page["faces"]) for page in pages] == [3, 1, 0]
    assert (pages[0]["total_pages"], pages[0]["total_elements"], pages[1]["page_number"]) == (2, 4, 1)
    assert {one["image_id"] for page in pages for one in page["faces"]} == {*people["Ada"], *people["Grace"]}
    image_id = people["Ada"][0]
    for path in (f"{API}/faces/{image_id}/img", f"/static/{OLD_KEY}/images/{image_id}"):
        answer = send(door, "GET", path)
        assert (answer.status, answer.content) == (200, b"")
    assert told(send(door, "GET", f"/static/{uuid.uuid4()}/images/{image_id}")) == (404, 10)
    verified = form(door, f"{API}/faces/{image_id}/verify", encode(portrait(1, shade=0.9))).json()["result"][0]
    assert verified["subject"] == "Ada" and verified["similarity"] > 0.5
    other = form(door, f"{API}/faces/{image_id}/verify", encode(portrait(7))).json()["result"][0]
    assert other["similarity"] < 0.5


def test_what_is_wrong_has_compreface_s_number(door: Door, people: dict[str, list[str]]) -> None:
    blank, two = encode(plain()), encode(group([1, 4]))
    faces, recognise = f"{API}/faces?subject=Ada", f"{API}/recognize"
    assert told(form(door, recognise, blank)) == (400, 28)
    assert told(form(door, faces, blank)) == (400, 28)
    assert told(form(door, faces, two)) == (400, 31)
    assert told(form(door, recognise, b"no picture")) == (400, 21)
    assert told(form(door, f"{API}/faces", ADA[0])) == (400, 33)
    assert told(door.form(recognise, [], **{"x-api-key": OLD_KEY})) == (400, 34)
    assert told(form(door, f"{recognise}?prediction_count=0", ADA[0])) == (400, 12)
    assert told(form(door, f"{recognise}?detect_faces=false", ADA[0])) == (400, 36)
    assert told(door.form(recognise, [("file", ADA[0])])) == (400, 20)
    assert told(form(door, recognise, ADA[0], key=str(uuid.uuid4()))) == (404, 10)
    assert told(send(door, "PUT", recognise, {})) == (404, 0)
    assert told(send(door, "POST", f"{API}/embeddings/recognize", {})) == (404, 0)
    assert form(door, recognise, ADA[0], key="blind-key").status == 403
    # A photo that is on record already is no error: programs train again whenever they start.
    again = form(door, faces, ADA[1])
    assert (again.status, again.json()) == (201, {"image_id": people["Ada"][1], "subject": "Ada"})
    conflict = form(door, f"{API}/faces?subject=Eve", ADA[0])
    assert told(conflict) == (400, 36)
    assert conflict.json()["message"].startswith("IDENTITY_CONFLICT: ")


def test_the_door_has_a_port_of_its_own(door: Door, people: Any) -> None:
    own = Door(door.own["compreface"])
    assert sorted(send(own, "GET", f"{API}/subjects").json()["subjects"]) == ["Ada", "Grace"]
    assert told(own.ask("GET", "/v1/services")) == (404, 0)
