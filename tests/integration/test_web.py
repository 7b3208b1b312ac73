"""The web door before a real fleet, in a process of its own, asked by HTTP alone."""

import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from convoy.fleet import Fleet
from convoy.testing.pictures import encode, plain, portrait, with_box
from convoy.web.rest.openapi import describe
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from PIL import Image

from tests.web_door import Answer, Door

ADA, GRACE, BOX = encode(portrait(1)), encode(portrait(4)), encode(with_box((40, 30, 90, 80)))
BYTES = {"content-type": "application/octet-stream"}
DOCUMENT = describe()


@pytest.fixture(scope="module")
def door(fleet: Fleet) -> Door:
    return Door(urlsplit(fleet.web_url).port or 0)


@pytest.fixture
def staff(door: Door) -> Iterator[str]:
    """A gallery with Ada and Grace."""
    assert door.send("/v1/galleries", {"gallery": "web-staff", "description": "those of the web"}).status == 201
    for person, photo in (("ada", ADA), ("grace", GRACE)):
        answer = door.form(f"/v1/galleries/web-staff/people/{person}", [("photo", photo), ("display_name", person)])
        assert answer.status == 200, answer.content
    yield "web-staff"
    assert door.ask("DELETE", "/v1/galleries/web-staff").status == 200


def test_the_document_is_openapi_3_1(door: Door) -> None:
    validate(DOCUMENT)
    assert door.ask("GET", "/openapi.json").json() == DOCUMENT


def answers(door: Door, gallery: str) -> dict[str, Answer]:
    """Every operation of the document, called once; the last ones undo what those before did."""
    base = f"/v1/galleries/{gallery}"
    face = door.ask("GET", f"{base}/people/ada").json()["person"]["faces"][0]["face_id"]
    made: dict[str, Answer] = {
        "Classify": door.form("/v1/classify", [("images", ADA)]),
        "EmbedImages": door.form("/v1/embed", [("images", BOX), ("model", "things")]),
        "GetEmbedder": door.ask("GET", "/v1/embedder?model=things"),
        "ClassifySignal": door.send(
            "/v1/classify/signals",
            {"signals": [{"samples": [0.5] * 20, "rate_hz": 10}], "model": "heartbeats"},
        ),
        "Detect": door.form("/v1/detect", [("images", BOX)]),
        "Segment": door.form("/v1/segment", [("images", BOX)]),
        "Explain": door.form("/v1/explain", [("image", ADA)]),
        "ExplainDetection": door.form("/v1/detect/explain", [("image", BOX)]),
        "ExplainSegmentation": door.form("/v1/segment/explain", [("image", BOX)]),
        "ExplainComparison": door.form("/v1/faces/compare/explain", [("first", ADA), ("second", ADA)]),
        "Transform": door.form("/v1/transform", [("images", BOX)]),
        "DetectFaces": door.form("/v1/faces", [("images", ADA)]),
        "EmbedFaces": door.form("/v1/faces/embed", [("images", ADA), ("include_aligned_crops", "true")]),
        "CompareFaces": door.form("/v1/faces/compare", [("first", ADA), ("second", ADA)]),
        "GetFaceModel": door.ask("GET", "/v1/faces/model"),
        "ListGalleries": door.ask("GET", "/v1/galleries?page_size=5"),
        "CreateGallery": door.send("/v1/galleries", {"gallery": "web-other", "policy": {"rate_unit": "FACE"}}),
        "GetGallery": door.ask("GET", base),
        "UpdateGallery": door.send(base, {"description": "changed", "policy": {"quality_floor": 0.1}}, "PATCH"),
        "GetGalleryStatus": door.ask("GET", f"{base}/status?verify=true"),
        "ListAuditEvents": door.ask("GET", f"{base}/audit"),
        "FindDuplicates": door.ask("GET", f"{base}/duplicates"),
        "FindDisagreements": door.ask("GET", f"{base}/disagreements"),
        "SetGalleryAlias": door.send("/v1/aliases/web-alias", {"gallery": gallery}, "PUT"),
        "ListGalleryAliases": door.ask("GET", "/v1/aliases"),
        "ListPeople": door.ask("GET", f"{base}/people?name_contains=AD"),
        "GetPerson": door.ask("GET", "/v1/galleries/web-alias/people/ada"),
        "CreatePerson": door.send(f"{base}/people/joe", {"display_name": "Joe", "tags": ["new"]}, "PUT"),
        "RenamePerson": door.send(f"{base}/people/joe/rename", {"new_person_id": "joseph"}),
        "GetFace": door.ask("GET", f"{base}/faces/{face}"),
        "Register": door.form(f"{base}/people/twin", [("photos", ADA), ("allow_identity_conflict", "true")]),
        "UpdatePerson": door.send(f"{base}/people/twin", {"display_name": "Twin", "metadata": {"a": "b"}}, "PATCH"),
        "Identify": door.form(f"{base}/identify", [("image", GRACE), ("nearest", "3")]),
        "Verify": door.form(f"{base}/verify", [("probe", ADA), ("person_id", "ada")]),
        "MergePeople": door.send(f"{base}/people/ada/merge", {"merged_person_id": "twin"}),
        "DeleteFace": door.ask("DELETE", f"{base}/people/ada/faces/{face}"),
        "DeletePerson": (gone := door.ask("DELETE", f"{base}/people/ada")),
        "GetErasure": door.ask("GET", f"{base}/erasures/{gone.json()['version']}"),
        "ExportGallery": (exported := door.ask("POST", f"{base}/export")),
        "ImportGallery": door.ask("POST", f"{base}/import", exported.content, BYTES),
        "GetCaller": door.ask("GET", "/v1/caller"),
        "GetLoad": door.ask("GET", "/v1/services/recognition/load"),
        "ListServices": door.ask("GET", "/v1/services"),
        "ListModels": door.ask("GET", "/v1/services/detection/models"),
    }
    model = next(one["model"]["name"] for one in made["ListModels"].json()["models"] if one["is_default"])
    made["LoadModel"] = door.ask("POST", f"/v1/services/detection/models/{model}/load")
    made["UnloadModel"] = door.ask("POST", f"/v1/services/detection/models/{model}/unload")
    door.send("/v1/aliases/web-alias", {"gallery": ""}, "PUT")
    made["DeleteGallery"] = door.ask("DELETE", "/v1/galleries/web-other")
    return made


