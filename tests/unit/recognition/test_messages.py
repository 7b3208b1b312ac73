"""Requests become domain values, and domain values answers, without a loss."""

from typing import Any

import numpy as np
import pytest
from convoy.core.errors import InvalidArgument
from convoy.recognition.domain.records import Face, Person
from convoy.recognition.domain.registrations import NearPerson, PhotoResult, Refusal, Registered
from convoy.recognition.domain.searches import Criterion, PersonKey
from convoy.recognition.face_messages import (
    face_message,
    options_message,
    picture_message,
    read_embedded_faces,
    read_face,
    read_options,
    read_picture,
)
from convoy.recognition.messages import person_message, registered_message, remembered, repeated_message
from convoy.recognition.requests import (
    read_comparison,
    read_criterion,
    read_person,
    read_person_edit,
    read_registering,
    read_search,
)
from convoy.recognition.store.base import Committed
from convoy.v1 import common_pb2, faces_pb2
from convoy.v1 import recognition_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
FACE = faces_pb2.Face(
    box=common_pb2.Box(x_min=1.5, y_min=2, x_max=30, y_max=40),
    detection_score=0.9,
    landmarks=faces_pb2.Landmarks(**{name: common_pb2.Point(x=i, y=2 * i) for i, name in enumerate(POINTS)}),
    quality=faces_pb2.FaceQuality(score=0.5, size=0.6, sharpness=0.7, exposure=0.8, frontality=0.9),
)


def with_embedding(face: faces_pb2.Face, *values: float) -> faces_pb2.Face:
    """The face as the face service sends it."""
    sent = faces_pb2.Face(embedding=faces_pb2.Embedding(values=values), aligned_crop=b"PNG")
    sent.MergeFrom(face)
    return sent


def test_a_face_goes_out_as_it_came_but_without_embedding_and_crop() -> None:
    assert face_message(read_face(with_embedding(FACE, 0.6, 0.8))) == FACE
    bare = faces_pb2.Face()
    bare.CopyFrom(FACE)
    bare.ClearField("landmarks")
    assert face_message(read_face(bare)) == bare


def test_embeddings_are_brought_to_unit_length() -> None:
    sent = faces_pb2.Faces(faces=[with_embedding(FACE, 3, 4)], image_size=common_pb2.Size(width=5, height=6), found=7)
    found = read_embedded_faces(sent)
    assert np.allclose(found.faces[0].embedding, [0.6, 0.8])
    assert (found.image_size, found.found, found.faces[0].face) == ((5, 6), 7, read_face(FACE))


PICTURES = {
    "nothing": common_pb2.Image(),
    "no bytes": common_pb2.Image(encoded=b""),
    "a file": common_pb2.Image(encoded=b"JPEG"),
    "no pixels": common_pb2.Image(raw=common_pb2.RawImage()),
    "pixels": common_pb2.Image(
        raw=common_pb2.RawImage(width=1, height=2, format=common_pb2.PIXEL_FORMAT_GRAY8, data=b"ab")
    ),
    "a layout that this version does not know": common_pb2.Image(
        raw=common_pb2.RawImage(width=1, height=2, format=99, data=b"ab")  # type: ignore[arg-type]
    ),
}


@pytest.mark.parametrize("image", PICTURES.values(), ids=PICTURES)
def test_a_picture_is_handed_on_as_it_came(image: common_pb2.Image) -> None:
    assert picture_message(read_picture(image)) == image


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"detection_threshold": 0.0},
        {"max_faces": 3, "min_face_size": 20, "selection": faces_pb2.FACE_SELECTION_LARGEST},
    ],
)
def test_options_are_handed_on_as_they_came(fields: dict[str, Any]) -> None:
    options = faces_pb2.FaceDetectionOptions(**fields)
    assert options_message(read_options(options)) == options


