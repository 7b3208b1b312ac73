"""Deep grey: windows of values as medical pictures need them, and every depth that files have."""

import io
import struct
import tracemalloc

import numpy as np
import pytest
import tifffile
from convoy.core.errors import InvalidArgument
from convoy.core.manifest import GreyWindow
from convoy.core.pictures.decoding import decode_image, pixels_to_decode
from convoy.core.pictures.tones import float_colours
from numpy.typing import NDArray
from PIL import Image

RAMP = np.linspace(0, 255, 256).astype(np.uint8)[None].repeat(32, 0)


def tiff(values: NDArray[np.generic], **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def png(values: NDArray[np.uint16]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def shown(data: bytes, window: GreyWindow | None = None) -> NDArray[np.int64]:
    pixels = decode_image(data, window=window).image_rgb.astype(int)
    assert (pixels[..., 0] == pixels[..., 2]).all()
    return pixels[..., 0]


def test_a_window_shows_its_values_and_no_others() -> None:
    """As in DICOM's linear function: the ends of the window are black and white, what lies beyond is cut."""
    values = np.arange(0, 65536, 16, np.uint16).reshape(64, 64)
    window = GreyWindow(level=2000, width=800)
    expected = np.clip((values.astype(float) - 1600) / 800, 0, 1) * 255
    for data in (png(values), tiff(values), tiff(values, byteorder=">")):
        assert np.abs(shown(data, window) - expected).max() <= 1


def test_a_window_takes_values_below_nothing() -> None:
    """Computed tomography has air at -1,000."""
    values = np.linspace(-1024, 3071, 4096).astype(np.int16).reshape(64, 64)
    expected = np.clip((values.astype(float) + 160) / 400, 0, 1) * 255
    assert np.abs(shown(tiff(values), GreyWindow(level=40, width=400)) - expected).max() <= 1
    floats = tiff(values.astype(np.float32))
    assert np.abs(shown(floats, GreyWindow(level=40, width=400)) - expected).max() <= 1


def test_a_window_leaves_other_pictures_as_they_are() -> None:
    for data in (png(RAMP), tiff(RAMP), tiff(np.stack([RAMP] * 3, -1), photometric="rgb")):
        assert np.array_equal(shown(data, GreyWindow(level=10, width=5)), RAMP)


@pytest.mark.parametrize(("dtype", "factor"), [(np.uint16, 257), (np.uint32, 257 * 65537), (np.float32, 1 / 255)])
def test_every_depth_reaches_from_black_to_white(dtype: type, factor: float) -> None:
    values = (RAMP * np.float64(factor)).astype(dtype)
    assert np.abs(shown(tiff(values)) - RAMP).max() <= 1


def test_twelve_bits_reach_from_black_to_white() -> None:
    """Written by hand: two values in three bytes."""
    values = (RAMP.astype(np.uint32) * 4095 + 127) // 255
    pairs = values.reshape(-1, 2)
    packed = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], -1)
    body = packed.astype(np.uint8).tobytes()
    tags = [(256, 256), (257, 32), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 32), (279, len(body))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data = b"II*\0" + struct.pack("<I", 8 + len(body)) + body + struct.pack("<H", len(tags)) + entries + bytes(4)
    assert np.abs(shown(data) - RAMP).max() <= 1


