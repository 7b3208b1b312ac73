"""convoy track, without services."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import convoy.client
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
