"""The kinds of picture files that Convoy reads, and how each is told by its first bytes.

To add one, add a line to `KINDS` and `_PLAIN_SIGNATURES`, and what makes it safe to open to `containers`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A format: its name for people, Pillow's name for it, file endings in lower case, and what a decoder holds for
    each pixel, counted in RGB pixels of three bytes.

    small_px: how many pixels a file of at most a MiB may have, since a core decodes so many in a second; 0 for no such
    bound. px_a_byte: how many more for each further byte.
    """

    name: str
    pillow: str
    suffixes: tuple[str, ...]
    weight: int = 2
    small_px: int = 0
    px_a_byte: int = 0


JPEG = Kind("JPEG", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".mpo"), 1)
PNG = Kind("PNG", "PNG", (".png", ".apng"))
WEBP = Kind("WebP", "WEBP", (".webp",), 4, 30_000_000, 40)
HEIC = Kind("HEIC", "HEIF", (".heic", ".heif", ".hif"), 4, 30_000_000, 40)
AVIF = Kind("AVIF", "AVIF", (".avif",), 4, 30_000_000, 40)
TIFF = Kind("TIFF", "TIFF", (".tif", ".tiff"), 3)
GIF = Kind("GIF", "GIF", (".gif",))
BMP = Kind("BMP", "BMP", (".bmp", ".dib"))
JPEG_2000 = Kind("JPEG 2000", "JPEG2000", (".jp2", ".j2k", ".jpf", ".jpx", ".jpc", ".j2c"), 6, 12_000_000, 12)
KINDS = (JPEG, PNG, WEBP, HEIC, AVIF, TIFF, GIF, BMP, JPEG_2000)

SUFFIXES = tuple(suffix for kind in KINDS for suffix in kind.suffixes)
"""File endings, in lower case, by which commands and data sets find pictures in a folder."""
NAMES = ", ".join(kind.name for kind in KINDS[:-1]) + " or " + KINDS[-1].name
"""Their names, for messages."""

_PLAIN_SIGNATURES = (
    (b"\xff\xd8", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),
    (b"MM\0+", TIFF),
    (b"BM", BMP),
    (b"\0\0\0\x0cjP  \r\n\x87\n", JPEG_2000),
    (b"\xff\x4f\xff\x51", JPEG_2000),
)
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_FILM_BRANDS = (b"isom", b"iso2", b"mp41", b"mp42", b"avc1", b"qt  ", b"M4V ", b"3gp4", b"3gp5", b"3g2a")
_OTHERS = (
    (b"%PDF", "a PDF"),
    (b"8BPS", "a Photoshop file"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML file, perhaps an SVG drawing"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\x1aE\xdf\xa3", "a film"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"IIRO", "a camera's raw file"),
    (b"IIU\0", "a camera's raw file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\0\0\1\0", "an icon"),
    *((b"P%d" % number + space, "a Netpbm file") for number in range(1, 8) for space in (b"\n", b" ", b"\r")),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "a Radiance picture"),
    (b"#?RGBE", "a Radiance picture"),
    (b"II\xbc\x01", "JPEG XR"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"DDS ", "a DirectDraw texture"),
    (b"SIMPLE  =", "FITS"),
    (b"gimp xcf", "a GIMP file"),
)


def kind_of(data: bytes) -> Kind | None:
    """Tell the format by the first bytes; None if it is none of `KINDS`."""
    for signature, kind in _PLAIN_SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    return _kind_of_boxes(data) if data[4:8] == b"ftyp" else None


def name_of_other(data: bytes) -> str:
    """Name a format that people take for a picture and that Convoy does not read; empty if it is not known."""
    for signature, name in _OTHERS:
        if data.startswith(signature):
            return name
    if data[128:132] == b"DICM":
        return "DICOM"
    if data[4:8] == b"ftyp":
        return "a camera's raw file" if data[8:12] == b"crx " else "a film" if data[8:12] in _FILM_BRANDS else ""
    return ""


def _kind_of_boxes(data: bytes) -> Kind | None:
    """HEIC or AVIF, by the brands of the first box. Source: ISO/IEC 23008-12, 10; AVIF 1.1, 6."""
    end = min(int.from_bytes(data[:4], "big"), 512)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]
    if brands[0] in _FILM_BRANDS or brands[0] == b"crx ":
        return None
    for brand in brands:
        if brand in _AVIF_BRANDS:
            return AVIF
        if brand in _HEIC_BRANDS:
            return HEIC
    return HEIC if brands[0] in (b"mif1", b"msf1", b"mif2") else None
