"""Mixup: pictures and losses are mixed in the same shares."""

import numpy as np
import pytest
import torch
from convoy_training.augment.mixup import cut_and_mix, mix, mix_either, mix_losses
from convoy_training.augment.rand_augment import OPERATIONS, RandAugment, rand_augment
from convoy_training.losses.triplet import MinedTriplets
from PIL import Image
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


def test_cutmix_pastes_a_rectangle_and_counts_its_area() -> None:
    torch.manual_seed(2)
    images = torch.arange(6).float()[:, None, None, None].expand(6, 3, 20, 30)
    shares = []
    for _ in range(20):
        mixed, partners, share = cut_and_mix(images, 1.0)
        own = (mixed == images).float().mean((1, 2, 3))
        for row in range(6):
            foreign = mixed[row] != images[row]
            assert set(mixed[row][foreign].tolist()) <= {float(partners[row])}
            if partners[row] != row:
                assert own[row].item() == pytest.approx(share, abs=1e-6)
        shares.append(share)
    assert 0 <= min(shares) < 0.5 < max(shares) <= 1


def test_either_way_of_mixing_or_none() -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 3, 8, 8)
    same, partners, share = mix_either(images, 0.0, 0.0)
    assert same is images and partners.tolist() == [0, 1, 2, 3] and share == 1.0
    kinds = set()
    for _ in range(30):
        mixed, partners, share = mix_either(images, 0.4, 1.0)
        if 0.05 < share < 0.95:
            blended = share * images + (1 - share) * images[partners]
            kinds.add("mixup" if torch.allclose(mixed, blended) else "cutmix")
    assert kinds == {"mixup", "cutmix"}


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_of_rand_augment_changes_a_picture_as_strongly_as_asked(name: str) -> None:
    y, x = np.mgrid[:48, :64]
    chequered = 40 * ((x // 4 + y // 4) % 2)  # sharpness changes edges alone
    picture = Image.fromarray(np.stack([40 + 2 * x, 60 + 2 * y, 90 + x + chequered], -1).astype(np.uint8))
    weak, strong = (np.asarray(OPERATIONS[name](picture, share, 1.0)).astype(int) for share in (0.0, 1.0))
    assert strong.shape == (48, 64, 3)
    if name not in ("identity", "auto_contrast", "equalize"):
        assert np.abs(weak - np.asarray(picture)).max() <= 1 and np.abs(strong - weak).mean() > 0.5


def test_rand_augment_is_the_seeds_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    how = RandAugment(operations=2, strength=9)
    first, again, other = (rand_augment(image, how, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other) and first.dtype == np.uint8
