"""Scopes and the table of rules: complete, and never wider than meant."""

import pytest
from convoy.core.security.rules import RULES, anybody, rule_of
from convoy.core.security.scopes import LEVELS, allows, gallery_scope, is_scope
from convoy.core.security.scores import chooses_criterion, has_scores, hide
from convoy.inference import open_inference_pb2
from convoy.v1 import (
    classification_pb2,
    common_pb2,
    detection_pb2,
    faces_pb2,
    models_pb2,
    recognition_pb2,
    segmentation_pb2,
)
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

FILES = (
    classification_pb2,
    common_pb2,
    detection_pb2,
    faces_pb2,
    models_pb2,
    open_inference_pb2,
    recognition_pb2,
    segmentation_pb2,
)
METHODS: list[MethodDescriptor] = [
    method for file in FILES for service in file.DESCRIPTOR.services_by_name.values() for method in service.methods
]
GALLERIES = st.text("ab*:-", max_size=6) | st.sampled_from(["staff", "*", "staff:read", "*:admin"])


def test_every_rpc_has_a_rule_and_every_rule_an_rpc() -> None:
    named = {(method.containing_service.full_name, method.name) for method in METHODS}
    assert {(service, name) for service, rules in RULES.items() for name in rules} == named


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_rule_gives_a_scope_for_its_request(method: MethodDescriptor) -> None:
    rule = rule_of(f"/{method.containing_service.full_name}/{method.name}")
    assert rule is not None
    scope = rule(GetMessageClass(method.input_type)(), "faces")
    is_open = method.name in ("ServerLive", "ServerReady")
    assert (rule is anybody) == is_open == (scope == "")
    # An empty request names no gallery: only who may do it to all of them may send it.
    assert is_open or is_scope(scope) or allows({scope.replace("::", ":*:")}, scope)


def test_no_rule_for_what_is_not_there() -> None:
    assert [rule_of(name) for name in ("/x/y", "", "/", "convoy.v1.FaceService", "/convoy.v1.FaceService/")] == [
        None
    ] * 5


def test_two_photos_are_verified_by_who_may_use_faces() -> None:
    rule = rule_of("/convoy.v1.RecognitionService/Verify")
    assert rule is not None
    photos = recognition_pb2.VerifyRequest(photo=common_pb2.Image(encoded=b"x"))
    person = recognition_pb2.VerifyRequest(person=recognition_pb2.PersonRef(gallery="staff"))
    assert (rule(photos, "recognition"), rule(person, "recognition")) == ("faces", "gallery:staff:read")


@pytest.mark.parametrize("higher", range(3))
@pytest.mark.parametrize("lower", range(3))
def test_levels_include_those_below(higher: int, lower: int) -> None:
    granted, needed = gallery_scope("staff", LEVELS[higher]), gallery_scope("staff", LEVELS[lower])
    assert allows({granted}, needed) == (higher >= lower)
    assert allows({gallery_scope("*", LEVELS[higher])}, needed) == (higher >= lower)


@given(granted=GALLERIES, asked=GALLERIES, level=st.sampled_from(LEVELS), wanted=st.sampled_from(LEVELS))
def test_no_name_of_a_gallery_passes_for_another(granted: str, asked: str, level: str, wanted: str) -> None:
    scope = gallery_scope(granted, level)
    if is_scope(scope) and allows({scope}, gallery_scope(asked, wanted)):
        assert granted in ("*", asked) and LEVELS.index(level) >= LEVELS.index(wanted)


def test_gallery_scopes_open_no_service() -> None:
    everything = {gallery_scope("*", "admin")}
    assert not any(allows(everything, needed) for needed in ("faces", "models:admin", "scores", "classification"))
    assert not allows({"faces", "models:admin", "scores"}, "gallery:staff:read")


def test_the_answers_that_tell_similarities_are_known() -> None:
    telling = {method.name for method in METHODS if has_scores(method.output_type)}
    assert {"Identify", "IdentifyStream", "Verify", "CompareFaces"} <= telling
    assert not telling & {"Detect", "Classify", "GetFaceModel", "EmbedFaces", "ModelInfer"}


def test_similarities_are_hidden_and_nothing_else() -> None:
    match = recognition_pb2.Match(person_id="ada", similarity=0.8)
    face = recognition_pb2.IdentifiedFace(
        decision=recognition_pb2.DECISION_MATCH, matches=[match, match], match_threshold=0.4, margin=0.2
    )
    answer = recognition_pb2.IdentifyStreamResponse(
        id="1", response=recognition_pb2.IdentifyResponse(faces=[face], gallery_size=7)
    )
    hide(answer)
    [seen] = answer.response.faces
    assert [one.similarity for one in seen.matches] == [0, 0] and seen.margin == 0
    assert seen.matches[0].person_id == "ada" and seen.decision == recognition_pb2.DECISION_MATCH
    assert seen.match_threshold == pytest.approx(0.4) and answer.response.gallery_size == 7


def test_a_stream_that_answers_an_error_stays_as_it_is() -> None:
    answer = recognition_pb2.IdentifyStreamResponse(id="1", error=common_pb2.Error(reason="NO_FACE"))
    hide(answer)
    assert answer.WhichOneof("outcome") == "error"


def test_choosing_a_threshold_is_seen_inside_a_stream_too() -> None:
    for request in (
        recognition_pb2.IdentifyRequest(match_threshold=0.0),
        recognition_pb2.VerifyRequest(false_match_rate=0.1),
        faces_pb2.CompareFacesRequest(match_threshold=0.3),
        recognition_pb2.IdentifyStreamRequest(request=recognition_pb2.IdentifyRequest(match_threshold=0.3)),
    ):
        assert chooses_criterion(request)
    assert not chooses_criterion(recognition_pb2.IdentifyRequest(top_k=3))
    assert not chooses_criterion(classification_pb2.ClassifyStreamRequest())
