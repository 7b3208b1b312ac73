"""The second opinion: does an aligned crop look like a face turned upright?"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from convoy.faces.crop_network import describe
from convoy.faces.likeness import WEIGHTS, measure_likeness


def test_the_card_tells_of_these_weights() -> None:
    card = json.loads(WEIGHTS.with_suffix(".json").read_text())
    assert card["sha256"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert card["command"].startswith("convoy-train fit-likeness") and card["data_terms"]
    covered = {"covered faces", "covered faces, turned"}
    assert {"faces", "turned faces", "parts of faces", "found where no face is"} | covered == set(card["measured"])


def test_features_are_those_of_gradients_and_not_of_light() -> None:
    """The histograms of a vertical edge lie in the one direction; more light or contrast changes nothing."""
    crop = np.full((112, 112, 3), 60, np.uint8)
    crop[:, 56:] = 180
    features = describe(crop)
    assert features.shape == (1764,) and features.dtype == np.float32
    cells = features.reshape(-1, 9)
    assert (cells[:, 0] >= cells[:, 1:].max(axis=1)).all() and cells[:, 0].max() > 0.3
    assert describe(crop // 2 + 40) == pytest.approx(features, abs=0.02)
    turned = describe(np.ascontiguousarray(np.rot90(crop))).reshape(-1, 9)
    assert turned[:, 0].max() < 0.05


def test_what_is_flat_or_noise_is_no_face() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    assert max(map(measure_likeness, (np.full((112, 112, 3), 128, np.uint8), noise))) < 0.5


@pytest.mark.data
def test_faces_of_held_out_people_are_told_from_the_same_faces_turned(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convoy_training.data.identities import load_faces

    monkeypatch.setenv("CONVOY_DATA", str(data))
    crops = load_faces(("celeba",), "validation").crops[::5][:100]
    upright = np.array([measure_likeness(crop) for crop in crops])
    turned = np.array(
        [measure_likeness(np.ascontiguousarray(np.rot90(crop, by))) for crop in crops for by in (1, 2, 3)]
    )
    parts = np.array([measure_likeness(crop[40:96, 28:84].repeat(2, 0).repeat(2, 1)) for crop in crops])
    assert (upright >= 0.5).mean() >= 0.97
    assert (turned < 0.5).mean() >= 0.97 and (parts < 0.5).mean() >= 0.97
