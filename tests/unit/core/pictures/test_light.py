"""Colours that a file describes by numbers. The expected values are computed here, by colour science alone."""

import io
import struct
import zlib

import numpy as np
import pytest
from convoy.core.pictures.decoding import decode_image
from PIL import Image

from tests.icc_profiles import SPACES, in_space, rgb_profile
from tests.picture_files import write

ACROSS, DOWN = np.meshgrid(np.linspace(0, 2 * np.pi, 160), np.linspace(0.3, 1, 96))
PHOTO = np.stack([DOWN * (128 + 70 * np.sin(ACROSS + turn)) for turn in (0, 2.1, 4.2)], -1).astype(np.uint8)
P3_XY = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
SRGB_XY = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
P3 = in_space(PHOTO, SPACES["Display P3"])
LINEAR = in_space(PHOTO, SPACES["linear"])


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def gamma(value: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(value * 100_000)))


def corners(numbers: tuple[float, ...]) -> bytes:
    return chunk(b"cHRM", struct.pack(">8I", *(round(number * 100_000) for number in numbers)))


def far(pixels: np.ndarray, *chunks: bytes, **options: object) -> float:
    data = write("PNG", Image.fromarray(pixels), **options)
    shown = decode_image(data[:33] + b"".join(chunks) + data[33:]).image_rgb
    return float(np.abs(shown.astype(int) - PHOTO).mean())


def test_light_by_gamma_and_chromaticities_becomes_srgb() -> None:
    assert far(LINEAR, gamma(1.0)) < 2 < far(LINEAR)
    assert far(P3, gamma(0.45455), corners(P3_XY)) < 1 < far(P3)
    assert far(P3, chunk(b"cICP", bytes([12, 13, 0, 1]))) < 1


@pytest.mark.parametrize(
    "chunks",
    [
        (gamma(0.45455),),
        (gamma(0.45455), corners(SRGB_XY)),
        (corners(P3_XY),),
        (gamma(1.0), chunk(b"sRGB", b"\0")),
        (gamma(0.0),),
        (gamma(1.0)[:-1] + b"\0",),
        (chunk(b"gAMA", b"\0"),),
        (chunk(b"cICP", bytes([9, 16, 0, 1])),),
        (chunk(b"cICP", bytes([1, 13, 0, 1])), gamma(1.0)),
        (gamma(0.45455), corners((0.0,) * 8)),
        (gamma(0.45455), corners((0.3, 0.3) * 4)),
    ],
    ids=["srgb", "srgb-corners", "no-gamma", "srgb-chunk", "zero", "checksum", "short", "pq", "cicp", "zeros", "one"],
)
def test_srgb_and_what_makes_no_sense_changes_nothing(chunks: tuple[bytes, ...]) -> None:
    assert far(PHOTO, *chunks) == 0


def test_a_profile_goes_before_numbers() -> None:
    assert far(P3, gamma(1.0), icc_profile=rgb_profile(SPACES["Display P3"])) < 2


def test_grey_and_transparency_follow_gamma_too() -> None:
    ramp = Image.fromarray(np.linspace(0, 255, 256).astype(np.uint8)[None].repeat(8, 0))
    for image in (ramp, Image.merge("LA", (ramp, Image.new("L", ramp.size, 255)))):
        data = write("PNG", image)
        shown = decode_image(data[:33] + gamma(1.0) + data[33:]).image_rgb
        assert abs(int(shown[0, 64, 1]) - 137) <= 1 and shown[0, 0, 0] == 0 and shown[0, 255, 2] == 255


@pytest.mark.parametrize("name", ["AVIF", "HEIC"])
def test_heic_and_avif_name_their_colours_by_code_points(name: str) -> None:
    data = write(name, Image.fromarray(P3), quality=100)
    at = data.index(b"colrnclx")
    coded = data[: at + 8] + struct.pack(">HH", 12, 13) + data[at + 12 :]
    assert np.abs(decode_image(coded).image_rgb.astype(int) - PHOTO).mean() < 2
    plain = data[: at + 8] + struct.pack(">HH", 1, 13) + data[at + 12 :]
    assert np.abs(decode_image(plain).image_rgb.astype(int) - P3).mean() < 2


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_transparent_value_of_shallow_grey_is_white(bits: int) -> None:
    """Pillow takes the value for one of 8 bits."""
    most = (1 << bits) - 1
    values = np.arange(32, dtype=np.uint8)[None].repeat(8, 0) % (most + 1)
    rows = b"".join(
        b"\0" + np.packbits(np.unpackbits(row[:, None], axis=1)[:, 8 - bits :].reshape(-1)).tobytes() for row in values
    )
    head = struct.pack(">IIBBBBB", 32, 8, bits, 0, 0, 0, 0)
    body = chunk(b"tRNS", struct.pack(">H", most - 1)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    shown = decode_image(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body).image_rgb[..., 0].astype(int)
    assert np.array_equal(shown, np.where(values == most - 1, 255, values.astype(int) * 255 // most))


def test_grey_with_transparency_follows_its_profile() -> None:
    from tests.icc_profiles import grey_profile

    ramp = Image.fromarray(np.linspace(0, 255, 256).astype(np.uint8)[None].repeat(8, 0))
    buffer = io.BytesIO()
    Image.merge("LA", (ramp, Image.new("L", ramp.size, 255))).save(buffer, "PNG", icc_profile=grey_profile(1.0))
    assert abs(int(decode_image(buffer.getvalue()).image_rgb[0, 64, 0]) - 137) <= 2
