"""People in one photo, on made-up faces that share a light of their own."""

import os
from pathlib import Path

import numpy as np
import pytest
from convoy.core.manifest import Calibration, FalseMatches
from convoy_training.data import group_photos
from convoy_training.data.group_photos import GroupFaces
from convoy_training.errors import RecipeError
from convoy_training.metrics.same_photo import compare_group_faces, fit_same_photo, measure_same_photo
from convoy_training.protocols.run import Beside, OwnPairs, run_protocol
from convoy_training.protocols.same_photo import judge_same_photo
from convoy_training.publishing.calibrate import calibrate_same_photo


def make_faces(photos: int = 120, people: int = 5, light: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of people, each its own direction and something of its photo's, and the photo of each."""
    random = np.random.default_rng(0)
    numbers = np.repeat(np.arange(photos), people)
    vectors = random.normal(size=(len(numbers), 48)) + light * random.normal(size=(photos, 48))[numbers]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), numbers


def test_rates_are_counted_at_the_threshold_of_pairs_from_different_photos() -> None:
    vectors, photos = make_faces()
    measured = measure_same_photo(compare_group_faces(vectors, photos), 100)
    for rate, (threshold, value, (low, high)) in measured.items():
        similarities = vectors @ vectors.T
        same = photos[:, None] == photos[None]
        pairs = same & ~np.eye(len(photos), dtype=bool)
        assert np.mean(similarities[~same] >= threshold) == pytest.approx(rate, rel=0.02)
        assert value == pytest.approx(np.mean(similarities[pairs] >= threshold), abs=1e-3)
        assert low < value < high and value > 2 * rate
    assert len(measured) == 3


def test_where_photos_share_nothing_the_two_rates_are_one() -> None:
    vectors, photos = make_faces(photos=150, light=0.0)
    _, value, (low, high) = measure_same_photo(compare_group_faces(vectors, photos), 100)[1e-2]
    assert low <= 0.01 <= high and value < 0.02


def test_an_interval_draws_photos_and_not_pairs() -> None:
    # One photo of forty people has half of all pairs: whether it is drawn decides.
    vectors, photos = make_faces(photos=100, people=4, light=0.2)
    crowd, _ = make_faces(photos=1, people=50, light=1.5)
    compared = compare_group_faces(np.vstack([vectors, crowd]), np.concatenate([photos, np.full(50, 100)]))
    _, value, (low, high) = measure_same_photo(compared)[1e-2]
    binomial = np.sqrt(value * (1 - value) / compared.same.sum())
    assert high - low > 8 * binomial


def test_the_curve_is_that_of_pairs_within_photos() -> None:
    vectors, photos = make_faces()
    compared = compare_group_faces(vectors, photos)
    curve, pairs = fit_same_photo(compared)
    within = compared.similarities[compared.same]
    assert len(pairs.similarities) == len(within) == 120 * 10
    assert curve.rates[0] == 0.5 and curve.rates[-1] == 1e-3
    for similarity, rate in zip(curve.similarities[:4], curve.rates[:4], strict=True):
        assert np.mean(within >= similarity) == pytest.approx(rate, abs=2e-3)
    assert all(upper >= rate for upper, rate in zip(curve.upper, curve.rates, strict=True))


def test_the_protocol_tells_of_all_faces_and_of_the_larger_ones() -> None:
    vectors, photos = make_faces(photos=60)
    crops = np.zeros((len(photos), 112, 112, 3), np.uint8)
    crops[:, 0, 0, 0], crops[:, 0, 0, 1] = np.divmod(np.arange(len(photos)), 256)
    faces = GroupFaces(crops, photos, np.where(np.arange(len(photos)) % 2, 20.0, 40.0))

    def predict(images: np.ndarray) -> dict[str, np.ndarray]:
        return {"embeddings": vectors[256 * images[:, 0, 0, 0].astype(int) + images[:, 0, 0, 1]]}

    outcome = judge_same_photo(predict, faces)
    names = [metric.name for metric in outcome.metrics]
    assert names == [f"same_photo_fmr_at_fmr_1e-{i}" for i in (1, 2, 3)] * 2
    assert [metric.n for metric in outcome.metrics] == [600] * 3 + [sum((3, 1) * 30)] * 3
    assert (
        "faces of 32 px and more" in outcome.metrics[3].split and "interval by photos" in outcome.metrics[0].condition
    )
    assert len(outcome.sections[1].shots) == 16


def test_without_the_photos_the_calibration_goes_without_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(os.environ, "CONVOY_DATA", str(tmp_path))
    group_photos.load_group_faces.cache_clear()
    group_photos.wider.load_split.cache_clear()
    assert calibrate_same_photo(lambda images: {}, "command") is None
    assert "pairs from one photo are not calibrated" in capsys.readouterr().err


def test_a_manifest_without_it_is_written_as_version_0_1_0_reads_it() -> None:
    table = {
        "dataset": "d",
        "split": "s",
        "impostor_pairs": 9,
        "similarity": [0.1, 0.2],
        "false_match_rate": [0.5, 0.1],
    }
    without = Calibration(**table, command="c")
    assert "same_photo" not in without.model_dump() and "same_photo" not in without.model_dump_json()
    both = Calibration(**table, command="c", same_photo=FalseMatches(**table, command="c"))
    assert Calibration.model_validate_json(both.model_dump_json()) == both


def test_ones_own_pairs_are_no_group_photos(tmp_path: Path) -> None:
    own = OwnPairs(tmp_path / "pairs.txt", tmp_path, tmp_path)
    with pytest.raises(RecipeError, match="neither a search nor group photos"):
        run_protocol(Path("exported_models/face-embedder-small/1"), "same-photo", Beside(tmp_path, tmp_path), own)