def test_deep_grey_in_which_one_value_is_transparent_is_laid_on_white() -> None:
    buffer = io.BytesIO()
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(buffer, "PNG", transparency=257 * 40)
    tones = shown(buffer.getvalue())
    assert (tones[:, 40] == 255).all() and tones[0, 41] == 41


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("rows", [7, 32])
def test_deep_colours_stored_plane_by_plane_are_read(compression: str | None, byteorder: str, rows: int) -> None:
    planes = np.stack([RAMP, RAMP[:, ::-1], RAMP // 2]).astype(np.uint16) * 257
    data = tiff(
        planes, photometric="rgb", planarconfig="separate", compression=compression, byteorder=byteorder,
        rowsperstrip=rows, bigtiff=rows == 7 and byteorder == "<",
    )  # fmt: skip
    pixels = decode_image(data).image_rgb.astype(int)
    assert np.abs(pixels - np.moveaxis(planes, 0, -1) / 257).max() <= 1


def test_lab_of_sixteen_bits_is_read_as_lab_of_eight() -> None:
    """The same colours by Pillow's own LAB of 8 bits."""
    lab = np.random.default_rng(3).integers(0, 255, (16, 16, 3), np.uint8)
    deep = tiff(lab.astype(np.uint16) << 8, photometric="cielab")
    plain = tiff(lab, photometric="cielab")
    assert np.array_equal(decode_image(deep).image_rgb, decode_image(plain).image_rgb)
    assert decode_image(deep).image_rgb.std() > 20


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("rows", [5, 32])
def test_a_bigtiff_with_the_high_byte_first_is_read(compression: str | None, rows: int) -> None:
    """Pillow takes it for none; tifffile wrote it and reads it."""
    colours = np.stack([RAMP, RAMP[:, ::-1], RAMP // 2], -1)
    data = tiff(colours, photometric="rgb", bigtiff=True, byteorder=">", compression=compression, rowsperstrip=rows)
    assert data[:4] == b"MM\0+"
    assert np.array_equal(decode_image(data).image_rgb, tifffile.imread(io.BytesIO(data)))
    deep = tiff(RAMP.astype(np.uint16) * 257, bigtiff=True, byteorder=">", compression=compression, rowsperstrip=rows)
    assert np.abs(shown(deep) - RAMP).max() <= 1


def test_half_a_bigtiff_with_the_high_byte_first_is_refused() -> None:
    data = tiff(np.stack([RAMP] * 3, -1), photometric="rgb", bigtiff=True, byteorder=">", rowsperstrip=5)
    for length in range(16, len(data), 97):
        with pytest.raises(InvalidArgument):
            decode_image(data[:length])


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 32)}, {"bigtiff": True}])
def test_floating_point_colours_keep_their_tones(white: float, byteorder: str, options: dict[str, object]) -> None:
    colours = np.stack([RAMP, RAMP[:, ::-1], RAMP // 2], -1)
    values = (colours / 255 * white).astype(np.float32)
    data = tiff(values, photometric="rgb", byteorder=byteorder, **options)
    assert np.array_equal(tifffile.imread(io.BytesIO(data)), values)
    pixels = decode_image(data).image_rgb.astype(int)
    assert np.abs(pixels - colours).max() <= 1
    assert pixels_to_decode(data) == 6 * RAMP.size


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_grey_of_thirty_two_bits_with_the_high_byte_first_is_read(dtype: type, compression: str | None) -> None:
    values = (RAMP * np.float64(257)).astype(dtype)
    assert np.abs(shown(tiff(values, byteorder=">", compression=compression)) - RAMP).max() <= 1


def test_light_beyond_white_is_cut_and_what_is_no_number_is_black() -> None:
    values = np.full((8, 8, 3), 0.5, np.float32)
    values[0, 0], values[1, 1] = (40.0, 0.5, 1.0), np.nan
    pixels = decode_image(tiff(values, photometric="rgb")).image_rgb
    assert pixels[0, 0].tolist() == [255, 128, 255]
    assert pixels[1, 1].tolist() == [0, 0, 0] and (pixels[2:] == 128).all()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (RAMP.astype(np.float64), "64 bits, floating-point"),
        (np.stack([RAMP] * 3, -1).astype(np.float64), "RGB, 3 x 64"),
        (np.stack([RAMP] * 4, -1).astype(np.float32), "RGB, 4 x 32"),
    ],
)
def test_a_tiff_of_a_kind_that_is_not_read_is_named(values: NDArray[np.generic], words: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        decode_image(tiff(values, photometric="rgb" if values.ndim == 3 else "minisblack"))
    assert caught.value.reason == "UNSUPPORTED_FORMAT"
    assert words in caught.value.message


def test_floating_point_colours_take_little_memory_beside_the_picture() -> None:
    rows = Image.fromarray(np.full((1024, 3 * 512), 0.5, np.float32))
    float_colours(rows, 3)
    tracemalloc.start()
    try:
        shown = float_colours(rows, 3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert shown.size == (512, 1024) and shown.getpixel((511, 1023)) == (128, 128, 128)
    assert peak < 8 * 512 * 1024, "more than the picture and a few strips"
