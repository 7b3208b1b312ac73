"""Tracks on films whose truth is known, judged by py-motmetrics."""

import motmetrics
import numpy as np
import pytest
from convoy.core.pictures.tracking import LOST_AFTER, MOST_OBJECTS, MOST_TRACKS, Tracks
from convoy.testing.films import Found, Truth, imperfect_detections, moving_rectangles

EXTENT = np.array([640, 360, 640, 360])


def follow(found: list[Found], threshold: float = 0.5) -> list[list[int]]:
    tracks = Tracks()
    return [
        tracks.follow(one.boxes_xyxy / EXTENT, ["it"] * len(one.scores), (one.scores >= threshold).tolist())
        for one in found
    ]


def judge(film: Truth, found: list[Found], numbers: list[list[int]]) -> dict[str, float]:
    """MOTA, IDF1 and switches of identity. Rectangles that are hidden by half are nobody's fault."""
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for truth, one, given in zip(film, found, numbers, strict=True):
        seen = [rectangle for rectangle in truth if rectangle.visible >= 0.5]
        tracked = [row for row, number in enumerate(given) if number]
        boxes = np.array([rectangle.box_xyxy for rectangle in seen]).reshape(-1, 4)
        guesses = one.boxes_xyxy[tracked]
        accumulator.update(
            [rectangle.identity for rectangle in seen], [given[row] for row in tracked], distances(boxes, guesses)
        )
    summary = motmetrics.metrics.create().compute(accumulator, metrics=["mota", "idf1", "num_switches"])
    return {name: float(summary[name].iloc[0]) for name in summary}


def distances(boxes: np.ndarray, guesses: np.ndarray) -> np.ndarray:
    """1 - IoU, NaN from 0.5 on. The library's own function needs NumPy 1."""
    top = np.maximum(boxes[:, None, :2], guesses[None, :, :2])
    bottom = np.minimum(boxes[:, None, 2:], guesses[None, :, 2:])
    shared = np.prod(np.clip(bottom - top, 0, None), 2)
    areas = [np.prod(some[:, 2:] - some[:, :2], 1) for some in (boxes, guesses)]
    apart = 1 - shared / (areas[0][:, None] + areas[1][None] - shared)
    return np.where(apart < 0.5, apart, np.nan)


@pytest.fixture(scope="module")
def film() -> Truth:
    return moving_rectangles(8, 250, seed=1)


@pytest.fixture(scope="module")
def found(film: Truth) -> list[Found]:
    return imperfect_detections(film, seed=2)


def test_identities_stay_through_faults_and_occlusion(film: Truth, found: list[Found]) -> None:
    assert min(one.visible for picture in film for one in picture) < 0.2, "the film hides nothing"
    judged = judge(film, found, follow(found))
    assert judged["mota"] > 0.9 and judged["idf1"] > 0.9
    assert judged["num_switches"] <= 5
    by_place = judge(film, found, [list(range(1, len(one.scores) + 1)) for one in found])
    assert by_place["idf1"] < judged["idf1"] - 0.15


def test_objects_that_are_less_sure_are_what_keeps_tracks(film: Truth, found: list[Found]) -> None:
    sure = [Found(one.boxes_xyxy[one.scores >= 0.7], one.scores[one.scores >= 0.7]) for one in found]
    assert judge(film, sure, follow(sure))["mota"] < judge(film, found, follow(found, 0.7))["mota"] - 0.02


def one_object(pictures: int, hidden: range, step: float = 0.005) -> list[list[int]]:
    tracks, numbers = Tracks(), []
    for picture in range(pictures):
        boxes = [] if picture in hidden else [(0.1 + step * picture, 0.4, 0.2 + step * picture, 0.6)]
        numbers.append(tracks.follow(np.array(boxes), ["it"] * len(boxes), [True] * len(boxes)))
    return numbers


def test_an_object_keeps_its_number_through_a_short_time_without_it() -> None:
    assert one_object(60, range(20, 20 + LOST_AFTER - 5))[-1] == [1]


