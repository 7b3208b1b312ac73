"""Every format: read as viewers read it, told by its first bytes, refused in a sentence where it cannot be read."""

import io
import struct
import sys
import zlib

import cv2
import numpy as np
import pytest
from convoy.core.errors import InvalidArgument
from convoy.core.pictures import heic
from convoy.core.pictures.containers.parts import MOST_PARTS
from convoy.core.pictures.decoding import Limits, decode_image, pixels_to_decode
from convoy.core.pictures.formats import KINDS, kind_of
from PIL import Image

from tests.picture_files import FORMATS, HEIGHT, WIDTH, scene, write

PHOTO = Image.fromarray(scene())
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
}


USUAL = Limits()


def refused(data: bytes, limits: Limits = USUAL) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        decode_image(data, limits)
    return caught.value


def far(data: bytes) -> float:
    picture = decode_image(data)
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    return float(np.abs(picture.image_rgb.astype(int) - scene()).mean())


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_read(name: str) -> None:
    data = write(name)
    kind = kind_of(data)
    assert kind is not None and kind.name in name
    assert far(data) < 9
    assert pixels_to_decode(data) >= WIDTH * HEIGHT


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_bounded_before_it_is_decoded(name: str) -> None:
    assert refused(write(name), Limits(max_pixels=WIDTH * HEIGHT - 1)).reason == "TOO_MANY_PIXELS"
    assert refused(write(name), Limits(max_bytes=50)).reason == "IMAGE_TOO_LARGE"


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_half_a_file_is_refused(name: str, share: float) -> None:
    data = write(name, Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8)))
    assert refused(data[: int(len(data) * share)]).reason in ("TRUNCATED_IMAGE", "NOT_AN_IMAGE")


@pytest.mark.parametrize("name", ["HEIC", "AVIF", "TIFF", "PNG", "WebP", "JPEG"])
@pytest.mark.parametrize("orientation", TURNS)
def test_every_format_is_turned_upright(name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    assert far(write(name, PHOTO.transpose(TURNS[orientation]), exif=exif.tobytes())) < 10


def packet(orientation: int) -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>'
    ) % orientation


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WebP", "AVIF", "TIFF"])
def test_the_orientation_of_xmp_is_not_applied(name: str) -> None:
    options: dict[str, object] = {"xmp": packet(6)}
    if name == "PNG":
        text = b"XML:com.adobe.xmp\0\0\0\0\0" + packet(6)
        data = write("PNG")
        data = data[:33] + chunk(b"iTXt", text) + data[33:]
    elif name == "TIFF":
        data = write("TIFF", tiffinfo={700: packet(6)})
    else:
        data = write(name, **options)
    assert b"tiff:Orientation" in data
    assert far(data) < 10
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown is None or shown.shape == (HEIGHT, WIDTH, 3)


def test_a_jpeg_with_a_gain_map_behind_it_gives_the_base_picture() -> None:
    """Ultra HDR: the XMP names a second JPEG, which brightens the first on screens that can show it."""
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" '
        b'hdrgm:GainMapMax="3.5"/></rdf:RDF></x:xmpmeta>'
    )
    gain = write("JPEG", Image.new("L", (24, 16), 255))
    base = write("JPEG")
    assert np.array_equal(decode_image(write("JPEG", xmp=xmp) + gain).image_rgb, decode_image(base).image_rgb)


def test_the_orientation_of_exif_is_applied_whatever_xmp_says() -> None:
    exif = Image.Exif()
    exif[274] = 6
    turned = PHOTO.transpose(Image.Transpose.ROTATE_90)
    assert far(write("JPEG", turned, exif=exif.tobytes(), xmp=packet(3))) < 10


