"""How the embedder's recipe draws its epochs."""

import numpy as np
import pytest
import torch
from convoy_training.data.identities import Faces
from convoy_training.losses.triplet import MinedTriplets
from convoy_training.tasks.face_embedding import Batches, Config, group_rows
from torch.nn import functional as F

COUNTS = {0: 30, 1: 3, 2: 1, 3: 1, 4: 1, 5: 1}


def make_batches(**changes: object) -> Batches:
    labels = np.repeat(list(COUNTS), list(COUNTS.values()))
    crops = np.random.default_rng(0).integers(0, 256, (len(labels), 140, 140, 3), np.uint8)
    fields = {"name": "tiny", "epochs": 1, "batch_size": 5, "optimizer": {"lr": 0.1}, "images_per_person": 10} | changes
    people = tuple(f"lfw/{person}" for person in COUNTS)
    return Batches(Faces(crops, labels, people, ("",) * len(labels)), Config.model_validate(fields))


def test_an_epoch_caps_the_famous_and_takes_its_share_of_single_photos() -> None:
    batches = make_batches(singleton_share=0.5)
    rows = batches.draw_rows(np.random.default_rng(0))
    drawn = np.bincount(batches.faces.labels[rows], minlength=6)
    assert drawn[:2].tolist() == [10, 3] and drawn[2:].sum() == 2
    assert len(batches) == 3


def test_two_epochs_differ_and_the_same_seed_repeats() -> None:
    batches = make_batches()
    torch.manual_seed(3)
    first, second = next(batches(0)), next(batches(1))
    torch.manual_seed(3)
    again = next(batches(0))
    assert torch.equal(first[0], again[0]) and not torch.equal(first[0], second[0])
    assert first[0].shape == (5, 112, 112, 3) and first[0].dtype == torch.uint8


def test_triplet_batches_hold_groups_of_one_person() -> None:
    people = [np.arange(0, 8), np.arange(8, 16), np.arange(16, 24)]
    rows = group_rows(people, 4, np.random.default_rng(0))
    assert sorted(rows) == list(range(24))
    assert all(len({row // 8 for row in rows[i : i + 4]}) == 1 for i in range(0, 24, 4))


def test_triplets_cost_by_the_missing_margin() -> None:
    # Squared distances: anchor-positive 0.2, anchor-negative 0.3; the margin of 0.2 lacks 0.1.
    anchor = torch.tensor([1.0, 0.0])
    vectors = torch.stack([anchor, turn(0.2), turn(0.3, -1)])
    loss = MinedTriplets(margin=0.2)(vectors, torch.tensor([0, 0, 1]))
    assert loss.item() == pytest.approx(0.1, abs=1e-4)
    apart = torch.stack([anchor, turn(0.01), -anchor])
    assert MinedTriplets(margin=0.2)(apart, torch.tensor([0, 0, 1])).item() == 0.0


def turn(squared_distance: float, side: int = 1) -> torch.Tensor:
    """The unit vector at this squared distance from (1, 0)."""
    angle = side * torch.acos(torch.tensor(1 - squared_distance / 2))
    return F.normalize(torch.stack([angle.cos(), angle.sin()]), dim=0)
