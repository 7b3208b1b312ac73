"""What is drawn over faces hides what it should, where the face is."""

import numpy as np
import pytest
from convoy.faces.alignment import REFERENCE_LANDMARKS
from convoy_training.augment.occluders import KINDS, cover, cover_anyhow

EYES, MOUTH = slice(0, 2), slice(3, 5)
MARKS = REFERENCE_LANDMARKS * 1.5 + (60, 40)
GREY = np.full((320, 280, 3), 200, np.uint8)


def is_hidden(image: np.ndarray) -> np.ndarray:
    """Which of the five landmarks are covered; grey is what nothing covers."""
    columns, rows = MARKS.round().astype(int).T
    return np.asarray((image[rows, columns] != 200).any(axis=1))


@pytest.mark.parametrize(("kind", "hides", "leaves"), [("mask", MOUTH, EYES), ("dark glasses", EYES, MOUTH)])
def test_an_occluder_hides_its_part_of_the_face_and_nothing_far_from_it(kind: str, hides: slice, leaves: slice) -> None:
    for seed in range(10):
        covered = cover(GREY, MARKS, kind, np.random.default_rng(seed))
        assert covered.shape == GREY.shape and is_hidden(covered)[hides].all() and not is_hidden(covered)[leaves].any()
        assert (covered[:60] == 200).all() and (covered[-30:] == 200).all()


def test_a_hand_hides_some_of_the_face_and_a_blob_too() -> None:
    random, textures = np.random.default_rng(0), [np.zeros((32, 32, 3), np.uint8)]
    hands = [is_hidden(cover(GREY, MARKS, "hand", random)) for _ in range(20)]
    blobs = [is_hidden(cover_anyhow(GREY, MARKS, textures, random)) for _ in range(20)]
    for hidden in (hands, blobs):
        assert np.mean([one.any() for one in hidden]) >= 0.9 and not np.all(hidden)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_draws_the_same_again(kind: str) -> None:
    one, again, other = (cover(GREY, MARKS, kind, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert (one == again).all() and (one != other).any()
