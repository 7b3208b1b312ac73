"""The rates of the published embedder hold for people on whom they were not measured."""

from pathlib import Path

import numpy as np
import pytest
from convoy.core.manifest import GRAPH_FILE, load_manifest
from convoy_training.data import identities
from convoy_training.metrics.false_match import Impostors, compare_strangers, fit_curve
from convoy_training.metrics.false_non_match import Mates, compare_mates, fit_misses
from convoy_training.session import open_onnx
from convoy_training.tasks.face_embedding import embed

MODEL = Path("exported_models/face-embedder/2")
FACES = 700
COUNTED = 30
"""A rate is compared where at least so many pairs of the other people are expected above it."""


def bound_below(impostors: Impostors, similarity: float, samples: int = 100) -> float:
    """The 2.5 % quantile of the rate seen at a similarity when people are drawn again."""
    random, people = np.random.default_rng(0), impostors.people
    above, rates = impostors.similarities >= similarity, []
    for _ in range(samples):
        times = np.bincount(random.integers(0, people, people), minlength=people)
        weights = times[impostors.first] * times[impostors.second]
        rates.append(weights[above].sum() / weights.sum())
    return float(np.quantile(rates, 0.025))


@pytest.fixture(scope="module")
def halves(root: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Embeddings and people, of every second person each."""
    faces = identities.load_faces(("lfw",), "validation")
    chosen = np.flatnonzero(np.isin(faces.labels, np.random.default_rng(0).permutation(faces.labels.max() + 1)[:240]))
    chosen = chosen[:FACES]
    vectors, labels = embed(open_onnx(root / MODEL / GRAPH_FILE), faces.crops[chosen]), faces.labels[chosen]
    parts = [labels % 2 == half for half in (0, 1)]
    return [(vectors[rows], np.unique(labels[rows], return_inverse=True)[1]) for rows in parts]


@pytest.mark.data
@pytest.mark.parametrize("first", [0, 1])
def test_photos_of_people_never_measured_are_missed_no_more_often_than_is_stated(
    halves: list[tuple[np.ndarray, np.ndarray]], first: int
) -> None:
    """Either half against the other: one that stated too little would fail one way, one too much the other."""
    curve, others = fit_misses(compare_mates(*halves[first]), samples=60), compare_mates(*halves[1 - first])
    checked = [i for i, rate in enumerate(curve.rates) if 0.02 <= rate <= 0.9]
    for i in checked:
        seen = fewest_misses(others, curve.similarities[i])
        assert seen <= curve.upper[i], f"{seen:.2g} at {curve.similarities[i]:.3f}, stated {curve.rates[i]:g}"
    assert len(checked) > 15


def fewest_misses(mates: Mates, similarity: float, samples: int = 100) -> float:
    """The 2.5 % quantile of the miss rate seen at a similarity when people are drawn again."""
    random, (people, rows) = np.random.default_rng(0), np.unique(mates.person, return_inverse=True)
    below, rates = mates.similarities < similarity, []
    for _ in range(samples):
        times = np.bincount(random.integers(0, len(people), len(people)), minlength=len(people))
        weights = mates.weights * times[rows]
        rates.append(weights[below].sum() / weights.sum())
    return float(np.quantile(rates, 0.025))


@pytest.mark.data
def test_strangers_never_measured_stay_within_the_stated_interval(
    halves: list[tuple[np.ndarray, np.ndarray]],
) -> None:
    measured, others = (compare_strangers(*half) for half in halves)
    curve, checked = fit_curve(measured, samples=60), 0
    for similarity, rate, upper in zip(curve.similarities, curve.rates, curve.upper, strict=True):
        if rate * len(others.similarities) >= COUNTED:
            observed = float(np.mean(others.similarities >= similarity))
            assert bound_below(others, similarity) <= upper, f"{observed:.2g} at {similarity:.3f}, stated {rate:g}"
            checked += 1
    assert checked >= 8


@pytest.mark.data
def test_the_stated_calibration_says_how_it_was_made(root: Path) -> None:
    table = load_manifest(root / MODEL).calibration
    assert table is not None and table.impostor_pairs > 1_000_000 and "Pareto" in table.tail_model
    assert table.genuine is not None and table.genuine.pairs > 10_000 and "held-out people" in table.genuine.split
    assert all(a >= b for a, b in zip(table.genuine.upper, table.genuine.false_non_match_rate, strict=True))
    assert all(upper >= rate for upper, rate in zip(table.upper, table.false_match_rate, strict=True))
