"""?draw=1 takes as much memory as there is room for, and several files no more than a call may hold."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from convoy.testing.pictures import encode, plain
from convoy.web import holding
from convoy.web.rest import pictures

from tests.web_door import Door, web_door

PICTURE = encode(plain(width=250, height=200))


@pytest.fixture
def small(addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """Room for one picture of the largest size, 250x200 pixels."""
    monkeypatch.setattr(holding, "PATIENCE_S", 0.2)
    with web_door(addresses, max_image_pixels=50_000, message_memory_mb=1, max_message_mb=1) as door:
        yield door


def test_a_picture_waits_for_room_and_is_refused_where_there_is_none(
    small: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing, may_end = threading.Event(), threading.Event()
    real = pictures.draw

    def slow(*arguments: object) -> bytes:
        drawing.set()
        assert may_end.wait(60)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(pictures, "draw", slow)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(small.form, "/v1/detect?draw=1", [("image", PICTURE)])
        assert drawing.wait(60)
        try:
            second = small.form("/v1/detect?draw=1", [("image", PICTURE)])
        finally:
            may_end.set()
        assert (second.status, second.reason) == (429, "MESSAGES_FULL")
        assert first.result().headers["content-type"] == "image/png"
    # The room was given back, also by the one that failed.
    assert small.form("/v1/detect?draw=1", [("image", b"no picture")]).status == 400
    assert small.form("/v1/detect?draw=1", [("image", PICTURE)]).status == 200


def test_several_files_are_bounded_in_number_and_size(small: Door) -> None:
    answer = small.form("/v1/detect", [("image", b"x")] * 1001)
    assert (answer.status, answer.reason) == (400, "BAD_ARGUMENT")
    answer = small.form("/v1/detect", [("image", bytes(300_000))] * 4)
    assert (answer.status, answer.reason) == (413, "MESSAGE_TOO_LARGE")
