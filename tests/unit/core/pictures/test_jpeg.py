"""JPEGs as phones, scanners and attackers write them: what every viewer shows is read, what lacks data is not."""

import io
import struct

import cv2
import numpy as np
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.pictures.decoding import decode_image
from convoy.core.pictures.jpeg_markers import MOST_SEGMENTS, read_structure
from convoy.testing.pictures import group
from PIL import Image

PHOTO = Image.fromarray(group([1, 2, 3]))
END = b"\xff\xd9"


def save(kind: str = "JPEG", image: Image.Image = PHOTO, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **{"quality": 92, **options})
    return buffer.getvalue()


def reason(data: bytes) -> str:
    with pytest.raises(InvalidArgument) as caught:
        decode_image(data)
    return caught.value.reason


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def scan_without_parameters(jpeg: bytes) -> bytes:
    """Samsung's front cameras leave the spectral selection of the one scan at zero."""
    at = jpeg.rfind(b"\xff\xda")
    end = at + 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0]
    return jpeg[: end - 3] + b"\0\0\0" + jpeg[end:]


def stray_before(jpeg: bytes, marker: bytes, stray: bytes) -> bytes:
    at = jpeg.find(marker)
    assert at > 0
    return jpeg[:at] + stray + jpeg[at:]


def odd_but_whole() -> dict[str, bytes]:
    plain, restarts, progressive = save(), save(restart_marker_blocks=20), save(progressive=True)
    return {
        "zero scan parameters": scan_without_parameters(plain),
        "stray bytes before a restart marker": stray_before(restarts, b"\xff\xd2", b"\0" * 9),
        "other stray bytes before a restart marker": stray_before(restarts, b"\xff\xd5", b"\x12\x34\x56" * 5),
        "padding before the end": plain[:-2] + b"\0" * 9 + END,
        "long padding before the end": plain[:-2] + b"\xa5\x5a" * 500 + END,
        "fill bytes before the end": plain[:-2] + b"\xff" * 64 + END,
        "no end marker": plain[:-2],
        "half an end marker": plain[:-1],
        "no end marker, padded to a block": plain[:-2] + b"\0" * 300,
        "no end marker, progressive": progressive[:-2],
        "no end marker, with restarts": restarts[:-2],
        "padding, progressive": progressive[:-2] + b"\0" * 7 + END,
        "zeros behind the end": plain + b"\0" * 4096,
        "stray bytes between segments": plain[:2] + segment(0xFE, b"scanner") + b"\0\0\0" + plain[2:],
        "a comment of a scanner": with_segments(plain, *[segment(0xFE, b"x" * 1000)] * 50),
        "no end marker and zero scan parameters": scan_without_parameters(plain)[:-2],
    }


@pytest.mark.parametrize("name", odd_but_whole())
@pytest.mark.parametrize("min_side", [None, 40])
def test_what_every_viewer_shows_is_read(name: str, min_side: int | None) -> None:
    data = odd_but_whole()[name]
    picture = decode_image(data, min_side=min_side)
    assert (picture.width, picture.height) == PHOTO.size
    if min_side is None:
        shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)  # None: OpenCV wants an end marker.
        expected = decode_image(save()).image_rgb if shown is None else shown[..., ::-1]
        # A stray byte may cost the blocks beside it; the rest is as others show it.
        assert (np.abs(picture.image_rgb.astype(int) - expected) > 8).mean() < 0.01


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_with_warnings_are_read(mode: str) -> None:
    whole = save(image=PHOTO.convert(mode))
    expected = decode_image(whole).image_rgb
    assert np.array_equal(decode_image(whole[:-2]).image_rgb, expected)
    assert reason(whole[: len(whole) // 2]) == "TRUNCATED_IMAGE"


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("end", [b"", END])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.99])
def test_missing_picture_data_is_told(progressive: bool, end: bytes, share: float) -> None:
    jpeg = save(progressive=progressive)
    start = read_structure(jpeg).header_end + 20
    assert reason(jpeg[: start + int((len(jpeg) - start) * share)].rstrip(b"\xff") + end) == "TRUNCATED_IMAGE"


