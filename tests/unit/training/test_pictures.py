"""What is trained on and measured is what a service sees: pictures upright, on white, as small as it decodes them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from convoy.core.images import decode_image
from convoy.core.resizing import min_side, place
from convoy_training.data import boxes, face_pictures, image_folder, masks
from convoy_training.errors import LabelError
from PIL import Image

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
    pixels = boxes.decode(data, "a")
    assert pixels.shape == (60, 40, 3) and face_pictures.measure(data, "a") == (60, 40)
    np.testing.assert_array_equal(pixels, decode_image(data).image_rgb)


def test_a_label_file_that_counts_in_the_file_as_it_lies_is_told_why() -> None:
    pixels = boxes.decode(save(draw(60, 40), "JPEG", TURNED), "a")
    boxes.check_size(pixels, (40, 60), "a.xml")
    with pytest.raises(LabelError, match="it states 60x40 pixels, the image has 40x60: EXIF turns it"):
        boxes.check_size(pixels, (60, 40), "a.xml")


def test_transparency_lies_on_white() -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (boxes.decode(save(clear, "PNG"), "a") == 255).all()


def test_a_file_that_no_service_reads_is_named() -> None:
    file = io.BytesIO()
    draw(8, 8).save(file, "BMP")
    for data in (file.getvalue(), b"", b"\xff\xd8"):
        with pytest.raises(LabelError, match=r"a\.bmp: the image cannot be decoded"):
            boxes.decode(data, "a.bmp")


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


def test_a_mask_must_be_lossless() -> None:
    ids = Image.fromarray(np.ones((8, 8), np.uint8))
    assert masks.read_mask(save(ids, "PNG"), "m.png", (8, 8), ("no", "yes")).max() == 1
    for data in (save(ids, "JPEG"), b""):
        with pytest.raises(LabelError, match=r"m\.png: the mask cannot be decoded: it is none of PNG, BMP, GIF, TIFF"):
            masks.read_mask(data, "m.png", (8, 8), ("no", "yes"))
