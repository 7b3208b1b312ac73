"""Decoding ends when nobody waits for the picture any longer."""

import time

import numpy as np
import pytest
from convoy.core.errors import DeadlineExceeded
from convoy.core.pictures import colours
from convoy.core.pictures.decoding import decode_image
from convoy.core.pictures.stopping import Reader, Wanted, check, while_wanted
from PIL import Image

from tests.picture_files import FORMATS, write


@pytest.mark.parametrize("name", FORMATS)
def test_a_picture_that_nobody_waits_for_is_not_decoded(name: str) -> None:
    for late in (Wanted(time.monotonic() - 1), Wanted()):
        late.give_up()
        with while_wanted(late), pytest.raises(DeadlineExceeded):
            decode_image(write(name))
    with while_wanted(Wanted(time.monotonic() + 60)):
        assert decode_image(write(name)).width == 96
    check()


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP"])
def test_a_decoder_stops_at_its_next_read(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (700, 700, 3), np.uint8)
    data = write(kind, Image.fromarray(noise))
    wanted, reads = Wanted(), []
    plain = Reader.read

    def read(self: Reader, size: int | None = -1, /) -> bytes:
        reads.append(size)
        if len(reads) == 8:
            wanted.give_up()
        return plain(self, size)

    monkeypatch.setattr(Reader, "read", read)
    with while_wanted(wanted), pytest.raises(DeadlineExceeded):
        decode_image(data)
    assert len(reads) == 8


def test_colours_stop_at_the_next_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, strips = Wanted(), []
    plain = colours._flatten

    def flatten(*arguments: object) -> Image.Image:
        strips.append(1)
        wanted.give_up()
        return plain(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(colours, "_flatten", flatten)
    monkeypatch.setattr(colours, "_STRIP_PX", 96 * 4)
    with while_wanted(wanted), pytest.raises(DeadlineExceeded):
        decode_image(write("PNG"))
    assert len(strips) == 1