def test_a_track_ends_when_its_object_stays_away() -> None:
    assert one_object(90, range(20, 20 + 2 * LOST_AFTER))[-1] == [2]


def test_no_track_goes_on_after_a_cut() -> None:
    tracks, box = Tracks(), np.array([[0.1, 0.1, 0.3, 0.3]])
    before = [tracks.follow(box, ["it"], [True]) for _ in range(3)]
    after = [tracks.follow(box, ["it"], [True], after_cut=place == 0) for place in range(3)]
    assert before == [[1]] * 3 and after == [[2]] * 3


def test_a_track_keeps_its_label() -> None:
    tracks, box = Tracks(), np.array([[0.1, 0.1, 0.3, 0.3]])
    assert [tracks.follow(box, [label], [True]) for label in ("car", "car", "bus", "car")] == [[1], [1], [2], [1]]


def test_an_object_that_is_less_sure_begins_no_track() -> None:
    tracks, box = Tracks(), np.array([[0.1, 0.1, 0.3, 0.3]])
    sure = (False, True, False, True)
    assert [tracks.follow(box, ["it"], [one]) for one in sure] == [[0], [1], [1], [1]]


def test_edges_that_are_no_numbers_have_no_track() -> None:
    boxes = np.array([[np.nan, 0.1, 0.3, 0.3], [0.5, 0.5, np.inf, 0.9], [0.1, 0.1, 0.3, 0.3]])
    assert Tracks().follow(boxes, ["it"] * 3, [True] * 3) == [0, 0, 1]


def test_a_stream_without_end_keeps_little() -> None:
    tracks = Tracks()
    for picture in range(3000):
        edge = (picture % 2) * 0.7
        tracks.follow(np.array([[edge, edge, edge + 0.1, edge + 0.1]]), [str(picture % 7)], [True], picture % 50 == 0)
    assert len(tracks._numbers) < 200 and len(tracks._trackers) <= 7


def scattered(random: np.random.Generator, count: int) -> np.ndarray:
    corners = random.random((count, 2)) * 0.98
    return np.concatenate([corners, corners + 0.01], axis=1)


def test_only_the_first_objects_of_a_picture_are_followed() -> None:
    boxes = scattered(np.random.default_rng(0), 3 * MOST_OBJECTS)
    numbers = Tracks().follow(boxes, ["it"] * len(boxes), [True] * len(boxes))
    assert all(numbers[:MOST_OBJECTS]) and not any(numbers[MOST_OBJECTS:])


def test_no_track_begins_while_very_many_last() -> None:
    tracks, random, box = Tracks(), np.random.default_rng(0), np.array([[0.1, 0.1, 0.3, 0.3]])
    (first,) = tracks.follow(box, ["one"], [True])
    for _ in range(8):  # each picture shows others
        boxes = np.concatenate([box, scattered(random, MOST_OBJECTS - 1)])
        numbers = tracks.follow(boxes, ["one", *["it"] * (MOST_OBJECTS - 1)], [True] * MOST_OBJECTS)
    assert numbers[0] == first
    assert max(numbers) < MOST_TRACKS + MOST_OBJECTS and sum(map(bool, numbers)) < MOST_OBJECTS / 2


@pytest.mark.parametrize(
    "edges", [(0.1, 0.5, 0.3, 0.5), (0.0, 0.1, 0.0, 0.5), (0.0, 0.0, 0.0, 0.0), (0.5, 0.5, 0.1, 0.1)]
)
def test_a_box_without_an_area_has_no_track(edges: tuple[float, ...]) -> None:
    """Such as one that lies outside the picture and is cut at its edge."""
    tracks, boxes = Tracks(), np.array([edges, (0.6, 0.6, 0.8, 0.8)])
    assert [tracks.follow(boxes, ["it"] * 2, [True] * 2) for _ in range(3)] == [[0, 1]] * 3
