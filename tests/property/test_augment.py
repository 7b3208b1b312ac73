"""Boxes and landmarks follow their pixels, whatever is asked for."""

import pytest
import torch
from convoy_training.augment.batch import Augmentation
from convoy_training.augment.points import MIRRORED, augment_boxes, augment_faces
from convoy_training.errors import RecipeError
from convoy_training.recipe_file import resolve_recipe
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

SIZE = 96
changes = st.fixed_dictionaries({
    "mirror": st.sampled_from([0.0, 0.5, 1.0]),
    "upside_down": st.sampled_from([0.0, 0.5, 1.0]),
    "rotate": st.sampled_from([0.0, 15.0, 40.0]),
    "shear": st.sampled_from([0.0, 10.0]),
    "scales": st.sampled_from([(1.0, 1.0), (0.8, 1.25)]),
    "crop": st.sampled_from([None, (80, 64)]),
    "warp": st.sampled_from([0.0, 3.0]),
    "light": st.sampled_from([0.0, 0.2]),
    "principal_colours": st.sampled_from([0.0, 0.1]),
})  # fmt: skip


def draw_squares(points: Tensor, half: int = 3) -> Tensor:
    """White squares [N,S,S,3] around whole-numbered points [N,2], on black."""
    steps = torch.arange(SIZE) + 0.5
    across, down = ((steps - points[:, axis, None]).abs() < half for axis in (0, 1))
    return (across[:, None, :] & down[:, :, None])[..., None].expand(-1, -1, -1, 3) * 255.0


def find_middle(images: Tensor) -> Tensor:
    """The centre of brightness [N,2] of each image, NaN where it is dark."""
    light = images.mean(-1) * (images.mean(-1) > 60)
    x, y = (torch.arange(side) + 0.5 for side in (images.shape[2], images.shape[1]))
    total = light.sum((1, 2))
    return torch.stack([(light * x).sum((1, 2)), (light * y[:, None]).sum((1, 2))], 1) / total[:, None]


@settings(max_examples=40, deadline=None)
@given(how=changes, seed=st.integers(0, 1000))
def test_a_landmark_stays_on_its_pixel_and_a_box_around_its_object(how: dict[str, object], seed: int) -> None:
    torch.manual_seed(seed)
    points = torch.randint(20, SIZE - 20, (6, 2)).float()
    images = draw_squares(points)
    boxes = torch.cat([points - 3, points + 3], 1)[:, None]
    landmarks = points[:, None, None].expand(-1, 1, 5, -1)
    moved, around, found, kinds = augment_faces(
        images, boxes, landmarks, torch.ones(6, 1, dtype=torch.long), Augmentation.model_validate(how)
    )
    height, width = moved.shape[1:3]
    seen, spot = find_middle(moved), found[:, 0, 0]
    # A square that the edge cuts has its middle elsewhere; seven pixels are as far as a square of six can reach.
    whole = ((spot > 7) & (spot < torch.tensor([width, height]) - 7)).all(1)
    if whole.any():
        assert (seen - spot)[whole].abs().max() < 0.8
        assert (kinds[whole] == 1).all()
        inside = (around[whole, 0, :2] < spot[whole]) & (spot[whole] < around[whole, 0, 2:])
        assert inside.all()
        bright = moved.mean(-1) > 127
        for image, box in zip(bright[whole], around[whole, 0], strict=True):
            rows, columns = image.any(1).nonzero()[:, 0], image.any(0).nonzero()[:, 0]
            seen_box = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            assert (box[:2] <= seen_box[:2] + 1.5).all() and (box[2:] >= seen_box[2:] - 1.5).all()
            assert (seen_box[:2] - box[:2]).max() < 3.5 and (box[2:] - seen_box[2:]).max() < 3.5  # and not far around


def test_mirroring_swaps_the_sides_of_a_face() -> None:
    landmarks = torch.tensor([[[[30.0, 40], [60, 40], [45, 55], [35, 70], [55, 70]]]])
    boxes, images = torch.tensor([[[20.0, 20, 70, 80]]]), torch.zeros(1, SIZE, SIZE, 3)
    kinds = torch.ones(1, 1, dtype=torch.long)
    _, moved, found, _ = augment_faces(images, boxes, landmarks, kinds, Augmentation(mirror=1.0))
    torch.testing.assert_close(
        found[0, 0], torch.stack([SIZE - landmarks[..., 0], landmarks[..., 1]], -1)[0, 0, MIRRORED]
    )
    assert moved[0, 0].tolist() == [SIZE - 70, 20, SIZE - 20, 80]
    _, _, upside, _ = augment_faces(images, boxes, landmarks, kinds, Augmentation(upside_down=1.0))
    torch.testing.assert_close(upside[..., 0], landmarks[..., 0])


def test_what_leaves_the_image_is_lost_and_padding_stays_padding() -> None:
    torch.manual_seed(0)
    boxes = torch.tensor([[[0.0, 0, 10, 10], [40, 40, 56, 56], [0, 0, 0, 0]]]).expand(64, -1, -1)
    labels = torch.tensor([[1, 2, -1]]).expand(64, -1)
    _, moved, kept = augment_boxes(torch.zeros(64, SIZE, SIZE, 3), boxes, labels, Augmentation(crop=(64, 64)))
    corner = moved[:, 0, 2:].prod(1) * ((moved[:, 0] > 0).any(1))
    assert ((kept[:, 0] == 1) == (corner > 40)).all() and set(kept[:, 0].tolist()) == {1, -1}
    assert (kept[:, 1] == 2).all() and (kept[:, 2] == -1).all()
    assert moved.min() >= 0 and moved.max() <= 64


def test_unknown_landmarks_stay_unknown() -> None:
    landmarks = torch.full((2, 1, 5, 2), float("nan"))
    found = augment_faces(torch.zeros(2, 64, 64, 3), torch.tensor([[[9.0, 9, 30, 30]]] * 2), landmarks,
                          torch.ones(2, 1, dtype=torch.long), Augmentation(rotate=20, warp=2.0))[2]  # fmt: skip
    assert found.isnan().all()


def test_a_crop_of_broken_strides_is_refused() -> None:
    fields = {"name": "d", "task": "detection", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 1},
              "data": {"path": "x", "title": "x"}, "augment": {"crop": [100, 96]}}  # fmt: skip
    with pytest.raises(RecipeError, match="multiples of 32"):
        resolve_recipe(fields, "test")
