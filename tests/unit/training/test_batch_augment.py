"""Batches are changed where they lie: labels follow, what is asked for happens, the rest stays."""

import pytest
import torch
from convoy_training.augment.batch import (
    IMAGENET_COLOURS,
    Augmentation,
    augment,
    draw_offsets,
    shift_principal_colours,
    warp_locally,
)
from pydantic import ValidationError


def draw_blobs(count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Bright where the mask is 1, dark where it is 0."""
    torch.manual_seed(0)
    masks = torch.nn.functional.interpolate(torch.rand(count, 1, 6, 6), (96, 96), mode="bicubic")[:, 0] > 0.5
    images = torch.where(masks[..., None], 230, 20).expand(-1, -1, -1, 3).to(torch.uint8)
    return images, masks.long()


@pytest.mark.parametrize(
    "how",
    [{"mirror": 1.0}, {"upside_down": 1.0}, {"rotate": 90}, {"shear": 20}, {"scales": (0.7, 1.4)}, {"warp": 5.0},
     {"crop": (64, 48)}, {"mirror": 0.5, "rotate": 30, "shear": 10, "warp": 4.0, "crop": (80, 80)}],
)  # fmt: skip
def test_masks_move_with_their_images(how: dict[str, object]) -> None:
    images, masks = draw_blobs()
    moved, ids = augment(images, masks, Augmentation.model_validate(how))
    assert ids is not None and set(ids.unique().tolist()) <= {0, 1, 255} and moved.shape[1:3] == ids.shape[1:]
    assert ids.shape != masks.shape or not torch.equal(ids, masks)
    known = ids != 255
    assert ((moved[..., 0] > 125) == (ids == 1))[known].float().mean() > 0.96 and known.float().mean() > 0.5


def test_mirroring_is_exact_and_nothing_asked_is_nothing_done() -> None:
    images, masks = draw_blobs()
    still, ids = augment(images, masks, Augmentation())
    torch.testing.assert_close(still, images.float())
    assert ids is not None and torch.equal(ids, masks)
    mirrored, nothing = augment(images, None, Augmentation(mirror=1.0))
    torch.testing.assert_close(mirrored, images.flip(2).float())
    assert nothing is None


def test_the_same_seed_draws_the_same() -> None:
    images, _ = draw_blobs()
    how = Augmentation(mirror=0.5, rotate=20, warp=3.0, light=0.3, colour=0.3, principal_colours=0.1)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(augment(images, None, how)[0])
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert drawn[0].min() >= 0 and drawn[0].max() <= 255


def test_a_warp_moves_points_by_the_deviation_asked_for() -> None:
    torch.manual_seed(0)
    ramp = torch.arange(96.0).expand(64, 1, 96, 96)
    moved = warp_locally([ramp], draw_offsets(ramp, 4.0))[0] - ramp
    assert moved[:, :, 48, 48].std().item() == pytest.approx(4.0, rel=0.25)
    assert (moved[:, :, :, 1:] - moved[:, :, :, :-1])[..., 20:76, 20:75].abs().max() < 1  # smooth: nothing tears


def test_principal_colours_shift_a_picture_along_natural_light() -> None:
    torch.manual_seed(0)
    shift = shift_principal_colours(torch.zeros(4000, 3, 2, 2), 0.1)
    assert torch.equal(shift[:, :, 0, 0], shift[:, :, 1, 1])
    expected = 0.01 * IMAGENET_COLOURS @ IMAGENET_COLOURS.T
    torch.testing.assert_close(torch.cov(shift[:, :, 0, 0].T), expected, rtol=0.15, atol=2e-5)


def test_a_misspelt_change_is_refused() -> None:
    with pytest.raises(ValidationError, match="rotation"):
        Augmentation.model_validate({"rotation": 3})
