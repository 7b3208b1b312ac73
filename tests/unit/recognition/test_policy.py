"""Edits of a gallery's policy."""

import pytest
from convoy.core.errors import InvalidArgument
from convoy.recognition.domain.edits import POLICY_FIELDS, PolicyEdit
from convoy.recognition.domain.records import Policy
from convoy.recognition.requests import read_gallery_edit
from convoy.v1 import recognition_pb2 as pb

RATE = "false_positive_identification_rate"


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.5, float("nan")])
def test_a_rate_lies_above_nought(rate: float) -> None:
    with pytest.raises(InvalidArgument, match="must be above 0 and at most 1"):
        PolicyEdit({RATE: rate}).apply(Policy())


@pytest.mark.parametrize(
    ("name", "value"), [("quality_floor", 1.1), ("ambiguity_margin", 2.5), ("quality_floor", -0.1)]
)
def test_a_share_lies_in_its_range(name: str, value: float) -> None:
    with pytest.raises(InvalidArgument, match=f"policy.{name} is"):
        PolicyEdit({name: value}).apply(Policy())


def test_fields_that_are_not_named_stay_and_others_go_back_to_the_default() -> None:
    before = Policy(0.5, 0.01, 0.1, 7, 8)
    after = PolicyEdit({"max_faces": 0, "ambiguity_margin": 0.2}, ["quality_floor", "max_people"]).apply(before)
    assert after == Policy(None, 0.01, 0.2, 0, 0)


def test_a_field_that_is_reset_and_set_gets_the_value() -> None:
    assert PolicyEdit({"quality_floor": 0.7}, ["quality_floor"]).apply(Policy(0.5)) == Policy(0.7)


@pytest.mark.parametrize("reset", [["colour"], ["quality_floor", "quality_floor"], ["rest"]])
def test_a_field_that_is_none_or_is_named_twice_is_refused(reset: list[str]) -> None:
    with pytest.raises(InvalidArgument, match="is not a field of the policy, or is named twice"):
        PolicyEdit(reset=reset).apply(Policy())


def test_a_request_sets_what_it_has_set_alone() -> None:
    policy = pb.GalleryPolicy(quality_floor=0, max_people=0)
    edit = read_gallery_edit(pb.UpdateGalleryRequest(gallery="staff", policy=policy, reset_policy_fields=["max_faces"]))
    assert (edit.name, edit.description) == ("staff", None)
    assert (edit.policy.values, edit.policy.reset) == ({"quality_floor": 0, "max_people": 0}, ("max_faces",))


def test_every_field_of_the_apis_policy_can_be_edited() -> None:
    assert set(POLICY_FIELDS) == {field.name for field in pb.GalleryPolicy.DESCRIPTOR.fields}
