"""Colours: a photo looks the same to a model in whatever colour space it was saved, and deep grey keeps its tones."""

import io
import struct

import cv2
import numpy as np
import pytest
from convoy.core.pictures.decoding import decode_image
from PIL import Image, ImageCms

from tests.icc_profiles import SPACES, SRGB, cmyk_profile, grey_profile, in_space, power, rgb_profile
from tests.profile_cosines import by_formula, by_littlecms

ACROSS, DOWN = np.meshgrid(np.linspace(0, 2 * np.pi, 160), np.linspace(0.3, 1, 96))
PHOTO = np.stack([DOWN * (128 + 90 * np.sin(ACROSS + turn)) for turn in (0, 2.1, 4.2)], -1).astype(np.uint8)
"""Every hue, dark above and light below."""


def save(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def far(data: bytes, expected: np.ndarray) -> float:
    return float(np.abs(decode_image(data).image_rgb.astype(int) - expected).mean())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("name", SPACES)
def test_a_photo_in_any_profile_looks_the_same(kind: str, name: str) -> None:
    stored = Image.fromarray(in_space(PHOTO, SPACES[name]))
    options: dict[str, object] = {"quality": 95} if kind in ("JPEG", "WEBP", "AVIF") else {}
    if kind == "JPEG":
        options["subsampling"] = 0
    data = save(stored, kind, icc_profile=rgb_profile(SPACES[name]), **options)
    assert far(data, PHOTO) < 3.5
    assert far(save(stored, kind, **options), PHOTO) > far(data, PHOTO) + 2


@pytest.mark.parametrize("options", [{"quality": 95, "subsampling": 0}, {"quality": 90, "subsampling": 2}])
@pytest.mark.parametrize("name", SPACES)
def test_a_jpeg_in_any_profile_is_read_as_other_programs_read_it(name: str, options: dict[str, int]) -> None:
    """What differs from the photo is no longer in the file: littlecms alone and the formulas find no more."""
    space = SPACES[name]
    data = save(Image.fromarray(in_space(PHOTO, space)), "JPEG", icc_profile=rgb_profile(space), **options)
    assert np.abs(decode_image(data).image_rgb.astype(int) - by_littlecms(data, space)).mean() < 0.05
    least = np.abs(by_formula(data, space).astype(int) - PHOTO).mean()
    assert far(data, PHOTO) < least + 0.1


def test_pixels_with_a_profile_of_srgb_stay_as_they_are() -> None:
    for profile in (rgb_profile(SRGB), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()):
        assert far(save(Image.fromarray(PHOTO), "PNG", icc_profile=profile), PHOTO) == 0


def test_a_profile_and_a_turn_and_a_smaller_size_go_together() -> None:
    space = SPACES["exchanged primaries"]
    large = np.repeat(np.repeat(PHOTO, 4, 0), 4, 1)
    exif = Image.Exif()
    exif[274] = 8
    stored = Image.fromarray(np.rot90(in_space(large, space), -1))
    data = save(stored, "JPEG", quality=95, icc_profile=rgb_profile(space), exif=exif.tobytes())
    picture = decode_image(data, min_side=PHOTO.shape[0])
    assert (picture.height, picture.width) == large.shape[:2]
    assert np.abs(picture.image_rgb.astype(int) - PHOTO).mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_grey_with_a_profile_keeps_its_tones(kind: str) -> None:
    ramp = np.linspace(0, 255, 256).astype(np.uint8)[None].repeat(32, 0)
    data = save(Image.fromarray(ramp), kind, icc_profile=grey_profile(1.0))
    light = power(1.0)(ramp / 255.0)
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    shown = decode_image(data).image_rgb
    assert np.abs(shown - expected[..., None]).mean() < 2
    assert (shown[..., 0] == shown[..., 2]).all()


def test_grey_with_the_profile_of_a_colour_picture_is_read_as_colour() -> None:
    ramp = np.linspace(0, 255, 256).astype(np.uint8)[None].repeat(32, 0)
    linear = rgb_profile(SPACES["linear"])
    grey = decode_image(save(Image.fromarray(ramp), "PNG", icc_profile=linear)).image_rgb
    colour = decode_image(save(Image.fromarray(ramp).convert("RGB"), "PNG", icc_profile=linear)).image_rgb
    assert np.array_equal(grey, colour)
    assert grey[0, 64, 0] > 120


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_are_mixed_as_their_profile_says(kind: str) -> None:
    """In this press, the ink that is called cyan is red."""

    def lab(inks: tuple[int, int, int, int]) -> tuple[float, float, float]:
        cyan, magenta, yellow, black = inks
        return (0.0, 0.0, 0.0) if black or magenta or yellow else (53.0, 80.0, 67.0) if cyan else (100.0, 0.0, 0.0)

    ink = Image.new("CMYK", (32, 32), (255, 0, 0, 0))
    red = decode_image(save(ink, kind, icc_profile=cmyk_profile(lab))).image_rgb.mean((0, 1))
    assert red[0] > 220 and red[1] < 60 and red[2] < 60
    plain = decode_image(save(ink, kind)).image_rgb.mean((0, 1))
    assert plain[0] < 30 and plain[1] > 150


@pytest.mark.parametrize("profile", [b"", b"junk", b"\0" * 200, rgb_profile(SRGB)[:300], grey_profile(2.2)])
def test_a_profile_that_makes_no_sense_is_ignored(profile: bytes) -> None:
    assert far(save(Image.fromarray(PHOTO), "PNG", icc_profile=profile), PHOTO) == 0


def test_transparency_over_a_profile_is_white() -> None:
    space = SPACES["exchanged primaries"]
    stored = Image.fromarray(in_space(PHOTO, space)).convert("RGBA")
    alpha = Image.new("L", stored.size, 255)
    alpha.paste(0, (0, 0, 10, 10))
    stored.putalpha(alpha)
    shown = decode_image(save(stored, "PNG", icc_profile=rgb_profile(space))).image_rgb
    assert (shown[:10, :10] == 255).all()
    assert np.abs(shown[12:].astype(int) - PHOTO[12:]).mean() < 4


DEEP = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(16, 0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG2000"])
def test_deep_grey_keeps_its_tones(kind: str) -> None:
    options = {"irreversible": False} if kind == "JPEG2000" else {}
    shown = decode_image(save(Image.fromarray(DEEP), kind, **options)).image_rgb
    assert np.abs(shown[..., 1].astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_floating_point_grey_keeps_its_tones(white: float) -> None:
    values = np.linspace(0, white, 256, dtype=np.float32)[None].repeat(16, 0)
    shown = decode_image(save(Image.fromarray(values), "TIFF")).image_rgb
    assert np.abs(shown[..., 1].astype(int) - np.arange(256)).max() <= 1


def test_deep_grey_where_nothing_is_white_is_turned_over() -> None:
    data = bytearray(save(Image.fromarray(DEEP), "TIFF"))
    at = data.find(struct.pack("<HHI", 262, 3, 1))
    data[at + 8] = 0
    assert np.abs(decode_image(bytes(data)).image_rgb[..., 1].astype(int) - np.arange(256)[::-1]).max() <= 1


def test_deep_colour_keeps_its_tones() -> None:
    deep = np.stack([DEEP, DEEP[:, ::-1], DEEP // 2], axis=-1)
    for ending in (".png", ".tiff"):
        done, file = cv2.imencode(ending, deep[..., ::-1])
        assert done
        shown = decode_image(file.tobytes()).image_rgb.astype(int)
        assert np.abs(shown - deep / 257).max() <= 1
