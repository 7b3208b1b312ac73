"""Mixup: pictures and losses are mixed in the same shares."""

import pytest
import torch
from convoy_training.augment.mixup import mix, mix_losses
from convoy_training.losses.triplet import MinedTriplets
from torch.nn import functional


def test_pictures_and_losses_are_mixed_alike() -> None:
    torch.manual_seed(0)
    images, labels, logits = torch.rand(6, 3, 4, 4), torch.arange(6) % 3, torch.randn(6, 3)
    mixed, partners, share = mix(images, 0.4)
    assert 0 <= share <= 1 and sorted(partners.tolist()) == list(range(6))
    torch.testing.assert_close(mixed[2], share * images[2] + (1 - share) * images[partners[2]])
    soft = share * functional.one_hot(labels, 3) + (1 - share) * functional.one_hot(labels[partners], 3)
    loss = mix_losses(functional.cross_entropy, logits, labels, partners, share)
    torch.testing.assert_close(loss, functional.cross_entropy(logits, soft))


def test_hard_triplets_are_those_on_the_wrong_side() -> None:
    # Squared distances from the anchor: 0.2 to its own, 0.3 and 0.1 to others; the margin is 0.2.
    def turn(squared: float, side: int) -> list[float]:
        cosine = 1 - squared / 2
        return [cosine, side * (1 - cosine**2) ** 0.5]

    far, near = (torch.tensor([[1.0, 0.0], turn(0.2, 1), turn(d, -1)]) for d in (0.3, 0.1))
    labels = torch.tensor([0, 0, 1])
    assert MinedTriplets(0.2, "semihard")(far, labels).item() == pytest.approx(0.1, abs=1e-4)
    assert MinedTriplets(0.2, "hard")(far, labels).item() == 0
    assert MinedTriplets(0.2, "semihard")(near, labels).item() == 0
    assert MinedTriplets(0.2, "hard")(near, labels).item() == pytest.approx(0.3, abs=1e-4)
