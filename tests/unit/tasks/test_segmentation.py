"""A class map to a mask of the picture that was sent, and the classes in it."""

from collections.abc import Callable

import numpy as np
import pytest
from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import Manifest, Task
from convoy.core.pictures.decoding import Picture
from convoy.segmentation.task import Region, interpret, prepare, regions


@pytest.fixture
def manifest(manifest_of: Callable[..., Manifest]) -> Manifest:
    return manifest_of(Task.SEGMENTATION, ["sky", "road", "car"])


def test_the_padding_of_the_graphs_input_is_cut_off(manifest: Manifest) -> None:
    picture = Picture(np.zeros((50, 100, 3), np.uint8), 100, 50)
    _, placement = prepare(picture, manifest)
    class_map = np.zeros((100, 100), np.uint8)
    class_map[:50, 50:], class_map[50:] = 1, 2  # The lower half is padding.
    mask = interpret({"class_map": class_map}, placement, picture)
    assert mask.shape == (50, 100)
    assert (mask[:, :50] == 0).all() and (mask[:, 50:] == 1).all()


def test_a_mask_has_the_size_of_the_picture_that_was_sent_and_its_classes_alone(manifest: Manifest) -> None:
    picture = Picture(np.zeros((100, 100, 3), np.uint8), 400, 400)  # decoded at a quarter of its size
    _, placement = prepare(picture, manifest)
    class_map = np.zeros((100, 100), np.uint8)
    class_map[25:50, 25:50] = 2
    mask = interpret({"class_map": class_map}, placement, picture)
    assert mask.shape == (400, 400)
    assert (mask[100:200, 100:200] == 2).all() and np.bincount(mask.ravel()).tolist() == [150_000, 0, 10_000]


def test_regions_are_shares_of_the_picture_largest_first(manifest: Manifest) -> None:
    mask = np.zeros((10, 10), np.uint8)
    mask[0], mask[1, :5] = 2, 1
    assert regions(mask, manifest) == [Region(0, "sky", 0.85), Region(2, "car", 0.1), Region(1, "road", 0.05)]


def test_a_large_mask_is_counted_whole(manifest: Manifest) -> None:
    mask = np.zeros((3000, 3000), np.uint8)
    mask[:300] = 1
    assert [(one.label, one.area) for one in regions(mask, manifest)] == [("sky", 0.9), ("road", 0.1)]


def test_a_class_without_a_label_is_the_models_fault(manifest: Manifest) -> None:
    with pytest.raises(FailedPrecondition, match="finds class 3 but has only 3 labels"):
        regions(np.full((2, 2), 3, np.uint8), manifest)