@pytest.mark.parametrize("progressive", [False, True])
def test_a_file_that_ends_at_a_restart_marker_is_incomplete(progressive: bool) -> None:
    jpeg = save(restart_marker_blocks=20, progressive=progressive)
    assert reason(jpeg[: jpeg.rfind(b"\xff\xd3")]) == "TRUNCATED_IMAGE"
    assert reason(jpeg[: jpeg.rfind(b"\xff\xd3")] + END) == "TRUNCATED_IMAGE"


def film(megabytes: int) -> bytes:
    return np.random.default_rng(1).bytes(megabytes << 20)


def test_a_motion_photo_is_the_photo() -> None:
    assert film(12).count(b"\xff\xda") > 100
    for jpeg in (save(), save(progressive=True), save()[:-2] + b"\0" * 5 + END):
        moving = jpeg + b"MotionPhoto_Data" + film(12)
        assert np.array_equal(decode_image(moving).image_rgb, decode_image(jpeg).image_rgb)


def test_a_picture_of_several_views_is_the_first() -> None:
    first, other = PHOTO, PHOTO.rotate(180)
    exif = Image.Exif()
    exif[274] = 6
    data = save("MPO", save_all=True, append_images=[other], exif=exif.tobytes())
    expected = np.asarray(Image.open(io.BytesIO(save(image=first, quality=92))))
    assert np.abs(decode_image(data).image_rgb.astype(int) - np.rot90(expected, -1)).mean() < 3


def many_scans(count: int, side: int = 256) -> bytes:
    data = save(image=Image.new("RGB", (side, side), (120, 130, 140)), progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:-2] + data[last:-2] * count + END


def index_of_views() -> bytes:
    """The segment that makes a JPEG an MPO."""
    small = Image.new("RGB", (16, 16))
    data = save("MPO", image=small, save_all=True, append_images=[small])
    at = data.find(b"\xff\xe2")
    return data[at : at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]]


@pytest.mark.parametrize("trailer", [b"", b"film" * 1000, END * 10])
@pytest.mark.parametrize("index", [b"", index_of_views()])
@pytest.mark.parametrize("count", [100, 4000])
def test_a_bomb_of_scans_is_refused_whatever_it_carries(trailer: bytes, index: bytes, count: int) -> None:
    exif = Image.Exif()
    exif[274] = 1
    block = segment(0xE1, exif.tobytes())
    assert reason(with_segments(many_scans(count), block, index) + trailer) == "TOO_MANY_SCANS"
    assert reason(many_scans(count)[:-2] + trailer) == "TOO_MANY_SCANS"


def test_a_large_picture_may_have_as_many_scans_as_cameras_write() -> None:
    side = 3000
    assert decode_image(many_scans(0, side)).width == side
    assert reason(many_scans(60, side)) == "TOO_MANY_SCANS"
    assert decode_image(many_scans(60)).width == 256


def test_millions_of_comments_are_refused() -> None:
    empty = segment(0xFE, b"")
    assert reason(with_segments(save(), empty * 1_000_000)) == "TOO_MANY_SEGMENTS"
    decode_image(with_segments(save(), empty * (MOST_SEGMENTS // 2)))


@pytest.mark.parametrize("filler", [b"\xff" * 3_000_000, b"\xff\0" * 1_000_000, b"\xff\xd0" * 1_000])
def test_fillers_of_any_length_end(filler: bytes) -> None:
    for data in (b"\xff\xd8" + filler, save()[:-2] + filler, save()[:40] + filler):
        try:
            decode_image(data)
        except InvalidArgument as error:
            assert error.message  # noqa: PT017 - either answer is right; that it comes is what counts.


@pytest.mark.parametrize(
    ("marker", "bits", "words"),
    [(0xC0, 12, "12 bits"), (0xC1, 12, "12 bits"), (0xC3, 8, "lossless"), (0xC7, 8, "lossless"), (0xF7, 8, "JPEG-LS")],
)
def test_a_jpeg_of_a_kind_that_is_not_read_is_named(marker: int, bits: int, words: str) -> None:
    """A 12-bit, a lossless and a JPEG-LS file as imagecodecs writes them have these headers."""
    data = bytearray(save())
    frame = data.index(b"\xff\xc0")
    data[frame + 1], data[frame + 4] = marker, bits
    with pytest.raises(InvalidArgument) as caught:
        decode_image(bytes(data))
    assert caught.value.reason == "UNSUPPORTED_FORMAT"
    assert words in caught.value.message and caught.value.message.endswith("PNG")