def chunk(name: bytes, data: bytes, checksum: int | None = None) -> bytes:
    summed = zlib.crc32(name + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", summed)


@pytest.mark.parametrize("name", [b"tEXt", b"zTXt", b"iTXt", b"tIME", b"pHYs", b"eXIf", b"iCCP", b"gAMA", b"prVt"])
def test_a_png_with_a_bad_checksum_beside_the_picture_is_read(name: bytes) -> None:
    data = write("PNG")
    assert far(data[:33] + chunk(name, b"Comment\0hello", 0) + data[33:]) == 0
    assert far(data[:-12] + chunk(name, b"Comment\0hello", 0) + data[-12:]) == 0


def test_a_png_with_a_bad_checksum_in_its_header_is_damaged() -> None:
    data = bytearray(write("PNG"))
    data[29] ^= 1
    assert refused(bytes(data)).reason == "NOT_AN_IMAGE"


def test_a_png_without_its_end_and_one_with_more_behind_it_are_read() -> None:
    data = write("PNG")
    assert far(data[:-12]) == 0
    assert far(data + b"more" * 1000) == 0


def test_an_animated_png_and_an_animated_webp_and_a_gif_give_their_first_frame() -> None:
    for kind in ("PNG", "WEBP", "GIF", "TIFF", "AVIF"):
        buffer = io.BytesIO()
        PHOTO.save(buffer, kind, save_all=True, append_images=[PHOTO.rotate(180)] * 3)
        assert far(buffer.getvalue()) < 9, kind


def test_a_gif_of_a_part_of_the_screen_is_read() -> None:
    buffer = io.BytesIO()
    Image.new("P", (4, 4), 0).save(buffer, "GIF", comment=b"c" * 5000)
    data = bytearray(buffer.getvalue())
    data[6:10] = struct.pack("<HH", 40, 30)
    picture = decode_image(bytes(data))
    assert (picture.width, picture.height) == (40, 30)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg", "group4", "zstd"])
@pytest.mark.parametrize("big_endian", [False, True])
def test_tiff_of_every_habit_is_read(compression: str | None, big_endian: bool) -> None:
    mode = "1" if compression == "group4" else "RGB"
    image = PHOTO.convert(mode)
    options = {"compression": compression} if compression else {}
    buffer = io.BytesIO()
    image.save(
        buffer, "TIFF", big_tiff=big_endian, tiffinfo={270: "a scan", 305: "a scanner", 315: "x" * 4000}, **options
    )
    expected = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(decode_image(buffer.getvalue()).image_rgb - expected).mean() < 9


def test_the_tags_of_a_tiff_that_are_no_picture_are_not_read() -> None:
    """Sixty thousand tags that each name the same megabytes would fill the memory."""
    data = write("TIFF")
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = data[at + 2 : at + 2 + 12 * count]
    body = data + b"\0" * (1 << 20)
    extra = b"".join(struct.pack("<HHII", 40000 + i, 1, 1 << 20, 8) for i in range(2000))
    some = body[:4] + struct.pack("<I", len(body)) + body[8:] + struct.pack("<H", count + 2000) + entries + extra
    assert far(some + bytes(4)) == 0
    many = body[:4] + struct.pack("<I", len(body)) + body[8:] + struct.pack("<H", 60_000) + entries + extra * 30
    assert refused(many + bytes(4)).reason == "TOO_MANY_SEGMENTS"


def test_a_cameras_raw_file_is_named() -> None:
    buffer = io.BytesIO()
    PHOTO.save(buffer, "TIFF", tiffinfo={50706: b"\1\4\0\0"})
    error = refused(buffer.getvalue())
    assert error.reason == "UNSUPPORTED_FORMAT" and "raw" in error.message


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (b"8BPS\0\1" + bytes(40), "Photoshop"),
        (bytes(128) + b"DICM" + bytes(40), "DICOM"),
        (b"\xff\x0a" + bytes(40), "JPEG XL"),
        (b"\0\0\0\x18ftypmp42" + bytes(40), "film"),
        (b"\0\0\0\x18ftypcrx " + bytes(40), "raw"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    ],
)
def test_what_is_not_read_is_named(data: bytes, word: str) -> None:
    error = refused(data)
    assert error.reason == "UNSUPPORTED_FORMAT"
    assert word in error.message and "JPEG" in error.message


def test_heic_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = write("HEIC")
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    heic._library.cache_clear()
    try:
        error = refused(data)
        assert (error.reason, error.metadata["format"]) == ("UNSUPPORTED_FORMAT", "HEIC")
        assert str(error).startswith("this is HEIC; install the extra formats")
        assert pixels_to_decode(data) == 0
    finally:
        monkeypatch.undo()
        heic._library.cache_clear()


def empty_chunks(count: int) -> bytes:
    data = write("PNG")
    return data[:33] + chunk(b"tEXt", b"") * count + data[33:]


def comments(count: int) -> bytes:
    data = write("GIF")
    head = 13 + (3 << (data[10] & 7) + 1)
    return data[:head] + b"\x21\xfe\x01c\0" * count + data[head:]


def boxes(name: str, count: int) -> bytes:
    data = write(name)
    end = int.from_bytes(data[:4], "big")
    return data[:end] + b"\0\0\0\x08free" * count + data[end:]


@pytest.mark.parametrize(
    "data",
    [
        empty_chunks(MOST_PARTS + 1),
        empty_chunks(1_000_000),
        comments(MOST_PARTS),
        comments(1_000_000),
        boxes("HEIC", 1_000_000),
        boxes("AVIF", 1_000_000),
        boxes("JPEG 2000", 1_000_000),
    ],
    ids=["png", "png-million", "gif", "gif-million", "heic", "avif", "jpeg-2000"],
)
def test_files_of_very_many_parts_are_refused(data: bytes) -> None:
    assert refused(data).reason == "TOO_MANY_SEGMENTS"


@pytest.mark.parametrize(
    ("width", "height", "colours", "refused"),
    [(7070, 7070, 6, True), (7000, 7000, 2, False), (1, 49_000_000, 0, True), (49_000_000, 1, 0, False)],
)
def test_a_small_png_that_takes_long_to_unpack_is_refused(width: int, height: int, colours: int, refused: bool) -> None:
    """The header of a file whose pixels are not there: it is refused for its size before it is decoded, or for them."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, colours, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    for name, content in ((b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")):
        data += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    with pytest.raises(InvalidArgument) as caught:
        decode_image(data)
    assert (caught.value.reason == "TOO_MANY_PIXELS") is refused


def test_a_small_jpeg_2000_of_very_many_pixels_is_refused_since_it_takes_long() -> None:
    buffer = io.BytesIO()
    Image.new("L", (5000, 4000)).save(buffer, "JPEG2000")
    assert refused(buffer.getvalue()).reason == "TOO_MANY_PIXELS"


def test_a_webp_that_says_a_large_canvas_reserves_nothing() -> None:
    data = bytearray(write("lossless WebP"))
    data[21:25] = struct.pack("<I", 0x3FFF | 0x3FFF << 14)
    assert refused(bytes(data)).reason == "TOO_MANY_PIXELS"


def test_a_run_length_coded_bmp_is_bounded() -> None:
    head = b"BM" + bytes(12) + struct.pack("<IiiHHII", 40, 64, 64, 1, 8, 1, 0) + bytes(16)
    assert refused(head + bytes(1024) + b"\1\0" * 700_000).reason == "IMAGE_TOO_LARGE"


def test_every_suffix_belongs_to_one_format() -> None:
    suffixes = [suffix for kind in KINDS for suffix in kind.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert {".jpg", ".jfif", ".jpe", ".heic", ".avif", ".tif", ".gif", ".bmp", ".jp2"} <= set(suffixes)