def test_a_search_has_all_that_was_asked() -> None:
    request = pb.IdentifyRequest(gallery="staff", top_k=3, min_version=7, exact=True, filter={"a": "b"}, tags=["red"])
    search = read_search(request)
    assert (search.gallery, search.top_k, search.min_version, search.exact) == ("staff", 3, 7, True)
    assert (search.entries, search.criterion) == ([("a", "b"), ("", "red")], None)


def test_a_criterion_is_known_even_when_it_is_nought() -> None:
    assert read_criterion(pb.IdentifyRequest()) is None
    assert read_criterion(pb.IdentifyRequest(match_threshold=0)) == Criterion("match_threshold", 0)
    rate = pb.FindDuplicatesRequest(false_positive_identification_rate=0)
    assert read_criterion(rate) == Criterion("false_positive_identification_rate", 0)
    assert read_criterion(pb.VerifyRequest(false_match_rate=0.5)) == Criterion("false_match_rate", 0.5)


def test_a_comparison_is_with_a_person_a_photo_or_nothing() -> None:
    person = pb.PersonRef(gallery="staff", person_id="ada")
    assert read_comparison(pb.VerifyRequest(person=person)).reference == PersonKey("staff", "ada")
    photo = common_pb2.Image(encoded=b"x")
    assert read_comparison(pb.VerifyRequest(photo=photo)).reference == read_picture(photo)
    assert read_comparison(pb.VerifyRequest()).reference is None


def test_what_is_not_set_stays_and_the_year_1970_means_never() -> None:
    edit = read_person_edit(pb.UpdatePersonRequest(gallery="staff", person_id="ada"))
    assert (edit.display_name, edit.expire_time_ms) == (None, None)
    edit = read_person_edit(pb.UpdatePersonRequest(display_name="", expire_time=Timestamp()))
    assert (edit.display_name, edit.expire_time_ms) == ("", 0)


@pytest.mark.parametrize(("seconds", "nanos"), [(-1, 0), (0, 10**9), (253_402_300_800, 0)])
def test_a_time_that_is_none_is_refused(seconds: int, nanos: int) -> None:
    moment = Timestamp(seconds=seconds, nanos=nanos)
    with pytest.raises(InvalidArgument, match="expire_time must be a time from 1970 to 9999"):
        read_registering(pb.RegisterRequest(expire_time=moment))


def test_a_record_comes_back_as_it_went() -> None:
    person = Person("ada", "Ada", {"a": "b"}, (Face("f1", 0.75, 1_234),), 1, 2_345, 9_999, ("red",))
    assert read_person(person_message(person)) == person
    assert read_person(person_message(Person("eve"))) == Person("eve")


def test_a_refusal_goes_out_by_its_name_and_an_accepted_photo_by_its_face() -> None:
    face = read_face(FACE)
    results = [PhotoResult([face], face_id="f1"), *(PhotoResult([face], refusal, "why") for refusal in Refusal)]
    message = registered_message(Registered(None, results))
    assert not message.HasField("person")
    accepted, *refused = message.results
    assert (accepted.accepted, accepted.face_id, accepted.refusal) == (True, "f1", pb.PHOTO_REFUSAL_UNSPECIFIED)
    assert [one.refusal for one in refused] == list(pb.PhotoRefusal.values())[1:]
    assert all(not one.accepted and one.message == "why" and one.faces == [FACE] for one in refused)


def test_a_first_answer_describes_nobody_and_is_given_again_with_its_version_and_the_person_of_now() -> None:
    ada = Person("ada", "Ada Lovelace", {"ssn": "078-05-1120"})
    near = NearPerson("eve", 0.4)
    kept = remembered(Registered(ada, [PhotoResult([], face_id="f1", nearest=near)], 7)).SerializeToString()
    assert b"Ada" not in kept and b"ssn" not in kept and b"078" not in kept
    again = repeated_message(Committed(7, kept, repeated=True), ada)
    assert again == registered_message(Registered(ada, [PhotoResult([], face_id="f1")], 7))