def test_every_operation_of_the_document_answers_as_it_says(door: Door, staff: str) -> None:
    made = answers(door, staff)
    operations = {one["operationId"]: one for path in DOCUMENT["paths"].values() for one in path.values()}
    assert set(made) == set(operations)
    # The only loaded model of a service cannot be unloaded: a problem, which the document describes too.
    assert made["UnloadModel"].reason == "DEFAULT_MODEL"
    for name, operation in operations.items():
        answer = made[name]
        described = operation["responses"].get(str(answer.status))
        if name == "UnloadModel":
            described = DOCUMENT["components"]["responses"]["Problem"]
        assert described is not None, (name, answer.status, answer.content[:300])
        schema = described["content"][answer.headers["content-type"]]["schema"]
        if "json" not in answer.headers["content-type"]:
            continue
        problems = list(
            Draft202012Validator(schema | {"components": DOCUMENT["components"]}).iter_errors(answer.json())
        )
        assert problems == [], (name, problems[:2])


def test_no_answer_has_a_field_that_the_document_does_not_name(door: Door, staff: str) -> None:
    closed = close(DOCUMENT["components"])
    for path, name in (
        ("/v1/galleries/web-staff/identify", "IdentifyResponse"),
        ("/v1/faces/embed", "EmbedFacesResponse"),
    ):
        answer = door.form(path, [("image", ADA)])
        schema = {"$ref": f"#/components/schemas/{name}", "components": closed}
        assert list(Draft202012Validator(schema).iter_errors(answer.json())) == []


def test_people_are_found_and_strangers_are_not(door: Door, staff: str) -> None:
    def who(photo: bytes) -> tuple[str, list[str]]:
        (face,) = door.form(f"/v1/galleries/{staff}/identify", [("image", photo)]).json()["faces"]
        return face["decision"], [match["person_id"] for match in face["matches"]]

    assert who(encode(portrait(1, shade=0.9))) == ("MATCH", ["ada"])
    assert who(encode(portrait(7))) == ("NO_MATCH", [])
    answer = door.form(f"/v1/galleries/{staff}/identify", [("image", encode(plain()))])
    assert (answer.status, answer.reason) == (422, "NO_FACE")
    answer = door.form(f"/v1/galleries/{staff}/people/nobody", [("photo", encode(plain()))])
    assert answer.json()["details"][0]["results"][0]["refusal"] == "NO_FACE"
    assert door.ask("GET", f"/v1/galleries/{staff}/people/nobody").reason == "PERSON_NOT_FOUND"


@pytest.mark.parametrize("path", ["/v1/classify", "/v1/detect", "/v1/segment", "/v1/faces"])
def test_an_answer_can_be_a_picture(door: Door, path: str) -> None:
    answer = door.form(f"{path}?draw=1", [("image", ADA)])
    assert answer.headers["content-type"] == "image/png"
    drawn = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"))
    assert drawn.shape[1] == portrait(1).shape[1]
    assert door.form(f"{path}?draw=1", [("image", ADA), ("image", ADA)]).reason == "BAD_ARGUMENT"


def test_a_picture_made_of_a_picture_comes_as_json_or_as_it_is(door: Door) -> None:
    answer = door.form("/v1/transform?format=jpeg", [("image", BOX)], accept="image/*")
    assert answer.headers["content-type"] == "image/jpeg", answer.content[:300]
    assert Image.open(io.BytesIO(answer.content)).format == "JPEG"


def test_a_mask_is_a_picture_on_demand(door: Door) -> None:
    answer = door.form("/v1/segment", [("image", BOX)], accept="image/png")
    assert Image.open(io.BytesIO(answer.content)).size == (160, 120)


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [(b"", 400, "EMPTY_IMAGE"), (b"no picture", 400, "NOT_AN_IMAGE"), (ADA[: len(ADA) // 2], 400, "TRUNCATED_IMAGE")],
)
def test_what_is_no_picture_is_told_as_over_grpc(door: Door, content: bytes, status: int, reason: str) -> None:
    answer = door.form("/v1/detect", [("image", content)])
    assert (answer.status, answer.reason) == (status, reason)


def close(value: Any) -> Any:
    """The schemas, with every other property forbidden."""
    if isinstance(value, list):
        return [close(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: close(one) for key, one in value.items()}
    if "properties" in made and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made
