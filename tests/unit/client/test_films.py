"""Films: read as they were written, cut, cut off, of changing size, upright; and what is no film."""

from pathlib import Path

import av
import numpy as np
import pytest
from convoy.client.films import frame_rate, read_film
from convoy.core.errors import InvalidArgument
from convoy.drawing.films import FilmWriter
from convoy.testing.films import draw_film, moving_rectangles, write_film


@pytest.fixture
def pictures() -> list[np.ndarray]:
    return draw_film(moving_rectangles(2, 30, seed=3, width=160, height=120), (255, 20), width=160, height=120)


def test_a_film_is_read_as_it_was_written(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    write_film(tmp_path / "film.mp4", pictures)
    frames = list(read_film(tmp_path / "film.mp4"))
    assert [frame.number for frame in frames] == list(range(30))
    assert frames[25].time_s == pytest.approx(1.0)
    assert frame_rate(tmp_path / "film.mp4") == 25
    for frame, picture in zip(frames, pictures, strict=True):
        assert np.abs(frame.image_rgb.astype(int) - picture).mean() < 5
        assert not frame.after_cut


def test_a_cut_begins_a_scene_and_motion_does_not(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    elsewhere = [255 - picture for picture in pictures]
    write_film(tmp_path / "film.mp4", [*pictures, *elsewhere])
    assert [frame.number for frame in read_film(tmp_path / "film.mp4") if frame.after_cut] == [30]


def test_a_film_of_changing_size(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    write_film(tmp_path / "large.ts", pictures[:10])
    write_film(tmp_path / "small.ts", [picture[::2, ::2] for picture in pictures[10:20]])
    both = tmp_path / "both.ts"
    both.write_bytes((tmp_path / "large.ts").read_bytes() + (tmp_path / "small.ts").read_bytes())
    sizes = [frame.image_rgb.shape[:2] for frame in read_film(both)]
    assert sizes[0] == (120, 160) and sizes[-1] == (60, 80)
    with FilmWriter(tmp_path / "out.mp4") as film:
        for frame in read_film(both):
            film.write(frame.image_rgb)
    assert {frame.image_rgb.shape[:2] for frame in read_film(tmp_path / "out.mp4")} == {(120, 160)}


def test_a_film_that_ends_early_gives_what_it_has_and_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    write_film(tmp_path / "film.mkv", [noise.integers(0, 255, (120, 160, 3), np.uint8) for _ in range(60)])
    whole = (tmp_path / "film.mkv").read_bytes()
    (tmp_path / "film.mkv").write_bytes(whole[: len(whole) // 2])
    count = 0
    with pytest.raises(InvalidArgument) as caught:  # noqa: PT012, the loop is what raises
        for _ in read_film(tmp_path / "film.mkv"):
            count += 1
    assert caught.value.reason == "FILM_ENDS_EARLY"
    assert 15 < count < 45


@pytest.mark.parametrize("content", [b"", b"hello, this is no film at all" * 99])
def test_what_is_no_film(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(InvalidArgument) as caught:
        next(read_film(tmp_path / "film.mp4"))
    assert caught.value.reason == "NOT_A_FILM"


def test_a_film_needs_a_name_that_a_film_can_have(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="names no film"):
        FilmWriter(tmp_path / "out.png")


def copy(source: Path, target: Path, options: dict[str, str], trim_s: float = 0.0) -> None:
    """Copy a film as it is encoded; trim_s: how much of its beginning is not to be shown."""
    with av.open(str(source)) as film, av.open(str(target), "w", options=options) as made:
        stream = film.streams.video[0]
        copied = made.add_stream_from_template(stream)
        for packet in film.demux(stream):
            if packet.pts is not None and packet.dts is not None:
                shift = round(trim_s / float(stream.time_base or 1))
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copied
                made.mux(packet)


def test_a_film_that_was_trimmed_and_not_encoded_anew_is_whole(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    write_film(tmp_path / "film.mp4", pictures)
    copy(tmp_path / "film.mp4", tmp_path / "cut.mp4", {"avoid_negative_ts": "disabled", "use_editlist": "1"}, 0.4)
    with av.open(str(tmp_path / "cut.mp4")) as film:
        assert film.streams.video[0].frames == 30
    assert len(list(read_film(tmp_path / "cut.mp4"))) == 20


def test_a_film_without_its_last_pictures_ends_early(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    write_film(tmp_path / "film.mp4", [noise.integers(0, 255, (120, 160, 3), np.uint8) for _ in range(30)])
    copy(tmp_path / "film.mp4", tmp_path / "short.mp4", {"movflags": "faststart"})
    whole = (tmp_path / "short.mp4").read_bytes()
    (tmp_path / "short.mp4").write_bytes(whole[: len(whole) * 9 // 10])
    with pytest.raises(InvalidArgument) as caught:
        list(read_film(tmp_path / "short.mp4"))
    assert caught.value.reason == "FILM_ENDS_EARLY"
