"""Tracks over real services, and the command that follows a film."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from convoy.client import Convoy, plans
from convoy.client.films import read_film
from convoy.core.errors import InvalidArgument
from convoy.fleet import Fleet
from convoy.testing.films import write_film
from convoy.testing.pictures import group, plain, with_box

HIDDEN = range(12, 20)


def bright(place: int) -> np.ndarray:
    """A bright rectangle that moves to the right, but is not there for eight pictures."""
    if place in HIDDEN:
        return plain(width=160, height=120)
    return with_box((10 + 3 * place, 40, 40 + 3 * place, 80))


def test_objects_keep_their_number_until_a_cut(convoy: Convoy) -> None:
    film = [bright(place) for place in range(30)]
    answers = list(
        convoy.stream(plans.tracked(plans.detect(one), after_cut=place == 25) for place, one in enumerate(film))
    )
    numbers = [[found.track_id for found in answer] for answer in answers]
    assert numbers == [[] if place in HIDDEN else [1 if place < 25 else 2] for place in range(30)]


def test_pictures_of_another_size_do_not_end_a_track(convoy: Convoy) -> None:
    film = [bright(place) if place % 2 else bright(place).repeat(2, 0).repeat(2, 1) for place in range(8)]
    answers = list(convoy.stream(plans.tracked(plans.detect(one)) for one in film))
    assert [[found.track_id for found in answer] for answer in answers] == [[1]] * 8


def test_an_object_below_the_threshold_continues_a_track_and_begins_none(convoy: Convoy) -> None:
    film = [bright(place) for place in range(4)]  # The tiny detector gives 0.9.
    high, low = (lambda one: plans.detect(one, detection_threshold=0.95)), plans.detect
    asked = [plan(one) for plan, one in zip((high, low, high, high), film, strict=True)]
    answers = list(convoy.stream(map(plans.tracked, asked)))
    assert [[found.track_id for found in answer] for answer in answers] == [[], [1], [1], [1]]
    without = list(convoy.stream(asked))
    assert [len(answer) for answer in without] == [0, 1, 0, 0]


def test_a_bad_picture_in_between_ends_no_track(convoy: Convoy) -> None:
    first, second, third = convoy.stream(
        plans.tracked(plans.detect(one)) for one in (bright(0), b"no picture", bright(1))
    )
    assert isinstance(second, InvalidArgument)
    assert [found.track_id for answer in (first, third) for found in answer] == [1, 1]


def test_faces_keep_their_number_until_a_cut(convoy: Convoy) -> None:
    answers = list(
        convoy.stream(plans.tracked(plans.embed_faces(group([1, 2])), after_cut=place == 3) for place in range(5))
    )
    assert [[face.track_id for face in answer] for answer in answers] == [[1, 2]] * 3 + [[3, 4]] * 2
    assert [face.track_id for face in convoy.embed_faces(group([1, 2]))] == [0, 0]


def test_what_has_no_tracks_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="has no tracks"):
        plans.tracked(plans.classify(plain()))


def follow(fleet: Fleet, *words: str | Path) -> "subprocess.CompletedProcess[str]":
    addresses = {f"CONVOY_{service.upper()}_ADDRESS": address for service, address in fleet.addresses.items()}
    command = [sys.executable, "-m", "convoy.cli", "track", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=os.environ | addresses)


def test_the_command_follows_a_film(fleet: Fleet, tmp_path: Path) -> None:
    film, out, boxes = tmp_path / "film.mp4", tmp_path / "out.mp4", tmp_path / "boxes.txt"
    # A cut to a bright room, where the detector finds the dark rectangle.
    after = [with_box((60, 40, 90, 80), 10).clip(0, 199) for _ in range(10)]
    write_film(film, [*(bright(place) for place in range(30)), *(np.where(one == 120, 190, one) for one in after)])
    done = follow(fleet, film, "--draw", out, "--mot", boxes, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["pictures"] == 40
    assert [(one["track_id"], one["label"], one["pictures"]) for one in document["tracks"]] == [
        (1, "bright", 22),
        (2, "dark", 10),
    ]
    rows = [row.split(",") for row in boxes.read_text().splitlines()]
    assert len(rows) == 32 and rows[0][:2] == ["1", "1"] and float(rows[0][2]) == pytest.approx(10, abs=2)
    drawn = list(read_film(out))
    assert len(drawn) == 40 and drawn[0].image_rgb.shape == (120, 160, 3)
    assert np.abs(drawn[5].image_rgb.astype(int) - bright(5)).max() > 60, "nothing is drawn"
    again = follow(fleet, film, "--draw", out)
    assert again.returncode == 2 and "is there already" in again.stderr


def test_the_command_follows_a_film_that_changes_its_size(fleet: Fleet, tmp_path: Path) -> None:
    film, out = tmp_path / "film.ts", tmp_path / "out.mp4"
    write_film(tmp_path / "large.ts", [bright(place).repeat(2, 0).repeat(2, 1) for place in range(6)])
    write_film(tmp_path / "small.ts", [bright(place) for place in range(6, 12)])
    film.write_bytes((tmp_path / "large.ts").read_bytes() + (tmp_path / "small.ts").read_bytes())
    assert {frame.image_rgb.shape for frame in read_film(film)} == {(240, 320, 3), (120, 160, 3)}
    done = follow(fleet, film, "--draw", out, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [(one["track_id"], one["pictures"]) for one in document["tracks"]] == [(1, document["pictures"])]
    assert {frame.image_rgb.shape for frame in read_film(out)} == {(240, 320, 3)}


def test_the_command_tells_what_it_saw_of_a_film_that_ends_early(fleet: Fleet, tmp_path: Path) -> None:
    film, out, random = tmp_path / "film.mkv", tmp_path / "out.mp4", np.random.default_rng(0)
    # Noise gives every picture about as many bytes.
    noise = random.integers(0, 9, (60, 120, 160, 3), np.uint8)
    write_film(film, [bright(place % 12).clip(0, 240) + noise[place] for place in range(60)])
    whole = film.read_bytes()
    film.write_bytes(whole[: len(whole) // 2])
    done = follow(fleet, film, "--draw", out, "--json")
    assert done.returncode == 2 and "ends after" in done.stderr
    document = json.loads(done.stdout)
    assert 10 < document["pictures"] < 50 and document["tracks"][0]["label"] == "bright"
    assert len(list(read_film(out))) == document["pictures"]
