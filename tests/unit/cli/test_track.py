"""convoy track, without services."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import convoy.client
import motmetrics
import numpy as np
import pytest
from convoy.cli import track
from convoy.client import films, plans
from convoy.client.films import Frame


class FarAhead:
    """A stream that sends all pictures before the first answer, as one of small pictures may."""

    def __enter__(self) -> "FarAhead":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def stream(self, operations: Iterator[Any]) -> Iterator[int]:
        return iter([one.request.images[0].raw.width for one in operations])


def test_each_answer_belongs_to_its_picture_however_far_ahead_they_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    film = [Frame(number, number / 25, np.zeros((1, number + 1, 3), np.uint8)) for number in range(200)]
    monkeypatch.setattr(films, "read_film", lambda path: iter(film))
    monkeypatch.setattr(convoy.client, "Convoy", FarAhead)
    answers = list(track._answers(Path("film.mp4"), lambda frame: plans.detect(frame.image_rgb)))
    assert [(frame.number + 1, answer) for frame, answer in answers] == [(width, width) for width in range(1, 201)]


@pytest.mark.filterwarnings("ignore:Operation with tuple")  # of py-motmetrics with pandas 3
def test_pixels_of_motchallenge_count_from_1(tmp_path: Path) -> None:
    """The corner of the picture is 1, 1 in the text of MOTChallenge, whose own reader takes 1 away."""
    box = SimpleNamespace(x_min=0.0, y_min=20.0, width=30.0, height=40.0)
    found = SimpleNamespace(box=box, track_id=7, score=0.5)
    with ExitStack() as stack:
        writer = track._Writers(stack, tmp_path / "film.mp4", None, tmp_path / "boxes.txt")
        writer.write(Frame(0, 0.0, np.zeros((60, 60, 3), np.uint8)), [found])
    read = motmetrics.io.loadtxt(tmp_path / "boxes.txt", fmt="mot15-2D")
    assert read.index.tolist() == [(1, 7)]
    assert read.iloc[0][["X", "Y", "Width", "Height"]].tolist() == [0, 20, 30, 40]
