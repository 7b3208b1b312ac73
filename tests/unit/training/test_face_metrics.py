"""Face metrics against answers worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from convoy_training.metrics import face_embedding, verification
from convoy_training.metrics.face_detection import Found, Truth, measure_average_precision, measure_landmark_error
from convoy_training.metrics.false_match import Tail, compare_strangers, fit_curve
from convoy_training.metrics.rejection import measure_miss_after_rejection
from convoy_training.metrics.resampling import resample_pairs
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


def test_separated_pairs_are_all_judged_rightly() -> None:
    similarities = np.array([0.9, 0.8, 0.1, 0.2] * 3)
    same = np.array([True, True, False, False] * 3)
    assert verification.measure_accuracy(similarities, same, np.repeat(np.arange(3), 4)) == 1.0


def test_the_threshold_comes_from_the_other_folds() -> None:
    # Fold 0 alone would be perfect at 0.35; the threshold of fold 1, 0.75, rejects its genuine pairs.
    similarities = np.array([0.4, 0.3, 0.9, 0.6])
    same = np.array([True, False, True, False])
    assert verification.measure_accuracy(similarities, same, np.array([0, 0, 1, 1])) == pytest.approx(0.5)


@given(
    impostors=arrays(np.float64, st.integers(1, 60), elements=st.floats(-1, 1)),
    rate=st.floats(0, 1, exclude_max=True),
    stricter=st.floats(0, 1),
)
def test_a_threshold_never_admits_more_than_its_rate(impostors: np.ndarray, rate: float, stricter: float) -> None:
    threshold = verification.find_threshold(impostors, rate)
    assert np.mean(impostors >= threshold) <= rate + 1e-9
    assert verification.find_threshold(impostors, rate * stricter) >= threshold


def test_true_match_rate_and_equal_error_rate() -> None:
    genuine, impostors = np.array([0.2, 0.6, 0.7, 0.8]), np.array([0.0, 0.1, 0.3, 0.65])
    assert verification.measure_true_match_rate(genuine, impostors, 0.25) == 0.75
    assert verification.measure_true_match_rate(genuine, impostors, 0.0) == 0.5
    assert verification.measure_equal_error_rate(genuine, impostors) == pytest.approx(0.25)


BOXES = np.array([[10.0, 10.0, 60.0, 60.0], [100.0, 100.0, 110.0, 112.0]])
POINTS = np.stack([np.tile([30.0, 30.0], (5, 1)) + np.arange(5)[:, None] * 4, np.full((5, 2), np.nan)])
TRUTH = Truth(BOXES, POINTS, np.zeros(2, bool))


def find(boxes: np.ndarray, scores: list[float]) -> Found:
    return Found(boxes, np.array(scores), np.tile(POINTS[0], (len(boxes), 1, 1)))


def test_average_precision_of_perfect_boxes_is_one() -> None:
    assert measure_average_precision([TRUTH], [find(BOXES, [0.9, 0.8])], 1)[:2] == (pytest.approx(1.0), 2)


def test_small_faces_count_neither_as_found_nor_as_missed() -> None:
    assert measure_average_precision([TRUTH], [find(BOXES[:1], [0.9])], 32)[:2] == (pytest.approx(1.0), 1)
    assert measure_average_precision([TRUTH], [find(BOXES, [0.5, 0.9])], 32)[:2] == (pytest.approx(1.0), 1)


def test_a_false_alarm_above_the_face_halves_precision() -> None:
    wrong = np.array([[200.0, 200.0, 260.0, 260.0]])
    value, *_ = measure_average_precision([TRUTH], [find(np.concatenate([wrong, BOXES[:1]]), [0.9, 0.8])], 32)
    assert value == pytest.approx(0.5)
    small = np.array([[200.0, 200.0, 210.0, 210.0]])
    value, *_ = measure_average_precision([TRUTH], [find(np.concatenate([small, BOXES[:1]]), [0.9, 0.8])], 32)
    assert value == pytest.approx(1.0)


def test_a_missed_face_halves_recall_and_no_face_is_zero() -> None:
    value, *_ = measure_average_precision([TRUTH], [find(BOXES[:1], [0.9])], 1)
    assert value == pytest.approx(0.5, abs=0.01)
    assert measure_average_precision([TRUTH], [find(np.zeros((0, 4)), [])], 1)[:2] == (0.0, 2)


def test_landmark_error_is_in_eye_distances() -> None:
    eyes = np.linalg.norm(POINTS[0, 0] - POINTS[0, 1])
    found = Found(BOXES[:1], np.array([0.9]), POINTS[:1] + np.array([3.0, 0.0]))
    expected = pytest.approx(3.0 / eyes)
    assert measure_landmark_error([TRUTH], [found]) == (expected, 1, (expected, expected))
    assert measure_landmark_error([TRUTH], [find(np.zeros((0, 4)), [])])[1:] == (0, None)


def test_the_interval_of_the_landmark_error_is_that_of_pictures_drawn_anew() -> None:
    shifts = np.arange(40.0)
    found = [Found(BOXES[:1], np.array([0.9]), POINTS[:1] + np.array([shift, 0.0])) for shift in shifts]
    eyes = np.linalg.norm(POINTS[0, 0] - POINTS[0, 1])
    error, count, interval = measure_landmark_error([TRUTH] * 40, found)
    assert (error * eyes, count) == (pytest.approx(19.5), 40) and interval
    # The median's interval by order statistics (Conover 1999): 40 / 2 -+ 1.96 * sqrt(40) / 2 places from the end.
    assert interval[0] * eyes == pytest.approx(13.3, abs=2) and interval[1] * eyes == pytest.approx(25.7, abs=2)


def make_people(people: int, faces: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), faces)
    vectors = random.normal(size=(people, 24))[labels] + random.normal(size=(people * faces, 24))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def test_strangers_are_all_pairs_of_different_people() -> None:
    vectors, labels = make_people(6, 3, seed=0)
    impostors = compare_strangers(vectors, labels)
    assert len(impostors.similarities) == 15 * 9
    assert (np.diff(impostors.similarities) <= 0).all() and (impostors.first != impostors.second).all()


def test_rates_seen_on_other_people_stay_below_the_upper_bound() -> None:
    curve = fit_curve(compare_strangers(*make_people(150, 3, seed=1)), samples=40)
    others = compare_strangers(*make_people(600, 2, seed=2)).similarities
    assert curve.similarities == sorted(curve.similarities) and curve.rates == sorted(curve.rates, reverse=True)
    for similarity, rate, upper in zip(curve.similarities, curve.rates, curve.upper, strict=True):
        observed = float(np.mean(others >= similarity))
        if rate >= 1e-5:
            assert rate / 2 < max(observed, 1e-12) < 2 * upper


def test_few_pairs_are_counted_up_to_the_start_of_the_tail() -> None:
    curve = fit_curve(compare_strangers(*make_people(60, 4, seed=3)), samples=30)
    assert curve.similarities == sorted(curve.similarities) and curve.rates == sorted(curve.rates, reverse=True)
    assert all(np.isfinite(upper) and upper >= rate for rate, upper in zip(curve.rates, curve.upper, strict=True))


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.2])
def test_a_tail_inverts_itself(shape: float) -> None:
    tail = Tail(start=0.4, share=1e-3, scale=0.03, shape=shape)
    for rate in (1e-3, 1e-5, 1e-8):
        assert tail.measure_rate(tail.find_similarity(rate)) == pytest.approx(rate, rel=1e-6)


def test_refusing_the_poorest_leaves_the_errors_of_the_rest() -> None:
    genuine, qualities = np.array([0.1, 0.9, 0.2, 0.8]), np.array([0.2, 0.9, 0.7, 0.6])
    rates = [measure_miss_after_rejection(genuine, qualities, 0.5, rejected) for rejected in (0.0, 0.25, 0.5)]
    assert rates == pytest.approx([1 / 2, 1 / 3, 1 / 2])


def test_a_pair_that_counts_twice_is_as_good_as_two() -> None:
    genuine, qualities = np.array([0.1, 0.9, 0.2, 0.8]), np.array([0.2, 0.9, 0.7, 0.6])
    twice = np.array([2.0, 1.0, 0.0, 1.0])
    for rejected in (0.0, 0.25, 0.5):
        rows = np.repeat(np.arange(4), twice.astype(int))
        expected = measure_miss_after_rejection(genuine[rows], qualities[rows], 0.5, rejected)
        assert measure_miss_after_rejection(genuine, qualities, 0.5, rejected, twice) == pytest.approx(expected)


def test_pairs_of_few_people_are_less_sure_than_pairs_of_many() -> None:
    right = np.tile([True, False], 200)
    same, folds = np.repeat([True, False], 200), np.arange(400) % 7

    def measure(rows: np.ndarray) -> dict[str, float]:
        return {"share": float(right[rows].mean())}

    widths = {}
    for people in (4, 400):
        # Whoever has an even number is always judged rightly.
        first = np.arange(400) % people
        second = np.where(same, first, (first + 2) % people)
        low, high = resample_pairs(measure, (first, second), same, folds)["share"]
        assert low < 0.5 < high
        widths[people] = high - low
    # Genuine pairs count as a Poisson number, of variance 1, strangers' as a product of two: variance 3, covariance 1
    # with the pair on either side. 2 * 1.96 * sqrt(200 * (1 + 3 + 2) * 0.25) / 400 = 0.17; by pairs it would be 0.1.
    assert widths[400] == pytest.approx(0.17, abs=0.03) and widths[4] == 1.0


def test_draws_that_cannot_be_judged_say_nothing() -> None:
    def measure(rows: np.ndarray) -> dict[str, float]:
        return {"error": verification.measure_equal_error_rate(similarities[rows][same[rows]],
                                                               similarities[rows][~same[rows]])}  # fmt: skip

    similarities, same = np.array([0.9, 0.8, 0.1, 0.2]), np.array([True, True, False, False])
    people = np.array([0, 1, 0, 1]), np.array([0, 1, 1, 0])
    assert resample_pairs(measure, people, same, np.arange(4)) == {"error": (0.0, 0.0)}


def test_everything_that_is_said_of_held_out_people_has_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = make_people(60, 4, seed=0)
    vectors, labels = np.concatenate([vectors, -vectors[:80:4]]), np.concatenate([labels, 60 + np.arange(20)])
    quality = np.random.default_rng(0).random(len(labels))
    monkeypatch.setattr(face_embedding, "assess_faces", lambda faces: [SimpleNamespace(score=q) for q in quality])
    faces = SimpleNamespace(labels=labels)
    judged = [*face_embedding.judge_people(vectors, labels), *face_embedding.judge_quality(vectors, faces)]  # type: ignore[arg-type]
    names = [name for name, *_ in judged]
    assert names[:4] == [f"all_pairs_tar_at_far_1e-{n}" for n in (2, 3, 4)] + ["rank_1"]
    assert names[4:6] == ["fnir_at_fpir_1e-1", "fnir_at_fpir_1e-2"] and names[6] == "fnmr_rejecting_0_percent"
    for name, value, _, _, (low, high), condition in judged:
        assert low <= value <= high and high - low > 0.01 and "people" in condition, name
    values = {name: (value, interval) for name, value, _, _, interval, _ in judged}
    # Nobody refused at FMR 1e-3: what is missed there is what is not matched there, in every draw.
    share, (low, high) = values["all_pairs_tar_at_far_1e-3"]
    assert values["fnmr_rejecting_0_percent"] == (pytest.approx(1 - share), pytest.approx((1 - high, 1 - low)))
