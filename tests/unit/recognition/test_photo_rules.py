"""Whether a photo may stand for a person."""

from dataclasses import replace

import numpy as np
import pytest
from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.recognition.domain.found_faces import Quality
from convoy.recognition.domain.registrations import PhotoResult, Refusal, Registered
from convoy.recognition.search.index import Hit
from convoy.recognition.use_cases.photo_rules import Demands, bad_image, judge, none_accepted
from convoy.recognition.use_cases.record_rules import SAME_FACE, compare

from tests.fake_face_source import DIMENSION, GOOD, axis, embedded

NOBODY = np.empty((0, DIMENSION), np.float32)
NO_PICTURE = InvalidArgument("NOT_AN_IMAGE", "the bytes are no JPEG", {"size": 4})


def test_a_face_that_is_good_enough_is_accepted_with_its_embedding() -> None:
    face = embedded(axis(1), Quality(0.3, 0.1, 0.9, 0.9, 0.9))
    verdict = judge([face], Demands(0.3, 0.65, use_largest_face=False))
    assert (verdict.result, verdict.quality) == (PhotoResult([face.face]), 0.3)
    assert verdict.embedding is face.embedding


@pytest.mark.parametrize(
    ("quality", "refusal"),
    [
        (Quality(0.2, 0.1, 0.9, 0.9, 0.9), Refusal.TOO_SMALL),
        (Quality(0.2, 0.9, 0.1, 0.9, 0.9), Refusal.BLURRED),
        (Quality(0.2, 0.9, 0.9, 0.1, 0.9), Refusal.LOW_QUALITY),
        (Quality(0.2, 0.9, 0.9, 0.9, 0.1), Refusal.EXTREME_POSE),
        (Quality(0.2, 0.1, 0.1, 0.9, 0.9), Refusal.LOW_QUALITY),
        (Quality(0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.2), Refusal.OCCLUDED),
        # No part is below the floor by itself: then it is the lowest.
        (Quality(0.2, 0.9, 0.31, 0.9, 0.9), Refusal.BLURRED),
    ],
)
def test_the_part_that_is_too_low_is_named(quality: Quality, refusal: Refusal) -> None:
    face = embedded(axis(1), quality)
    verdict = judge([face], Demands(0.3, 0.65, use_largest_face=False))
    assert (verdict.result.refusal, verdict.result.faces, verdict.embedding) == (refusal, [face.face], None)
    assert "quality 0.20, the gallery asks for 0.30" in verdict.result.message


def test_all_parts_that_are_too_low_are_said() -> None:
    verdict = judge([embedded(axis(1), Quality(0.2, 0.1, 0.1, 0.9, 0.9))], Demands(0.3, 0.65, use_largest_face=False))
    assert "too small" in verdict.result.message and "blurred" in verdict.result.message


def test_a_photo_shows_one_face_unless_the_largest_may_be_taken() -> None:
    assert judge([], Demands(0.3, 0.65, use_largest_face=True)).result.refusal is Refusal.NO_FACE
    several = [embedded(axis(1)), embedded(axis(2))]
    refused = judge(several, Demands(0.3, 0.65, use_largest_face=False))
    assert refused.result.refusal is Refusal.SEVERAL_FACES and len(refused.result.faces) == 2
    taken = judge(several, Demands(0.3, 0.65, use_largest_face=True))
    assert taken.result.refusal is None and taken.embedding is several[0].embedding


@pytest.mark.parametrize(("similarity", "refusal"), [(SAME_FACE + 0.001, Refusal.DUPLICATE), (SAME_FACE - 0.001, None)])
def test_a_face_that_the_person_has_is_refused(similarity: float, refusal: Refusal | None) -> None:
    verdict = judge([embedded(axis(1, 2, similarity))], Demands(0.3, 0.65, use_largest_face=False))
    compared = compare(verdict, np.stack([axis(3), axis(1)]), None)
    assert (compared.result.refusal, compared.embedding is None) == (refusal, refusal is not None)


def test_a_face_that_is_somebody_elses_is_refused_and_says_whose() -> None:
    verdict = judge([embedded(axis(1))], Demands(0.3, 0.65, use_largest_face=False))
    refused = compare(verdict, NOBODY, Hit("eve", "f1", 0.9))
    assert refused.result.refusal is Refusal.IDENTITY_CONFLICT and refused.embedding is None
    assert (refused.result.conflicting_person_id, "'eve'" in refused.result.message) == ("eve", True)
    assert compare(verdict, NOBODY, None) is verdict


def test_a_refused_photo_stays_refused_for_its_first_reason() -> None:
    verdict = judge([], Demands(0.3, 0.65, use_largest_face=False))
    assert compare(verdict, np.stack([axis(1)]), Hit("eve", "f1", 0.9)) is verdict


def test_when_none_is_accepted_the_first_reason_is_the_error_and_all_results_go_along() -> None:
    several = judge([embedded(axis(1)), embedded(axis(2))], Demands(0.3, 0.65, use_largest_face=False)).result
    results = [bad_image(NO_PICTURE).result, several, judge([], Demands(0.3, 0.65, use_largest_face=False)).result]
    error = none_accepted(results, [NO_PICTURE])
    assert isinstance(error, FailedPrecondition)
    assert (error.reason, error.metadata) == ("SEVERAL_FACES", {"photos": "3", "faces_found": "2"})
    assert error.message.startswith("all 3 photos were refused: 2 faces were found")
    assert error.details == (Registered(None, results),)
    assert none_accepted(results[2:], []).message.startswith("the photo was refused: no face was found")


def test_when_none_is_a_picture_that_is_the_error() -> None:
    results = [bad_image(NO_PICTURE).result]
    error = none_accepted(results, [NO_PICTURE])
    assert isinstance(error, InvalidArgument)
    assert (error.reason, error.message, error.metadata) == ("NOT_AN_IMAGE", "the bytes are no JPEG", {"size": "4"})
    assert results[0].refusal is Refusal.BAD_IMAGE and error.details == (Registered(None, results),)


def test_what_is_hardly_a_face_is_nobody_beside_the_person() -> None:
    """A pattern behind the person, larger than the face, is neither a second person nor the one who is registered."""
    pattern = embedded(axis(2), replace(GOOD, likeness=0.1))
    person = embedded(axis(1), replace(GOOD, likeness=0.99))
    demands = Demands(0.3, 0.65, likeness_floor=0.5)
    verdict = judge([pattern, person], demands)
    assert verdict.result.refusal is None and verdict.embedding is person.embedding
    assert judge([pattern], demands).result.refusal is Refusal.NOT_A_FACE
    assert judge([person, person], demands).result.refusal is Refusal.SEVERAL_FACES
