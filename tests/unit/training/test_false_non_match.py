"""How similar photos of one person are, on made-up people whose answer is known."""

import numpy as np
import pytest
from convoy.core.manifest import GenuineCalibration
from convoy_training.metrics.false_non_match import compare_mates, fit_misses
from convoy_training.publishing.calibrate import describe_mates
from pydantic import ValidationError


def make_faces(photos: list[int], noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of people with so many photos each, around random directions in 64 dimensions."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(photos)), photos)
    centres = random.standard_normal((len(photos), 64))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = centres[labels] + noise * random.standard_normal((len(labels), 64)) / 8
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels


def test_only_pairs_of_one_person_are_compared_and_each_photo_weighs_the_same() -> None:
    vectors, labels = make_faces([3, 1, 2], 0.5)
    mates = compare_mates(vectors, labels)
    products = vectors @ vectors.T
    wanted = {(0, 1): 0, (0, 2): 0, (1, 2): 0, (4, 5): 2}
    expected = sorted((float(products[pair]), person) for pair, person in wanted.items())
    assert mates.similarities.tolist() == pytest.approx([similarity for similarity, _ in expected], abs=1e-6)
    assert mates.person.tolist() == [person for _, person in expected]
    # Three photos in three pairs, two photos in one.
    assert [float(mates.weights[mates.person == person].sum()) for person in (0, 2)] == [3.0, 2.0]


def test_the_rate_at_a_similarity_is_the_share_of_photos_below_it() -> None:
    vectors, labels = make_faces([2] * 400 + [60], 0.8)
    mates = compare_mates(vectors, labels)
    curve = fit_misses(mates, samples=20)
    for similarity, rate in zip(curve.similarities, curve.rates, strict=True):
        observed = float(mates.weights[mates.similarities < similarity].sum() / mates.weights.sum())
        assert observed == pytest.approx(rate, abs=0.003)
    assert curve.rates == sorted(curve.rates) and curve.similarities == sorted(curve.similarities)


def test_a_person_of_many_photos_does_not_decide_for_the_others() -> None:
    alike, labels = make_faces([2] * 300, 0.1)
    hard = make_faces([40], 3.0, seed=1)
    vectors, labels = np.concatenate([alike, hard[0]]), np.concatenate([labels, hard[1] + 300])
    mates = compare_mates(vectors, labels)
    median = mates.similarities[len(mates.similarities) // 2]
    curve = fit_misses(mates, samples=20)
    assert np.interp(0.5, curve.rates, curve.similarities) > 0.9 > median


def test_other_people_stay_within_the_interval() -> None:
    curve = fit_misses(compare_mates(*make_faces([3] * 300, 0.9, seed=2)))
    others = compare_mates(*make_faces([3] * 300, 0.9, seed=3))
    for similarity, upper in zip(curve.similarities, curve.upper, strict=True):
        observed = float(others.weights[others.similarities < similarity].sum() / others.weights.sum())
        assert observed <= upper + 0.02


def test_too_few_pairs_say_nothing() -> None:
    assert describe_mates(compare_mates(*make_faces([1, 1, 1], 0.5)), ["LFW"]) is None
    assert describe_mates(compare_mates(*make_faces([2] * 199, 0.5)), ["LFW"]) is None
    described = describe_mates(compare_mates(*make_faces([2] * 200, 0.5)), ["LFW", "CelebA"])
    assert described is not None and (described.pairs, described.dataset) == (200, "LFW and CelebA")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"similarity": [0.5, 0.4]}, "similarity must rise"),
        ({"false_non_match_rate": [0.5, 0.4]}, "must not fall"),
        ({"similarity": [0.1, 0.2, 0.3]}, "differ in length"),
        ({"upper": [1.5, 2]}, "less than or equal to 1"),
    ],
)
def test_a_table_that_cannot_be_is_refused(change: dict[str, object], words: str) -> None:
    facts = {"dataset": "d", "split": "s", "pairs": 9, "similarity": [0.1, 0.2], "false_non_match_rate": [0.1, 0.2]}
    with pytest.raises(ValidationError, match=words):
        GenuineCalibration.model_validate(facts | change)
