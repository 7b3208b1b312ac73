"""Whether the photos of a registration show one person."""

import numpy as np
import pytest
from convoy.core.errors import FailedPrecondition
from convoy.core.models.calibration import FalseMatchCurve
from convoy.recognition.domain.registrations import Refusal
from convoy.recognition.use_cases.agreement import STRANGER_RATE, find_agreeing

from tests.fake_face_source import CURVE, DIMENSION, FACE_MODEL, axis, embedded
from tests.use_cases import UseCases

NOBODY = np.empty((0, DIMENSION), np.float32)
THRESHOLD, SAME_PHOTO = 0.3, 0.995


def agreeing(*photos: np.ndarray, known: np.ndarray = NOBODY) -> list[bool]:
    return find_agreeing(photos, known, THRESHOLD, SAME_PHOTO)


def test_one_photo_of_somebody_new_has_nothing_to_disagree_with() -> None:
    assert agreeing(axis(1)) == [True]
    assert agreeing() == []


def test_where_every_photo_was_refused_already_the_record_is_not_asked() -> None:
    assert agreeing(known=np.stack([axis(1), axis(2)])) == []


def test_most_photos_decide() -> None:
    assert agreeing(axis(1), axis(2), axis(1, 3, 0.8)) == [True, False, True]


@pytest.mark.parametrize("count", [2, 3])
def test_where_nobody_is_the_majority_nobody_is_taken(count: int) -> None:
    assert agreeing(*(axis(i) for i in range(count))) == [False] * count


def test_the_same_photo_twice_makes_no_majority() -> None:
    assert agreeing(axis(1), axis(1), axis(2)) == [False] * 3
    assert agreeing(axis(1), axis(1)) == [True, True]


def test_the_record_decides_against_the_majority() -> None:
    assert agreeing(axis(1), axis(2), axis(2, 3, 0.8), known=np.stack([axis(1, 4, 0.8)])) == [True, False, False]


def test_a_photo_may_resemble_the_person_by_way_of_another() -> None:
    between = (axis(1) + axis(2)) / np.sqrt(2)
    assert agreeing(axis(2), between, known=np.stack([axis(1)])) == [True, True]
    assert agreeing(axis(2), known=np.stack([axis(1), axis(4)])) == [False]


async def test_photos_of_two_people_are_refused_unless_they_are_allowed(house: UseCases) -> None:
    with pytest.raises(FailedPrecondition, match="allow_different") as refused:
        await house.register("ada", b"1", b"2")
    assert refused.value.reason == "OTHER_PERSON"
    answer = await house.register("ada", b"1", b"2", allow_different=True)
    assert [result.refusal for result in answer.results] == [None, None]


async def test_a_photo_that_is_refused_for_itself_has_no_say(house: UseCases) -> None:
    answer = await house.register("ada", b"1", b"nobody", b"two")
    assert [result.refusal for result in answer.results] == [None, Refusal.NO_FACE, Refusal.SEVERAL_FACES]


async def test_somebody_elses_photo_is_not_added_to_a_record(house: UseCases) -> None:
    await house.register("ada", b"1")
    with pytest.raises(FailedPrecondition, match="does not resemble the person on record") as refused:
        await house.register("ada", b"2", b"2 again", add_faces=True)
    assert refused.value.reason == "OTHER_PERSON"
    answer = await house.register("ada", b"4", b"1 again", add_faces=True)
    assert [result.refusal for result in answer.results] == [Refusal.OTHER_PERSON, None]
    assert answer.results[0].face_id == "" and answer.results[1].face_id


async def test_the_calibration_says_what_resembles(house: UseCases) -> None:
    limit = CURVE.threshold(STRANGER_RATE)
    house.faces.shows = {b"a": [embedded(axis(1))]}
    for similarity, accepted in ((limit + 0.01, True), (limit - 0.01, False)):
        house.faces.shows[b"b"] = [embedded(axis(1, 2, similarity))]
        try:
            answer = await house.register(f"p{accepted}", b"a", b"b", allow_identity_conflict=True)
        except FailedPrecondition:
            assert not accepted
        else:
            assert accepted and answer.results[1].refusal is None


async def test_without_a_calibration_nothing_is_compared(house: UseCases) -> None:
    house.faces.face_model = type(FACE_MODEL)(FACE_MODEL.model, FACE_MODEL.default_match_threshold, None)
    assert len((await house.register("ada", b"1", b"2")).results) == 2


def test_a_stranger_passes_as_often_as_is_said() -> None:
    assert isinstance(CURVE, FalseMatchCurve) and CURVE.false_match_rate_at(CURVE.threshold(STRANGER_RATE)) == (
        pytest.approx(STRANGER_RATE)
    )
