"""The Rekognition door before a real fleet, asked in JSON 1.1 as an SDK asks."""

import base64
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from convoy.client import Convoy
from convoy.fleet import Fleet
from convoy.testing.pictures import encode, group, plain, portrait, with_box

from tests.door_keys import OLD_KEY, write_tokens
from tests.web_door import Door, web_door

COLLECTION = "rekognition-door"


@pytest.fixture(scope="module")
def door(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    tokens = write_tokens(tmp_path_factory.mktemp("tokens"), COLLECTION)
    with web_door(fleet.addresses, web_doors="rekognition", tokens_file=tokens) as running:
        yield running


@pytest.fixture
def collection(door: Door) -> Iterator[str]:
    made = ask(door, "CreateCollection")
    assert made["StatusCode"] == 200 and made["FaceModelVersion"].startswith("face-embedder")
    yield COLLECTION
    assert ask(door, "DeleteCollection") == {"StatusCode": 200}


def ask(door: Door, operation: str, key: str = OLD_KEY, invocation: str = "", **fields: Any) -> dict[str, Any]:
    """The answer; for an error its name, under `error`, and its sentence. invocation: as an SDK names a call."""
    signature = f"AWS4-HMAC-SHA256 Credential={key}/20261201/eu-central-1/rekognition/aws4_request, Signature=0"
    headers = {"x_amz_target": f"RekognitionService.{operation}", "authorization": signature}
    if invocation:
        headers["amz_sdk_invocation_id"] = invocation
    answer = door.send("/", {"CollectionId": COLLECTION} | fields, **headers)
    said: dict[str, Any] = answer.json()
    if answer.status == 200:
        return said
    assert answer.headers["x-amzn-errortype"] == said["__type"]
    return {"status": answer.status, "error": said["__type"], "sentence": said["Message"]}


def bytes_of(picture: bytes) -> dict[str, str]:
    return {"Bytes": base64.b64encode(picture).decode()}


def index(door: Door, picture: bytes, **fields: Any) -> dict[str, Any]:
    return ask(door, "IndexFaces", Image=bytes_of(picture), **fields)


def search(door: Door, picture: bytes, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ask(door, "SearchFacesByImage", Image=bytes_of(picture), **fields)["FaceMatches"]
    return found


def test_every_face_of_a_picture_is_indexed_found_and_deleted(door: Door, collection: str) -> None:
    said = index(door, encode(group([1, 4])), ExternalImageId="party.jpg")
    records = [one["Face"] for one in said["FaceRecords"]]
    assert [face["ExternalImageId"] for face in records] == ["party.jpg"] * 2
    assert len({face["FaceId"] for face in records}) == 2 and len({face["ImageId"] for face in records}) == 1
    assert records[0]["BoundingBox"]["Left"] < 0.5 < records[1]["BoundingBox"]["Left"]
    assert len(said["FaceRecords"][0]["FaceDetail"]["Landmarks"]) == 5
    (match,) = search(door, encode(portrait(4, shade=0.9)))
    assert match["Face"] == records[1] and match["Similarity"] > 80
    # Without a threshold the nearest come, however far.
    everybody = search(door, encode(portrait(4, shade=0.9)), FaceMatchThreshold=0)
    assert [one["Face"]["FaceId"] for one in everybody] == [records[1]["FaceId"], records[0]["FaceId"]]
    assert everybody[1]["Similarity"] < 80
    assert search(door, encode(portrait(7))) == []

    assert ask(door, "DescribeCollection")["FaceCount"] == 2
    assert COLLECTION in ask(door, "ListCollections")["CollectionIds"]
    listed = ask(door, "ListFaces", MaxResults=1)
    more = ask(door, "ListFaces", NextToken=listed["NextToken"])
    assert {one["FaceId"] for one in listed["Faces"] + more["Faces"]} == {one["FaceId"] for one in records}
    gone = ask(door, "DeleteFaces", FaceIds=[records[1]["FaceId"], "nobody"])
    assert gone["DeletedFaces"] == [records[1]["FaceId"]]
    assert gone["UnsuccessfulFaceDeletions"] == [{"FaceId": "nobody", "Reasons": ["FACE_NOT_FOUND"]}]
    assert search(door, encode(portrait(4, shade=0.9))) == []


def test_one_photo_may_be_indexed_twice_and_the_rest_is_told(door: Door, collection: str) -> None:
    photo = encode(group([1, 4]))
    first = index(door, photo, MaxFaces=1)
    assert len(first["FaceRecords"]) == 1 and first["UnindexedFaces"][0]["Reasons"] == ["EXCEEDS_MAX_FACES"]
    assert len(index(door, photo)["FaceRecords"]) == 2
    assert ask(door, "DescribeCollection")["FaceCount"] == 3
    assert index(door, encode(plain()))["FaceRecords"] == []


def test_a_call_that_an_sdk_repeats_indexes_nothing_twice(door: Door, collection: str) -> None:
    photo, one = encode(group([1, 4])), str(uuid.uuid4())
    # The first try ended half-way.
    first = index(door, photo, MaxFaces=1, invocation=one)["FaceRecords"]
    again = index(door, photo, invocation=one)["FaceRecords"]
    assert len(again) == 2 and first[0] in again
    assert index(door, photo, invocation=one)["FaceRecords"] == again
    assert ask(door, "DescribeCollection")["FaceCount"] == 2
    # Another picture or another call is another matter.
    assert len(index(door, encode(portrait(7)), invocation=one)["FaceRecords"]) == 1
    index(door, photo, invocation=str(uuid.uuid4()))
    assert ask(door, "DescribeCollection")["FaceCount"] == 5


def test_a_face_on_record_is_searched_for(door: Door, collection: str) -> None:
    ada = index(door, encode(portrait(1, noise=1)), ExternalImageId="ada")["FaceRecords"][0]["Face"]
    again = index(door, encode(portrait(1, noise=2)), ExternalImageId="ada-again")["FaceRecords"][0]["Face"]
    grace = index(door, encode(portrait(4)))["FaceRecords"][0]["Face"]
    for face, other in ((ada, again), (again, ada)):
        found = ask(door, "SearchFaces", FaceId=face["FaceId"])
        assert found["SearchedFaceId"] == face["FaceId"]
        (match,) = found["FaceMatches"]
        assert match["Face"] == other and match["Similarity"] > 80
    assert ask(door, "SearchFaces", FaceId=grace["FaceId"])["FaceMatches"] == []
    everybody = ask(door, "SearchFaces", FaceId=grace["FaceId"], FaceMatchThreshold=0)["FaceMatches"]
    assert [one["Similarity"] < 80 for one in everybody] == [True, True]
    assert ask(door, "SearchFaces", FaceId="nobody")["error"] == "ResourceNotFoundException"


def test_faces_of_other_doors_are_there_too(door: Door, collection: str, convoy: Convoy) -> None:
    convoy.register(COLLECTION, "ada", [encode(portrait(1, noise=1)), encode(portrait(1, noise=2))])
    faces = ask(door, "ListFaces")["Faces"]
    assert len(faces) == 2
    gone = ask(door, "DeleteFaces", FaceIds=[face["FaceId"] for face in faces])
    assert len(gone["DeletedFaces"]) == 2 and ask(door, "ListFaces")["Faces"] == []


def test_pictures_are_compared_and_looked_at(door: Door) -> None:
    source, target = bytes_of(encode(portrait(4))), bytes_of(encode(group([1, 4, 7], shade=0.95)))
    compared = ask(door, "CompareFaces", SourceImage=source, TargetImage=target)
    assert [match["Similarity"] > 80 for match in compared["FaceMatches"]] == [True]
    assert len(compared["UnmatchedFaces"]) == 2
    everybody = ask(door, "CompareFaces", SourceImage=source, TargetImage=target, SimilarityThreshold=0)
    assert len(everybody["FaceMatches"]) == 3
    detail = ask(door, "DetectFaces", Image=source, Attributes=["ALL"])["FaceDetails"][0]
    assert set(detail) == {"BoundingBox", "Confidence", "Landmarks", "Quality"}
    labels = ask(door, "DetectLabels", Image=bytes_of(encode(with_box((40, 30, 90, 80)))), MinConfidence=0)["Labels"]
    assert labels and labels[0]["Instances"][0]["BoundingBox"]["Width"] == pytest.approx(50 / 160, abs=0.02)


def test_errors_have_rekognition_s_names(door: Door, collection: str) -> None:
    photo = bytes_of(encode(portrait(1)))
    assert ask(door, "CreateCollection")["error"] == "ResourceAlreadyExistsException"
    for operation, fields, error in (
        ("DescribeCollection", {"CollectionId": "other"}, "AccessDeniedException"),
        ("CreateCollection", {"CollectionId": "Big Name"}, "InvalidParameterException"),
        ("IndexFaces", {"Image": bytes_of(b"no picture")}, "InvalidImageFormatException"),
        ("IndexFaces", {"Image": {"S3Object": {"Bucket": "b", "Name": "n"}}}, "InvalidS3ObjectException"),
        ("IndexFaces", {"Image": {}}, "InvalidParameterException"),
        ("SearchFacesByImage", {"Image": bytes_of(encode(plain()))}, "InvalidParameterException"),
        ("SearchFacesByImage", {"Image": photo, "FaceMatchThreshold": "x"}, "InvalidParameterException"),
        ("SearchFacesByImage", {"Image": photo, "MaxFaces": True}, "InvalidParameterException"),
        ("DeleteFaces", {"FaceIds": [None]}, "InvalidParameterException"),
        ("RecognizeCelebrities", {"Image": photo}, "UnknownOperationException"),
    ):
        said = ask(door, operation, **fields)
        assert (said["status"], said["error"]) == (400, error), (operation, said)
    assert ask(door, "ListFaces", key="wrong")["error"] == "UnrecognizedClientException"


def test_the_console_is_still_at_the_same_path(door: Door) -> None:
    assert door.ask("GET", "/").headers["content-type"].startswith("text/html")
    assert door.ask("GET", "/", headers={"x-amz-target": "RekognitionService.ListFaces"}).status == 200
