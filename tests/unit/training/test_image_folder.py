"""Pictures in folders: decoded when asked for, cut as the service cuts, or cropped at random."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from convoy_training.augment.shift import draw_crops
from convoy_training.data import image_folder
from convoy_training.errors import RecipeError, TrainingError
from convoy_training.recipe_file import resolve_recipe
from convoy_training.structures import Crop
from convoy_training.tasks import classification

FIELDS = {"task": "classification", "name": "t", "epochs": 2, "batch_size": 3, "optimizer": {"lr": 0.1},
          "architecture": "cifar-resnet20", "input_size": 16}  # fmt: skip


def write(root: Path, split: str, name: str, count: int, size: tuple[int, int] = (40, 60)) -> None:
    """Pictures whose red grows from left to right, and whose blue says which one it is."""
    (root / split / name).mkdir(parents=True)
    for number in range(count):
        image = np.zeros((*size, 3), np.uint8)
        image[..., 2] = np.linspace(0, 255, size[1]).astype(np.uint8)
        image[..., 0] = 40 * number
        cv2.imwrite(str(root / split / name / f"{number}.png"), image)


@pytest.fixture(name="root")
def _root(tmp_path: Path) -> Path:
    image_folder.open_archive.cache_clear()
    image_folder.load_split.cache_clear()
    for split, count in (("train", 5), ("val", 2)):
        for name in ("left", "right"):
            write(tmp_path / "data", split, name, count)
    return tmp_path / "data"


def configure(root: Path, **changes: object) -> classification.Config:
    source = {"format": "image_folder", "path": str(root), "title": "t"}
    _, config = resolve_recipe({**FIELDS, "data": source, **changes}, "test")
    assert isinstance(config, classification.Config)
    return config


def test_pictures_are_cut_in_the_middle_or_where_a_crop_says(root: Path) -> None:
    split = image_folder.load_split(str(root), "train", 20)
    assert (len(split.images), split.classes, split.labels.tolist()) == (10, ("left", "right"), [0] * 5 + [1] * 5)
    middle = split.images[3:5]
    assert middle.shape == (2, 20, 20, 3) and middle[:, 0, 0, 2].tolist() == [120, 160]
    # The middle 40 of 60 columns: red from a sixth to five sixths.
    np.testing.assert_allclose(middle[0, 5, [0, -1], 0], [255 / 6 + 4, 255 * 5 / 6 - 4], atol=5)
    whole, right = split.images.read([0, 0], [Crop(1, 1.5, 0, 0), Crop(0.25, 1.5, 1, 1)])
    np.testing.assert_allclose(whole[5, [0, -1], 0], [6, 249], atol=6)
    np.testing.assert_allclose(right[5, [0, -1], 0], [131, 252], atol=6)


def test_crops_keep_to_their_limits() -> None:
    crops = draw_crops(500, (0.3, 0.8), torch.Generator().manual_seed(0))
    areas, aspects = np.array([c.area for c in crops]), np.array([c.aspect for c in crops])
    assert 0.3 <= areas.min() < 0.32 and 0.78 < areas.max() <= 0.8
    assert 0.75 <= aspects.min() < 0.77 and 1.31 < aspects.max() <= 4 / 3 + 1e-6
    assert crops == draw_crops(500, (0.3, 0.8), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("mirror", [True, False])
def test_batches_show_each_picture_once_and_mirror_only_where_wanted(root: Path, mirror: bool) -> None:
    config = configure(root, mirror=mirror, mirror_average=mirror, shift=0)
    batches = classification.Batches(image_folder.load_split(str(root), "train", 16), config)
    turned = set()
    for epoch in range(2):
        torch.manual_seed(epoch)
        made = [batch() for batch in batches(epoch)]
        torch.manual_seed(epoch)
        again = [batch() for batch in batches(epoch)]
        assert all(
            torch.equal(a, b) for one, two in zip(made, again, strict=True) for a, b in zip(one, two, strict=True)
        )
        assert [len(labels) for _, labels in made] == [3, 3, 3]
        shown = [
            (int(i[0, 0, 2]), int(label)) for images, labels in made for i, label in zip(images, labels, strict=True)
        ]
        assert len(set(shown)) == 9
        turned |= {bool(i[4, 0, 0] > i[4, -1, 0]) for images, _ in made for i in images}
    assert turned == ({True, False} if mirror else {False})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mirror": False, "mirror_average": True}, "mirror_average"),
        ({"crop_area": [0.5, 0.2]}, "write the smaller number first"),
        ({"crop_area": [0.2, 1], "data": {"format": "cifar"}}, "only works with an image_folder"),
        ({"augment": {"crop": [8, 8]}}, "use crop_area"),
    ],
)
def test_what_does_not_fit_together_is_refused(root: Path, changes: dict[str, object], reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        configure(root, **changes)


def test_what_is_wrong_in_the_folders_is_named(root: Path) -> None:
    def refuse(split: str = "train") -> str:
        image_folder.open_archive.cache_clear()
        with pytest.raises(TrainingError) as error:
            image_folder.load_split(str(root), split, 16)
        return str(error.value)

    assert "nonsense: this is not a split" in refuse("nonsense")
    (root / "train" / "Left").mkdir()
    write(root, "val", "LEFT", 1)
    assert refuse("validation").startswith("val/LEFT: train/ has no class with this name: did you mean 'L")
    shutil.rmtree(root / "val" / "LEFT")
    image_folder.load_split.cache_clear()
    (root / "train" / "Left").rmdir()
    write(root, "val", "upper", 1)
    assert refuse("validation") == "val/upper: train/ has no class with this name"
    (root / "train" / "left" / "scan.psd").write_bytes(b"8BPS")
    assert "train/left/scan.psd: pictures of this kind are not read" in refuse()
    (root / "train" / "left" / "scan.psd").rename(root / "train" / "left" / "scan.jpg")
    assert refuse().startswith("train/left/scan.jpg: ")
    (root / "train" / "left" / "scan.jpg").rename(root / "train" / "left" / "scan.TGA")
    assert "train/left/scan.TGA: pictures of this kind are not read" in refuse()
    (root / "train" / "left" / "scan.TGA").rename(root / "train" / "scan.jpg")
    assert refuse().startswith("train/scan.jpg: the picture has no class")


def test_a_jpeg_by_another_name_and_a_linked_class_are_read(root: Path) -> None:
    picture = cv2.imencode(".jpg", np.zeros((20, 20, 3), np.uint8))[1].tobytes()
    (root / "train" / "left" / "saved.jfif").write_bytes(picture)
    (root / "train" / "right").rename(root.parent / "elsewhere")
    (root / "train" / "right").symlink_to(root.parent / "elsewhere")
    (root / "train" / ".thumbnails").mkdir()
    split = image_folder.load_split(str(root), "train", 20)
    assert np.bincount(split.labels).tolist() == [6, 5] and split.classes == ("left", "right")


def test_rare_classes_may_be_shown_or_weighed_more(root: Path) -> None:
    for number in range(3, 5):
        (root / "train" / "right" / f"{number}.png").unlink()
    image_folder.open_archive.cache_clear()
    config = configure(root, sampler="balanced", class_weights="balanced", focal=1.0, epochs=1, batch_size=4)
    batches = classification.Batches(image_folder.load_split(str(root), "train", 16), config)
    torch.manual_seed(0)
    seen = torch.cat([batch()[1] for epoch in range(100) for batch in batches(epoch)])
    assert abs(float(seen.float().mean()) - 0.5) < 0.06  # 3 of 8 pictures are right
    model = classification.build_model(config)
    assert model.class_weights.tolist() == pytest.approx([8 / 10, 8 / 6])
    loss, _ = classification.compute_loss(model, next(batches(0))(), config)
    assert torch.isfinite(loss)
