"""What is trained on and measured is what a service sees: pictures upright, on white, as small as it decodes them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from convoy.core.pictures.decoding import decode_image
from convoy.core.pictures.resizing import min_side, place
from convoy_training.data import boxes, image_folder, masks, photo
from convoy_training.data.mask_files import read_mask
from convoy_training.errors import LabelError
from convoy_training.recipe_file import resolve_recipe
from convoy_training.task import Images, make
from convoy_training.tasks import detection, segmentation
from PIL import Image

NUMBERS = masks.number_ids(("no", "yes"))[1]
TURNED = 6
"""The EXIF orientation of a phone held upright: the file's rows are the picture's columns."""


def draw(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def save(image: Image.Image, form: str, orientation: int = 1) -> bytes:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(file, form, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_upright_as_the_service_sees_it(form: str) -> None:
    data = save(draw(60, 40), form, TURNED)
    pixels = photo.decode(data, "a").image_rgb
    assert pixels.shape == (60, 40, 3) and photo.open_photo({"a": data}, "a").height == 60
    np.testing.assert_array_equal(pixels, decode_image(data).image_rgb)


def test_a_label_file_that_counts_in_the_file_as_it_lies_is_told_why() -> None:
    (opened,) = photo.open_photos({"a.jpg": save(draw(60, 40), "JPEG", TURNED)}, ["a.jpg"])
    boxes.check_size(opened, (40, 60), "a.xml")
    with pytest.raises(LabelError, match="it states 60x40 pixels, the image has 40x60: EXIF turns it"):
        boxes.check_size(opened, (60, 40), "a.xml")


def test_transparency_lies_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (photo.decode(save(clear, "PNG"), "a").image_rgb == 255).all()


def test_a_file_that_no_service_reads_is_named() -> None:
    file = io.BytesIO()
    draw(8, 8).save(file, "PPM")
    for data in (file.getvalue(), b"", b"\xff\xd8"):
        with pytest.raises(LabelError, match=r"a\.ppm: the image cannot be decoded"):
            photo.decode(data, "a.ppm")


def test_a_large_picture_is_measured_as_it_is_served(tmp_path: Path) -> None:
    for name in ("train/a/1.jpg", "train/b/2.jpg", "val/a/3.jpg", "val/b/4.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        size = 1600 + int(Path(name).stem), 1200
        (tmp_path / name).write_bytes(save(draw(*size), "JPEG"))
    split = image_folder.load_split(str(tmp_path), "validation", 32)
    spec = image_folder.describe(32)
    served = decode_image((tmp_path / "val/a/3.jpg").read_bytes(), min_side=min_side(spec))
    assert served.image_rgb.shape[0] < 1200
    np.testing.assert_array_equal(split.images[0:1][0], place(served.image_rgb, spec)[0])


def draw_square(width: int, height: int) -> Image.Image:
    """White where x is in the second quarter of the width and y in that of the height."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = 255
    return Image.fromarray(pixels)


def write(root: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return str(root)


def test_boxes_of_a_large_picture_follow_it_as_it_is_served(tmp_path: Path) -> None:
    files = {"classes.txt": b"square\n"}
    for split, width in (("train", 1600), ("val", 1616)):
        files[f"images/{split}/1.jpg"] = save(draw_square(width, 1200), "JPEG")
        files[f"labels/{split}/1.txt"] = b"0 .375 .375 .25 .25"
    fields = {"task": "detection", "name": "t", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 0.1}, "mosaic": 0.5,
              "input_size": 160, "data": {"format": "yolo", "path": write(tmp_path, files), "title": "t"}}  # fmt: skip
    _, config = resolve_recipe(fields, "test")
    assert isinstance(config, detection.Config)
    example = detection.load_split(config, "validation").examples[0]
    np.testing.assert_allclose(example.boxes_xyxy, [[404, 300, 808, 600]])
    served = decode_image((tmp_path / "images/val/1.jpg").read_bytes(), min_side=320)
    scene = example.decode(320)
    np.testing.assert_array_equal(scene.image_rgb, served.image_rgb)
    assert scene.image_rgb.shape == (600, 808, 3)
    np.testing.assert_allclose(scene.boxes_xyxy, [[202, 150, 404, 300]])

    seen = []

    def predict(images: Images) -> dict[str, np.ndarray]:
        seen.append(images)
        rows, columns = np.nonzero(images[0, ..., 0] > 200)
        box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        return {"boxes": np.array([[box]], np.float32), "scores": np.ones((1, 1, 1), np.float32)}

    metrics = {metric.name: metric.value for metric in detection.evaluate(predict, config, "validation")}
    assert metrics["map_50"] == pytest.approx(1)
    np.testing.assert_array_equal(seen[0][0], place(served.image_rgb, detection.describe_input(config))[0])
    shown = 0
    for _ in range(4):
        (images, truth, labels), *_ = map(make, detection.Batches(detection.load_split(config, "train"), config)(0))
        for (x0, y0, x1, y1), label in zip(truth[0].round().int().tolist(), labels[0].tolist(), strict=True):
            if label == 0 and min(x1 - x0, y1 - y0) > 6:
                assert images[0, y0 + 3 : y1 - 3, x0 + 3 : x1 - 3].min() > images[0].float().mean()
                shown += 1
    assert shown


