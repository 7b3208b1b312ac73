"""Scopes and what the protos demand: complete, and never wider than meant."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.core.errors import PermissionDenied
from convoy.core.security.demands import DEMANDS, OPEN_INFERENCE, demand_of, naming_part
from convoy.core.security.guard import Guard
from convoy.core.security.scopes import ANY_TOKEN, LEVELS, allows, gallery_scope, is_scope
from convoy.core.security.scores import has_scores, hide, is_score, sets_score
from convoy.core.security.tokens import write_line
from convoy.core.settings import Settings
from convoy.inference import open_inference_pb2
from convoy.v1 import (
    classification_pb2,
    common_pb2,
    detection_pb2,
    explanation_pb2,
    faces_pb2,
    imaging_pb2,
    models_pb2,
    options_pb2,
    recognition_pb2,
    segmentation_pb2,
    status_pb2,
)
from convoy.v1 import recognition_pb2 as api
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

FILES = (
    classification_pb2,
    common_pb2,
    detection_pb2,
    explanation_pb2,
    faces_pb2,
    imaging_pb2,
    models_pb2,
    open_inference_pb2,
    options_pb2,
    recognition_pb2,
    segmentation_pb2,
    status_pb2,
)
METHODS: list[MethodDescriptor] = [
    method for file in FILES for service in file.DESCRIPTOR.services_by_name.values() for method in service.methods
]
GALLERIES = st.text("ab*:-", max_size=6) | st.sampled_from(["staff", "*", "staff:read", "*:admin"])


def path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def scope_of(call: str, request: Message) -> str:
    demand = demand_of(f"/convoy.v1.{call}")
    assert demand is not None
    return demand.scope_of(request, "faces")


def test_this_file_knows_every_proto(root: Path) -> None:
    protos = {str(file.relative_to(root / "proto")) for file in (root / "proto").rglob("*.proto")}
    assert protos == {file.DESCRIPTOR.name for file in FILES}


def test_every_method_names_a_scope() -> None:
    assert set(DEMANDS) == set(map(path, METHODS))


def test_the_foreign_table_has_no_method_of_ours() -> None:
    [service] = open_inference_pb2.DESCRIPTOR.services_by_name.values()
    assert set(OPEN_INFERENCE) == {method.name for method in service.methods}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_method_gives_a_scope_for_its_request(method: MethodDescriptor) -> None:
    demand = demand_of(path(method))
    assert demand is not None
    scope = demand.scope_of(GetMessageClass(method.input_type)(), "faces")
    is_open = method.name in ("ServerLive", "ServerReady")
    assert demand.is_open == is_open == (scope == "")
    # An empty request names no gallery: only who may do it to all of them may send it.
    assert is_open or is_scope(scope) or scope == ANY_TOKEN or allows({scope.replace("::", ":*:")}, scope)


@pytest.mark.parametrize(
    ("call", "request_", "scope"),
    [
        ("ClassificationService/Classify", classification_pb2.ClassifyRequest(), "classification"),
        ("FaceService/GetFaceModel", faces_pb2.GetFaceModelRequest(), "faces"),
        ("ModelService/ListModels", models_pb2.ListModelsRequest(), "faces"),
        ("ModelService/LoadModel", models_pb2.LoadModelRequest(), "models:admin"),
        ("RecognitionService/Identify", api.IdentifyRequest(gallery="staff"), "gallery:staff:read"),
        ("RecognitionService/Register", api.RegisterRequest(gallery="staff"), "gallery:staff:write"),
        ("RecognitionService/CreatePerson", api.CreatePersonRequest(gallery="staff"), "gallery:staff:write"),
        ("RecognitionService/RenamePerson", api.RenamePersonRequest(gallery="staff"), "gallery:staff:write"),
        ("RecognitionService/GetFace", api.GetFaceRequest(gallery="staff"), "gallery:staff:read"),
        ("RecognitionService/MergePeople", api.MergePeopleRequest(gallery="staff"), "gallery:staff:write"),
        ("RecognitionService/DeleteGallery", api.DeleteGalleryRequest(gallery="staff"), "gallery:staff:admin"),
        ("RecognitionService/ExportGallery", api.ExportGalleryRequest(gallery="staff"), "gallery:staff:admin"),
        ("RecognitionService/ListAuditEvents", api.ListAuditEventsRequest(gallery="staff"), "gallery:staff:admin"),
        ("RecognitionService/ListGalleries", api.ListGalleriesRequest(), "gallery:*:read"),
        ("RecognitionService/SetGalleryAlias", api.SetGalleryAliasRequest(gallery="staff"), "gallery:*:admin"),
        (
            "RecognitionService/RegisterMany",
            api.RegisterManyRequest(request=api.RegisterRequest(gallery="staff")),
            "gallery:staff:write",
        ),
        # Two photos are the business of the faces service; a person on record is the gallery's.
        ("RecognitionService/Verify", api.VerifyRequest(photo=common_pb2.Image(encoded=b"x")), "faces"),
        ("RecognitionService/Verify", api.VerifyRequest(person=api.PersonRef(gallery="staff")), "gallery:staff:read"),
        ("RecognitionService/Verify", api.VerifyRequest(), "gallery::read"),
    ],
)
def test_scopes_are_what_security_md_promises(call: str, request_: Message, scope: str) -> None:
    assert scope_of(call, request_) == scope


@pytest.mark.parametrize("name", ["/x/y", "", "/", "convoy.v1.FaceService", "/convoy.v1.FaceService/"])
def test_no_demand_of_what_is_not_there(name: str) -> None:
    assert demand_of(name) is None


def test_a_method_without_a_scope_is_refused_once_tokens_are_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(write_line("ada", "convoy_secret", ["classification"]))
    guard = Guard("classification", Settings(tokens_file=tokens))
    caller = guard.identify(
        "/convoy.v1.ClassificationService/Classify", [("authorization", "Bearer convoy_secret")], "ipv4:127.0.0.1:1"
    )
    request = classification_pb2.ClassifyRequest()
    guard.admit("/convoy.v1.ClassificationService/Classify", request, caller)
    monkeypatch.delitem(DEMANDS, "/convoy.v1.ClassificationService/Classify")
    with pytest.raises(PermissionDenied, match="nobody may make this call"):
        guard.admit("/convoy.v1.ClassificationService/Classify", request, caller)


def test_aliases_are_taken_where_the_request_names_its_gallery() -> None:
    person = api.PersonRef(gallery="staff")
    verify, stream = api.VerifyRequest(person=person), api.IdentifyStreamRequest(request={"gallery": "staff"})
    assert naming_part(verify) is verify.person and naming_part(stream) is stream.request
    identify = api.IdentifyRequest(gallery="staff")
    assert naming_part(identify) is identify


def test_calls_on_whole_galleries_take_no_alias() -> None:
    taking = {method.name for method in METHODS if naming_part(GetMessageClass(method.input_type)()) is not None}
    assert taking == {
        "Register",
        "RegisterMany",
        "Identify",
        "IdentifyStream",
        "Verify",
        "CreatePerson",
        "GetPerson",
        "GetFace",
        "RenamePerson",
        "ListPeople",
        "UpdatePerson",
        "DeletePerson",
        "DeleteFace",
        "FindDuplicates",
        "FindDisagreements",
        "MergePeople",
    }


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
    assert {"Identify", "IdentifyStream", "Verify", "CompareFaces", "Register", "RegisterMany"} <= telling
    assert not telling & {"Detect", "Classify", "GetFaceModel", "EmbedFaces", "ModelInfer"}


def test_similarities_are_hidden_and_nothing_else() -> None:
    match = api.Match(person_id="ada", similarity=0.8)
    face = api.IdentifiedFace(decision=api.DECISION_MATCH, matches=[match, match], match_threshold=0.4, margin=0.2)
    answer = api.IdentifyStreamResponse(id="1", response=api.IdentifyResponse(faces=[face], gallery_size=7))
    hide(answer)
    [seen] = answer.response.faces
    assert [one.similarity for one in seen.matches] == [0, 0] and seen.margin == 0
    assert seen.matches[0].person_id == "ada" and seen.decision == api.DECISION_MATCH
    assert seen.match_threshold == pytest.approx(0.4) and answer.response.gallery_size == 7


def test_who_is_near_an_accepted_photo_is_hidden() -> None:
    near = api.NearPerson(person_id="eve", similarity=0.4)
    photo = api.PhotoResult(accepted=True, face_id="f1", nearest=near)
    answer = api.RegisterManyResponse(person_id="ada", response=api.RegisterResponse(results=[photo]))
    hide(answer)
    assert list(answer.response.results) == [api.PhotoResult(accepted=True, face_id="f1")]


def test_a_stream_that_answers_an_error_stays_as_it_is() -> None:
    answer = api.IdentifyStreamResponse(id="1", error=common_pb2.Error(reason="NO_FACE"))
    hide(answer)
    assert answer.WhichOneof("outcome") == "error"


def test_choosing_a_threshold_is_seen_inside_a_stream_too() -> None:
    for request in (
        api.IdentifyRequest(match_threshold=0.0),
        api.IdentifyRequest(nearest=1),
        api.VerifyRequest(false_match_rate=0.1),
        faces_pb2.CompareFacesRequest(match_threshold=0.3),
        api.IdentifyStreamRequest(request=api.IdentifyRequest(match_threshold=0.3)),
    ):
        assert sets_score(request)
    assert not sets_score(api.IdentifyRequest(top_k=3))
    assert not sets_score(classification_pb2.ClassifyStreamRequest())


def fields_below(kind: Descriptor, above: tuple[str, ...] = ()) -> Iterator[FieldDescriptor]:
    for field in kind.fields:
        yield field
        if field.message_type is not None and field.message_type.full_name not in above:
            yield from fields_below(field.message_type, (*above, kind.full_name))


def test_every_single_similarity_and_margin_of_an_answer_is_a_score() -> None:
    answers = {field.full_name: field for method in METHODS for field in fields_below(method.output_type)}
    single = {
        name
        for name, field in answers.items()
        if field.name in ("similarity", "other_similarity", "margin") and not field.is_repeated
    }
    maps = {"convoy.v1.ExplainComparisonResponse.explanation"}  # each value of it is a similarity
    whole = {"convoy.v1.PhotoResult.nearest"}  # who is near is told to no other caller either
    assert {name for name, field in answers.items() if is_score(field)} == single | maps | whole
    assert single == {
        "convoy.v1.Disagreement.other_similarity",
        "convoy.v1.Disagreement.similarity",
        "convoy.v1.CompareFacesResponse.similarity",
        "convoy.v1.Duplicate.similarity",
        "convoy.v1.IdentifiedFace.margin",
        "convoy.v1.Match.similarity",
        "convoy.v1.NearPerson.similarity",
        "convoy.v1.VerifyResponse.similarity",
    }


def test_every_criterion_of_a_request_is_a_score_whose_zero_is_seen() -> None:
    asked = {field.full_name: field for method in METHODS for field in fields_below(method.input_type)}
    criteria = {
        name for name, field in asked.items() if field.containing_oneof and field.containing_oneof.name == "criterion"
    }
    criteria.add("convoy.v1.IdentifyRequest.nearest")
    # With a given rate these two choose the threshold too.
    criteria |= {"convoy.v1.IdentifyRequest.rate_unit", "convoy.v1.IdentifyRequest.same_occasion"}
    assert {name for name, field in asked.items() if is_score(field)} == criteria and len(criteria) == 11
    assert all(asked[name].has_presence for name in criteria)
