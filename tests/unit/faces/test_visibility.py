"""Whether something covers a face."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from convoy.faces.crop_network import describe
from convoy.faces.quality import assess_quality
from convoy.faces.visibility import WEIGHTS, judge_visibility


def test_the_card_tells_of_these_weights() -> None:
    card = json.loads(WEIGHTS.with_suffix(".json").read_text())
    assert card["sha256"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert card["command"].startswith("convoy-train fit-visibility") and card["data_terms"]
    assert set(card["measured"]) == set(card["learnt_from_blobs_alone"])
    assert {"uncovered", "mask", "dark glasses", "hand"} < set(card["measured"])


def test_a_covered_face_is_of_no_use_and_one_that_nobody_judged_keeps_its_score() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    marks = np.float32([[38, 52], [74, 52], [56, 72], [42, 92], [71, 92]])
    free, covered = (assess_quality(crop, marks, 0.9, 1.0, visibility) for visibility in (None, 0.1))
    assert covered.score == pytest.approx(0.1 * free.score) and (free.visibility, covered.visibility) == (None, 0.1)


@pytest.mark.data
def test_faces_of_held_out_people_are_told_from_the_same_faces_with_a_mask(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from convoy.faces.alignment import REFERENCE_LANDMARKS
    from convoy_training.augment.occluders import cover
    from convoy_training.data.identities import load_faces

    monkeypatch.setenv("CONVOY_DATA", str(data))
    crops, random = load_faces(("celeba",), "validation").crops[::5][:100], np.random.default_rng(0)
    free = np.array([judge_visibility(describe(one)) for one in crops])
    masked = [cover(one, REFERENCE_LANDMARKS, "mask", random) for one in crops]
    assert (free >= 0.5).mean() >= 0.97
    assert np.mean([judge_visibility(describe(one)) < 0.5 for one in masked]) >= 0.97