def test_a_network_is_trained_on_frames_of_the_size_at_which_the_service_shows_them(tmp_path: Path) -> None:
    inside = np.asarray(draw_square(1600, 1200))[..., 0] // 255
    files = {"classes.txt": b"other\nsquare\n", "train.txt": b"a.jpg a.png\n", "val.txt": b"b.jpg b.png\n"}
    for name, width in (("a", 1600), ("b", 1616)):
        files[f"{name}.jpg"] = save(draw_square(width, 1200), "JPEG")
        files[f"{name}.png"] = save(Image.fromarray(np.asarray(draw_square(width, 1200))[..., 0] // 255), "PNG")
    fields = {"task": "segmentation", "name": "t", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 0.1},
              "long_side": 160, "crop": [96, 128], "data": {"path": write(tmp_path, files), "title": "t"}}  # fmt: skip
    _, config = resolve_recipe(fields, "test")
    assert isinstance(config, segmentation.Config)
    train = segmentation.load_split(config, "train")
    assert train.pixels.tolist() == [(inside == 0).sum(), (inside == 1).sum()]
    image, mask = segmentation.open_example(train.examples[0], config)
    assert image.shape == (120, 160, 3) and mask.shape == (120, 160)
    assert ((image[..., 0] > 127) == mask).mean() > 0.99
    found = segmentation.evaluate(lambda images: {"class_map": (images[..., 0] > 127)}, config, "validation")
    assert next(metric.value for metric in found if metric.name == "mean_iou") > 0.95


def test_pictures_of_many_sizes_are_compared_at_the_commonest() -> None:
    tall, wide = np.zeros((9, 4, 3), np.uint8), np.ones((4, 9, 3), np.uint8)
    np.testing.assert_array_equal(photo.stack_alike([tall, wide, wide, wide], 2), np.stack([wide] * 2))
    np.testing.assert_array_equal(photo.stack_alike([tall]), np.stack([tall] * 2))


def test_how_transparent_a_masks_pixels_are_does_not_count() -> None:
    ids = np.eye(8, dtype=np.uint8)
    for channels in ([ids, ids * 200], [ids, ids, ids, ids * 200]):  # LA and RGBA
        data = save(Image.fromarray(np.dstack(channels)), "PNG")
        np.testing.assert_array_equal(read_mask(data, "m.png", (8, 8), NUMBERS), ids)


def test_a_mask_of_black_and_white_with_soft_edges_is_called_smoothed() -> None:
    ids = np.zeros((8, 8), np.uint8)
    ids[2:6], ids[1] = 255, 127
    with pytest.raises(LabelError, match=r"class id 127, but classes\.txt ends at 1: it looks smoothed"):
        read_mask(save(Image.fromarray(ids), "PNG"), "m.png", (8, 8), NUMBERS)


def test_a_mask_must_be_lossless() -> None:
    ids = Image.fromarray(np.ones((8, 8), np.uint8))
    assert read_mask(save(ids, "PNG"), "m.png", (8, 8), NUMBERS).max() == 1
    for data in (save(ids, "JPEG"), b""):
        with pytest.raises(
            LabelError, match=r"m\.png: the mask cannot be decoded: it is not one of PNG, BMP, GIF, TIFF"
        ):
            read_mask(data, "m.png", (8, 8), NUMBERS)
