"""Pictures without a face: every kind fills its canvas, and a detector's epoch holds its share of them."""

import numpy as np
import pytest
from convoy_training.data import faceless
from convoy_training.tasks.face_detection import Batches, Config

PLAN = {"name": "x", "licence": "x", "epochs": 1, "batch_size": 4, "optimizer": {"name": "adamw", "lr": 1e-3}}


@pytest.mark.parametrize("side", [64, 321])
@pytest.mark.parametrize("kind", faceless.KINDS)
def test_every_kind_fills_the_canvas_and_differs_from_draw_to_draw(kind: str, side: int) -> None:
    random = np.random.default_rng(0)
    first, second = (faceless.KINDS[kind][0](side, random) for _ in range(2))
    assert first.shape == (side, side, 3) and first.dtype == np.uint8
    assert first.std() > 2 and (first != second).any()


def test_the_same_seed_draws_the_same_pictures() -> None:
    one, other = (faceless.draw(96, np.random.default_rng(5)) for _ in range(2))
    assert (one == other).all()


def test_the_share_without_a_face_is_the_recipes() -> None:
    config = Config.model_validate({**PLAN, "size_px": 64, "close_up_share": 0.0, "faceless_share": 0.5})
    batches, random = Batches(config), np.random.default_rng(1)
    empty = [len(batches.draw_scene(random).boxes_xyxy) == 0 for _ in range(300)]
    assert 0.4 < np.mean(empty) < 0.6
