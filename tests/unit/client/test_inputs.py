"""What people hand to the client: everything that holds a picture, and sentences for what only looks like one."""

import array
import base64
import io
import mmap
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from convoy.client import fetch_picture
from convoy.client.operations import people, recognition, vision
from convoy.client.pictures import write_image, write_images
from convoy.core.errors import ConvoyError, InvalidArgument, Unavailable
from convoy.testing.pictures import encode, portrait
from convoy.v1 import common_pb2
from PIL import Image, ImageOps

from tests.icc_profiles import SPACES, in_space, rgb_profile
from tests.picture_files import scene

PHOTO = portrait(1)
JPEG = encode(PHOTO, ".jpg")


def refused(given: Any, **more: Any) -> str:
    with pytest.raises(InvalidArgument) as caught:
        write_image(given, **more)
    sentence = str(caught.value)
    assert len(sentence) < 130
    return sentence


def test_a_file_that_is_open_as_text_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """Its bytes are no text, so that reading it would end in a UnicodeDecodeError."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    with path.open(encoding="utf-8") as file, pytest.raises(InvalidArgument, match='open it with "rb"'):
        write_image(file)  # type: ignore[arg-type]


def test_whatever_holds_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG)
    written = io.BytesIO()
    written.write(JPEG)
    with path.open("rb") as file, path.open("rb") as mapped_file:
        mapped = mmap.mmap(mapped_file.fileno(), 0, access=mmap.ACCESS_READ)
        for given in (
            *(JPEG, bytearray(JPEG), memoryview(JPEG), memoryview(array.array("B", JPEG)), path, str(path)),
            *(io.BytesIO(JPEG), written, file, mapped),
        ):
            # Twice: a call may be planned again, and a file must not be empty then.
            assert [write_image(given).encoded for _ in range(2)] == [JPEG, JPEG], type(given)


def test_a_file_is_read_from_where_it_stands() -> None:
    file = io.BytesIO(b"head" + JPEG)
    file.seek(4)
    assert write_image(file).encoded == JPEG
    assert file.tell() == 4


def test_a_frame_of_opencv_is_sent_with_its_order() -> None:
    frame = np.ascontiguousarray(PHOTO[..., ::-1])
    message = write_image(frame, "bgr").raw
    assert message.format == common_pb2.PIXEL_FORMAT_BGR8 and message.data == frame.tobytes()
    assert write_image(PHOTO).raw.format == common_pb2.PIXEL_FORMAT_RGB8
    assert write_image(PHOTO[..., 0], "bgr").raw.format == common_pb2.PIXEL_FORMAT_GRAY8
    floats = (frame / np.float32(255)).astype(np.float32)
    assert np.array_equal(
        np.frombuffer(write_image(floats, "bgr").raw.data, "<f4").reshape(PHOTO.shape)[..., ::-1], floats
    )
    assert "rgb" in refused(frame, channels="BGRA")
    assert vision.detect(frame, channels="bgr").request.images[0].raw.format == common_pb2.PIXEL_FORMAT_BGR8
    registering = recognition.register("g", "p", [frame], channels="bgr").request
    assert registering.photos[0].raw.format == common_pb2.PIXEL_FORMAT_BGR8


def pixels(image: Image.Image) -> np.ndarray:
    raw = write_image(image).raw
    return np.frombuffer(raw.data, np.uint8).reshape(raw.height, raw.width, -1)


def test_a_pillow_image_is_sent_upright_and_in_srgb() -> None:
    exif = Image.Exif()
    exif[274] = 6
    file = io.BytesIO()
    Image.fromarray(scene()).transpose(Image.Transpose.ROTATE_90).save(file, "PNG", exif=exif)
    opened = Image.open(file)
    assert np.array_equal(pixels(opened), scene())
    assert np.array_equal(pixels(ImageOps.exif_transpose(opened)), scene())
    file = io.BytesIO()
    space = SPACES["exchanged primaries"]
    Image.fromarray(in_space(scene(), space)).save(file, "PNG", icc_profile=rgb_profile(space))
    assert np.abs(pixels(Image.open(file)).astype(int) - scene()).mean() < 3


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "LA", "CMYK", "YCbCr", "I;16", "I", "F", "HSV"])
def test_a_pillow_image_of_any_mode_is_taken(mode: str) -> None:
    image = Image.fromarray(scene()).convert("L").convert("I").convert(mode) if mode == "I;16" else None
    image = image or Image.fromarray(scene()).convert(mode)
    assert pixels(image).shape == scene().shape


def test_transparency_of_a_pillow_image_is_white() -> None:
    assert (pixels(Image.new("RGBA", (4, 4), (255, 0, 0, 0))) == 255).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (base64.b64encode(JPEG).decode(), "base64"),
        (base64.b64encode(JPEG), "base64"),
        (base64.encodebytes(JPEG).decode(), "base64"),
        (base64.urlsafe_b64encode(bytes(range(256)) * 4).decode(), "base64"),
        ("data:image/jpeg;base64," + base64.b64encode(JPEG).decode(), "data URL"),
        (b"data:image/png;base64," + base64.b64encode(JPEG), "data URL"),
        ("https://example.com/a.jpg?token=secret", "fetch_picture"),
        ("s3://bucket/a.jpg", "URL"),
        ("", "empty"),
        ("a\0b", "no path"),
        ("x" * 100_000, "no path"),
        (None, "NoneType"),
        (42, "int"),
        ([JPEG], "list"),
        (io.StringIO("text"), '"rb"'),
    ],
    ids=[
        *("base64", "base64 bytes", "base64 lines", "base64 of urls", "data url", "data url bytes", "url", "other url"),
        *("empty", "null", "long", "none", "number", "list", "text file"),
    ],
)
def test_what_only_looks_like_a_picture_is_refused_in_a_short_sentence(given: Any, words: str) -> None:
    sentence = refused(given)
    assert words in sentence
    assert "secret" not in sentence and "/9j/" not in sentence


def test_one_picture_where_several_are_wanted_is_refused() -> None:
    for one in (JPEG, bytearray(JPEG), memoryview(JPEG), "a.jpg", io.BytesIO(JPEG)):
        with pytest.raises(InvalidArgument, match="a list of pictures"):
            write_images(one)  # type: ignore[arg-type]


def test_whole_numbers_are_taken_as_text() -> None:
    request = recognition.register("g", 42, [JPEG], metadata={"age": 42, 7: "x"}, tags=[2026]).request  # type: ignore
    assert (request.person_id, dict(request.metadata), list(request.tags)) == ("42", {"age": "42", "7": "x"}, ["2026"])
    assert people.get_person("g", 42).request.person_id == "42"  # type: ignore[arg-type]
    assert people.update_person("g", 1, metadata={"n": 0}).request.metadata["n"] == "0"  # type: ignore
    assert recognition.identify("g", JPEG, filter={"age": 42}).request.filter["age"] == "42"  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "ask",
    [
        lambda: people.get_person("g", 4.2),  # type: ignore[arg-type]
        lambda: people.get_person("g", None),  # type: ignore[arg-type]
        lambda: people.delete_person("g", True),
        lambda: people.update_person("g", "p", metadata={"a": 1.5}),  # type: ignore[dict-item]
        lambda: people.update_person("g", "p", metadata=[("a", "b")]),  # type: ignore[arg-type]
        lambda: people.get_person("g", "caf\udce9"),
        lambda: recognition.verify(JPEG, gallery="g", person_id=b"p"),  # type: ignore[arg-type]
    ],
    ids=["float", "none", "bool", "float fact", "list of facts", "not utf-8", "bytes"],
)
def test_other_things_as_names_and_facts_are_refused_in_a_sentence(ask: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        ask()
    assert len(str(caught.value)) < 120


def test_a_time_without_a_zone_is_refused_in_a_sentence() -> None:
    soon = datetime.now(UTC) + timedelta(hours=2)
    assert people.update_person("g", "p", expire_time=soon).request.expire_time.seconds == int(soon.timestamp())
    local = datetime.now().astimezone() + timedelta(hours=2)
    assert people.update_person("g", "p", expire_time=local).request.expire_time.seconds == int(local.timestamp())
    for wrong in (datetime.now() + timedelta(hours=2), "2030-01-01", date(2030, 1, 1), 1_900_000_000):
        with pytest.raises(InvalidArgument, match="time zone"):
            recognition.register("g", "p", [JPEG], expire_time=wrong)  # type: ignore[arg-type]


class Web(BaseHTTPRequestHandler):
    """A web server: a photo, a large file, an error, and redirects to the photo and out of the web."""

    def do_GET(self) -> None:
        moved = {"/moved": "/photo", "/out": "file:///etc/passwd", "/round": "/round"}
        status = 302 if self.path in moved else 200 if self.path in ("/photo", "/large") else 404
        self.send_response(status)
        if self.path in moved:
            self.send_header("location", moved[self.path])
        self.end_headers()
        if status == 200:
            self.wfile.write(JPEG if self.path == "/photo" else bytes(100_000))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_picture_is_fetched_from_the_web_when_asked(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert fetch_picture(f"{web}/photo") == fetch_picture(f"{web}/moved") == JPEG
    for path, kind, reason in (
        ("/large", InvalidArgument, "IMAGE_TOO_LARGE"),
        ("/none", Unavailable, "FETCH_FAILED"),
        ("/out", Unavailable, "FETCH_FAILED"),
        ("/round", Unavailable, "FETCH_FAILED"),
    ):
        with pytest.raises(kind) as caught:
            fetch_picture(web + path, max_bytes=50_000)
        assert isinstance(caught.value, ConvoyError) and caught.value.reason == reason
    with pytest.raises(InvalidArgument, match="http"):
        fetch_picture("file:///etc/passwd")
    with pytest.raises(Unavailable):
        fetch_picture("http://127.0.0.1:1/")
