"""Known people found while some strangers are named, on made-up faces."""

import numpy as np
import pytest
from convoy_training.metrics.face_embedding import judge_found as judge_for_the_manifest
from convoy_training.metrics.found import DRAWS, FEWEST_STRANGERS, PHOTOS, RATES, measure_found
from convoy_training.protocols.identification import judge_found


def make_faces(counts: list[int], noise: float) -> tuple[np.ndarray, np.ndarray]:
    """So many photos of each person, around a direction of their own, and the person of each."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(counts)), counts)
    vectors = random.normal(size=(len(counts), 32))[labels] + noise * random.normal(size=(len(labels), 32))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


MANY = [5] * 60 + [1] * 1000
"""People who can be searched for, and a thousand who cannot."""


def test_the_same_searches_judge_one_photo_and_three() -> None:
    vectors, labels = make_faces(MANY, noise=1.0)
    one, three = (measure_found(vectors, labels, 50, photos) for photos in PHOTOS)
    assert one and three and (one.probes, three.probes) == (100, 100)
    # Ten people who could be searched for are strangers with all five photos.
    assert (one.strangers, one.stranger_photos) == (1010, 1050) == (three.strangers, three.stranger_photos)
    for rate in RATES:
        assert three.shares[rate] > one.shares[rate] or rate == 1e-3  # which one photo of a stranger decides
        assert one.intervals[rate][0] <= one.shares[rate] <= one.intervals[rate][1]
    assert one.shares[1e-3] <= one.shares[1e-2] <= one.shares[5e-2]


def test_a_larger_gallery_finds_fewer_and_takes_people_with_one_photo_in() -> None:
    vectors, labels = make_faces(MANY, noise=1.2)
    small, large = (measure_found(vectors, labels, people, 1) for people in (50, 160))
    assert small and large and large.probes == 120 and large.strangers == 900
    assert large.shares[5e-2] < small.shares[5e-2]
    # One in a thousand is less than one of nine hundred photos.
    assert sorted(large.shares) == sorted(large.intervals) == [1e-2, 5e-2] and 1e-3 in small.shares
    assert measure_found(vectors, labels, len(MANY) - FEWEST_STRANGERS + 1, 1) is None


def test_who_is_recognised_beyond_doubt_is_always_found() -> None:
    vectors, labels = make_faces(MANY, noise=0.05)
    found = measure_found(vectors, labels, 50, 1)
    assert found and found.shares == pytest.approx(dict.fromkeys(RATES, 1.0))


def test_the_protocol_tells_the_conditions_of_each_number() -> None:
    vectors, labels = make_faces(MANY, noise=1.0)
    metrics, lines = judge_found(vectors, labels, "made up", (50, 100, 1000))
    two = ["found_at_fpir_1e-2", "found_at_fpir_5e-2"]
    assert [metric.name for metric in metrics] == ["found_at_fpir_1e-3", *two, *two] * 2
    assert [line.x.tolist() for line in lines] == [[50], [50, 100], [50, 100]] * 2
    assert "100 people enrolled, 3 photos each" in metrics[-1].condition
    assert f"mean of {DRAWS} draws" in metrics[0].condition and metrics[0].interval
    assert judge_found(vectors, labels, "made up", (1000,)) == ([], [])


def test_of_few_people_half_are_enrolled() -> None:
    vectors, labels = make_faces([20] * 28, noise=1.0)
    metrics, _ = judge_found(vectors, labels, "made up")
    assert [metric.name for metric in metrics] == ["found_at_fpir_1e-2", "found_at_fpir_5e-2"] * 2
    assert (
        "14 people enrolled, 1 photo each of those searched for, 14 strangers with 280 photos" in metrics[0].condition
    )
    assert metrics[0].n == 14 * 17
    assert judge_found(*make_faces([20] * 19, noise=1.0), "made up") == ([], [])


def test_the_manifest_has_the_number_that_embedders_are_compared_by_first() -> None:
    vectors, labels = make_faces(MANY, noise=1.0)
    names = [name for name, *_ in judge_for_the_manifest(vectors, labels)]
    assert names == ["found_at_fpir_1e-2", "found_at_fpir_5e-2", "found_at_fpir_1e-2_with_3_photos"]
    assert not [*judge_for_the_manifest(vectors[:600], labels[:600])]
