"""Decoding: every kind of picture people send, and every kind of garbage."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.pictures.decoding import Limits, decode_image, decode_raw, encode_png, pixels_to_decode
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

WIDTH, HEIGHT = 48, 32


def scene() -> Image.Image:
    """Left half red, right half blue, a green bar at the top: every turn of it looks different."""
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:, : WIDTH // 2, 0] = 230
    pixels[:, WIDTH // 2 :, 2] = 230
    pixels[:8] = (0, 230, 0)
    return Image.fromarray(pixels)


def save(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def reason(data: bytes) -> str:
    with pytest.raises(InvalidArgument) as caught:
        decode_image(data)
    assert caught.value.message
    return caught.value.reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_pixels_come_back(kind: str) -> None:
    picture = decode_image(save(scene(), kind, quality=95))
    assert picture.image_rgb.shape == (HEIGHT, WIDTH, 3)
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    assert np.abs(picture.image_rgb.astype(int) - np.asarray(scene())).mean() < 8


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(kind: str, orientation: int) -> None:
    turns = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    turn = turns[orientation]
    stored = scene() if turn is None else scene().transpose(turn)
    exif = Image.Exif()
    exif[274] = orientation
    picture = decode_image(save(stored, kind, quality=95, exif=exif.tobytes()))
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    assert np.abs(picture.image_rgb.astype(int) - np.asarray(scene())).mean() < 10


def test_reduced_decoding_keeps_enough_pixels_and_the_true_size() -> None:
    large = scene().resize((1600, 1200))
    picture = decode_image(save(large), min_side=300)
    assert (picture.width, picture.height) == (1600, 1200)
    assert 300 <= min(picture.image_rgb.shape[:2]) < 1200
    assert picture.scale_xy == (1600 / picture.image_rgb.shape[1], 1200 / picture.image_rgb.shape[0])


def test_grey_cmyk_palette_and_sixteen_bits_become_rgb() -> None:
    grey = decode_image(save(scene().convert("L"))).image_rgb
    assert (grey[..., 0] == grey[..., 1]).all() and (grey[..., 1] == grey[..., 2]).all()
    cmyk = decode_image(save(scene().convert("CMYK"), quality=95)).image_rgb
    assert np.abs(cmyk.astype(int) - np.asarray(scene())).mean() < 12
    palette = decode_image(save(scene().convert("P"), "PNG")).image_rgb
    assert palette.shape == (HEIGHT, WIDTH, 3)
    ramp = np.linspace(0, 65535, WIDTH, dtype=np.uint16)[None].repeat(HEIGHT, 0)
    deep = decode_image(save(Image.fromarray(ramp), "PNG")).image_rgb
    assert np.abs(deep[0, :, 0].astype(int) - np.linspace(0, 255, WIDTH)).max() <= 1


def test_transparency_is_laid_on_white_and_animations_give_their_first_frame() -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert (decode_image(save(clear, "PNG")).image_rgb == 255).all()
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    for kind in ("PNG", "WEBP"):
        data = save(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        assert tuple(decode_image(data).image_rgb[8, 8]) == (255, 0, 0)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_with_and_without_metadata_is_read_alike(mode: str) -> None:
    exif = Image.Exif()
    exif[271] = "maker"
    image = scene().resize((640, 480)).convert(mode)
    plain, tagged = save(image), save(image, exif=exif.tobytes())
    assert b"Exif" in tagged and b"Exif" not in plain
    one, other = decode_image(plain, min_side=100), decode_image(tagged, min_side=100)
    assert (one.width, one.height) == (other.width, other.height) == (640, 480)
    assert np.array_equal(one.image_rgb, other.image_rgb)
    assert pixels_to_decode(plain, 100) == pixels_to_decode(tagged, 100) == one.image_rgb.size // 3


def test_garbage_has_a_reason() -> None:
    assert reason(b"") == "EMPTY_IMAGE"
    assert reason(b"hello, this is no image at all") == "NOT_AN_IMAGE"
    assert reason(save(scene(), "GIF")[:40]) == "TRUNCATED_IMAGE"
    assert reason(b"%PDF-1.7 and so on") == "UNSUPPORTED_FORMAT"
    assert reason(b"\0" * (17 * 2**20)) == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused(kind: str, share: float) -> None:
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    data = save(noisy, kind)
    assert reason(data[: int(len(data) * share)]) in ("TRUNCATED_IMAGE", "NOT_AN_IMAGE")


def test_a_huge_picture_in_a_small_file_is_refused_before_it_is_decoded() -> None:
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0))
    bomb += chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    assert len(bomb) < 4096
    assert reason(bomb) == "TOO_MANY_PIXELS"


def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_decoded() -> None:
    progressive = save(scene(), progressive=True)
    last, end = progressive.rfind(b"\xff\xda"), progressive.rfind(b"\xff\xd9")
    assert reason(progressive[:end] + progressive[last:end] * 3000 + progressive[end:]) == "TOO_MANY_SCANS"
    decode_image(progressive)


@pytest.mark.parametrize(("kind", "share"), [("JPEG", 1), ("PNG", 2), ("WEBP", 4)])
def test_the_pixels_of_a_picture_are_known_before_it_is_decoded(kind: str, share: int) -> None:
    assert pixels_to_decode(save(scene(), kind)) == share * WIDTH * HEIGHT
    assert pixels_to_decode(save(scene(), kind)[:10]) == 0
    assert pixels_to_decode(save(scene().resize((1600, 1200))), min_side=300) == 400 * 300


def test_an_outline_has_sizes_and_no_pixels() -> None:
    picture = decode_image(save(scene()))
    outline = picture.outline()
    assert (outline.scale_xy, outline.image_rgb.shape) == (picture.scale_xy, picture.image_rgb.shape)
    assert outline.image_rgb.base is not None and outline.image_rgb.base.nbytes == 1


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@given(st.binary(max_size=200), st.sampled_from(["JPEG", "PNG", "WEBP"]), st.integers(0, 10_000))
def test_damage_never_escapes_as_anything_but_a_refusal(noise: bytes, kind: str, at: int) -> None:
    data = bytearray(save(scene(), kind))
    at %= len(data)
    data[at : at + len(noise)] = noise
    with contextlib.suppress(InvalidArgument):
        picture = decode_image(bytes(data), Limits(max_pixels=10_000))
        assert picture.image_rgb.dtype == np.uint8
        assert picture.image_rgb.shape == (picture.height, picture.width, 3)


def test_raw_pixels_of_every_format_say_the_same() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    for data, name in (
        (rgb.tobytes(), "RGB8"),
        (rgb[..., ::-1].tobytes(), "BGR8"),
        ((rgb / np.float32(255)).astype("<f4").tobytes(), "RGB32F"),
    ):
        assert np.array_equal(decode_raw(data, 7, 5, name).image_rgb, rgb), name
    grey = decode_raw(rgb[..., 0].tobytes(), 7, 5, "GRAY8").image_rgb
    assert np.array_equal(grey, np.repeat(rgb[..., :1], 3, axis=2))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.5, 1.5])
def test_raw_floats_outside_the_range_are_refused(bad: float) -> None:
    values = np.zeros((4, 4, 3), "<f4")
    values[1, 2, 0] = bad
    with pytest.raises(InvalidArgument, match="or are NaN"):
        decode_raw(values.tobytes(), 4, 4, "RGB32F")


@pytest.mark.parametrize(("width", "height", "size"), [(4, 4, 47), (4, 4, 49), (0, 4, 0), (100_000, 100_000, 3)])
def test_raw_pixels_of_the_wrong_length_are_refused(width: int, height: int, size: int) -> None:
    with pytest.raises(InvalidArgument) as caught:
        decode_raw(b"\0" * size, width, height, "RGB8")
    assert caught.value.reason in ("BAD_RAW_IMAGE", "TOO_MANY_PIXELS")


def test_png_of_a_mask_is_exact() -> None:
    mask = np.random.default_rng(2).integers(0, 11, (33, 21), np.uint8)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode_png(mask)))), mask)
