"""The protocols for face embedders, on made-up faces whose answers can be worked out by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository
from convoy_training.cli import app
from convoy_training.data.identities import Faces, Pairs
from convoy_training.data.own_people import load_own_pairs, read_pairs
from convoy_training.errors import LabelError, RecipeError
from convoy_training.metrics.resampling import Comparisons, Resampled, compare_all, measure_rates
from convoy_training.metrics.verification import find_threshold, measure_equal_error_rate
from convoy_training.protocols.identification import judge_search
from convoy_training.protocols.subject import Judged, group_faces
from convoy_training.protocols.verification import judge_all_pairs, judge_listed_pairs
from typer.testing import CliRunner


def make_judged(counts: list[int], noise: float = 0.6, seed: int = 0) -> Judged:
    """So many faces of each person, around a direction of their own."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    vectors = random.normal(size=(len(counts), 32))[labels] + noise * random.normal(size=(len(labels), 32))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    crops = random.integers(0, 256, (len(labels), 112, 112, 3)).astype(np.uint8)
    files = tuple(f"lfw/{label}/{row}.jpg" for row, label in enumerate(labels))
    faces = Faces(crops, labels, tuple(map(str, range(len(counts)))), files)
    return Judged(faces, vectors, random.random(len(labels)), np.tile([1.0, 0.6, 0.2], len(labels))[: len(labels)])


def test_true_match_rates_by_hand() -> None:
    similarities = np.array([0.9, 0.5, 0.2, 0.6, 0.4, 0.3, 0.1], np.float32)
    first, second = np.array([0, 1, 2, 0, 0, 1, 2]), np.array([0, 1, 2, 1, 2, 2, 3])
    rates = [rate for rate, _ in measure_rates(Comparisons(similarities, first, second, first == second), (0.25, 0.5))]
    assert [rate.true_match_rate for rate in rates] == pytest.approx([2 / 3, 2 / 3])
    assert rates[0].threshold > 0.4 and rates[1].threshold < 0.4
    # One pair of four is the least that can be counted.
    assert not [*measure_rates(Comparisons(similarities, first, second, first == second), (0.1,))]


def test_people_drawn_twice_are_pairs_counted_as_often() -> None:
    judged = make_judged([5] * 30, noise=1.4)
    vectors, labels = judged.vectors, judged.faces.labels
    people = np.random.default_rng(0).integers(0, 30, 30)
    draw = Resampled(compare_all(vectors, labels)).draw(people)
    # The same by copying faces: two copies of a person are two people, whose pairs with each other are left out.
    rows = np.concatenate([np.flatnonzero(labels == person) for person in people])
    copies = np.repeat(np.arange(30), 5)
    first, second = np.triu_indices(len(rows), 1)
    similarities = (vectors[rows] @ vectors[rows].T)[first, second]
    impostors = similarities[labels[rows][first] != labels[rows][second]]
    genuine = similarities[copies[first] == copies[second]]
    for rate in (0.9, 0.3, 1e-2, 1e-3):
        threshold = draw.find_threshold(rate)
        assert threshold == pytest.approx(find_threshold(impostors, rate), abs=1e-6)
        assert draw.measure_true_match_rate(threshold) == pytest.approx(np.mean(genuine >= threshold - 1e-6), abs=1e-3)
    # Looked at between genuine pairs only: a step is a pair of whom was drawn most.
    step = np.bincount(people).max() / len(genuine)
    error = measure_equal_error_rate(genuine, impostors)
    assert error > 5 * step and draw.measure_equal_error_rate() == pytest.approx(error, abs=step)


def test_intervals_by_people_are_wider_than_by_pairs() -> None:
    judged = make_judged([30] * 12, noise=1.4)
    pairs = compare_all(judged.vectors, judged.faces.labels)
    (rate, count), *_ = measure_rates(pairs, (1e-2,))
    assert count == 360 * 359 // 2
    low, high = rate.interval
    assert low < rate.true_match_rate < high
    binomial = 4 * np.sqrt(rate.true_match_rate * (1 - rate.true_match_rate) / pairs.same.sum())
    assert high - low > 2 * binomial


def test_listed_pairs_give_accuracy_rates_and_pictures() -> None:
    judged = make_judged([2] * 40, noise=0.1)
    same, different = np.arange(0, 80, 2), np.roll(np.arange(0, 80, 2), 1)
    first = np.concatenate([same, same])
    second = np.concatenate([same + 1, different])
    pairs = Pairs(first, second, np.repeat([True, False], 40), np.tile(np.arange(10), 8))
    outcome = judge_listed_pairs(judged.faces, judged.vectors, pairs, "made up", "test")
    values = {metric.name: metric.value for metric in outcome.metrics}
    assert values["pair_accuracy"] == 1.0 and values["equal_error_rate"] == 0.0 and "tar_at_far_1e-2" not in values
    assert len(outcome.sections[1].shots) == 16 and "<svg" in outcome.sections[0].charts[0]
    (roc,) = outcome.to_dict()["curves"].values()
    assert len(roc["x"]) == len(roc["y"]) and roc["x"] == sorted(roc["x"]) and roc["y"] == sorted(roc["y"])
    faceless = np.zeros(80, bool)
    faceless[0] = True
    outcome = judge_listed_pairs(judged.faces, judged.vectors, pairs, "made up", "test", faceless)
    assert outcome.metrics[0].value == pytest.approx(79 / 80)


def test_all_pairs_are_judged_by_quality_and_pose() -> None:
    outcome = judge_all_pairs(make_judged([6] * 40), "made up")
    rates = [metric for metric in outcome.metrics if metric.name.startswith("tar_at_far")]
    assert [metric.name for metric in rates] == ["tar_at_far_1e-2", "tar_at_far_1e-3", "tar_at_far_1e-4"]
    assert all(metric.interval and metric.interval[0] <= metric.value <= metric.interval[1] for metric in rates)
    groups = [metric for metric in outcome.metrics if metric.name == "fnmr_at_fmr_1e-3"]
    assert len(groups) == 6 and any("in profile" in group.condition for group in groups)
    for metric in [*groups, next(m for m in outcome.metrics if m.name == "equal_error_rate")]:
        assert metric.interval and metric.interval[0] <= metric.value <= metric.interval[1] > metric.interval[0]


def test_groups_cover_every_face_once() -> None:
    quality, frontality = np.random.default_rng(0).random((2, 300))
    masks = group_faces(quality, frontality)
    for kind in ("quality", "pose"):
        assert (sum(mask.astype(int) for name, mask in masks.items() if name.startswith(kind)) == 1).all()


def test_a_growing_gallery_makes_search_no_easier() -> None:
    outcome = judge_search(make_judged([4] * 120 + [1] * 60, noise=1.2), "made up")
    curves = {line.label: line for line in outcome.curves}
    ranks, misses = curves["made up: rank_1"], curves["made up: fnir_at_fpir_1e-1"]
    assert ranks.x.tolist() == [10, 30, 100, 120]
    assert ranks.y[0] > ranks.y[-1] and misses.y[0] < misses.y[-1]
    largest = [m for m in outcome.metrics if m.name == "rank_1" and m.interval]
    assert len(largest) == 1 and largest[0].interval[0] < largest[0].value < largest[0].interval[1]
    assert len(outcome.sections[-1].shots) == 16
    groups = [m for m in outcome.metrics if m.condition.startswith("probes of")]
    assert len(groups) == 6 and all(m.interval and m.interval[0] <= m.value <= m.interval[1] for m in groups)


@pytest.mark.parametrize(
    ("text", "where"),
    [("a.jpg b.jpg 2\n", ":1"), ("1 2\nAnn 1 2\n", ":1"), ("Ann 1 2\nBob x Cy 1", ":2"), ("Ann 1 2\n", "two")],
)
def test_a_wrong_list_is_refused_with_its_line(tmp_path: Path, text: str, where: str) -> None:
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(LabelError, match=where):
        read_pairs(tmp_path / "pairs.txt")


def test_lists_of_both_kinds_are_read(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("2 1\nAnn 1 2\nAnn 1 Bob 3\nCy 1 2\nCy 2 Bob 1\n")
    listed, fold = read_pairs(tmp_path / "pairs.txt")
    assert (listed[1].first, listed[1].second, listed[1].same) == ("Ann/Ann_0001.jpg", "Bob/Bob_0003.jpg", False)
    assert fold.tolist() == [0, 0, 1, 1]
    (tmp_path / "own.txt").write_text("x/a.jpg x/b.jpg 1\nx/a.jpg y/c.jpg 0\n" * 4)
    listed, fold = read_pairs(tmp_path / "own.txt")
    assert len(listed) == 8 and [pair.same for pair in listed[:2]] == [True, False]
    assert all((fold[::2] == f).any() == (fold[1::2] == f).any() for f in range(4))


def test_own_photos_are_found_aligned_and_named(tmp_path: Path) -> None:
    repository = write_repository(tmp_path / "models")
    (tmp_path / "ann").mkdir()
    for name, pixels in (
        ("ann/1.png", pictures.portrait(1)),
        ("ann/2.png", pictures.portrait(1, noise=5)),
        ("nobody.png", pictures.plain()),
    ):
        (tmp_path / name).write_bytes(pictures.encode(pixels, ".png"))
    cut = np.full((112, 112, 3), 77, np.uint8)
    (tmp_path / "cut.jpg").write_bytes(simplejpeg.encode_jpeg(cut))
    (tmp_path / "pairs.txt").write_text("ann/1.png ann/2.png 1\nann/1.png nobody.png 0\ncut.jpg ann/2.png 0\n")
    faces, pairs, faceless = load_own_pairs(tmp_path / "pairs.txt", tmp_path, repository / "face-detector-nano/1")
    assert faces.files == ("ann/1.png", "ann/2.png", "cut.jpg", "nobody.png")
    assert faceless.tolist() == [False, False, False, True]
    assert faces.labels[0] == faces.labels[1] != faces.labels[2]
    np.testing.assert_allclose(faces.crops[2], cut, atol=3)
    assert pairs.same.tolist() == [True, False, False] and pairs.first.tolist() == [0, 0, 2]
    (tmp_path / "pairs.txt").write_text("ann/1.png ann/9.png 1\nann/1.png cut.jpg 0\n")
    with pytest.raises(LabelError, match=r"9\.png"):
        load_own_pairs(tmp_path / "pairs.txt", tmp_path, repository / "face-detector-nano/1")


def test_the_command_judges_an_embedder_without_a_recipe(tmp_path: Path) -> None:
    repository = write_repository(tmp_path / "models")
    for person in range(4):
        (tmp_path / str(person)).mkdir()
        for photo in (1, 2):
            pixels = pictures.portrait(person, noise=10 * person + photo)
            (tmp_path / f"{person}/{photo}.png").write_bytes(pictures.encode(pixels, ".png"))
    lines = [f"{p}/1.png {p}/2.png 1\n{p}/1.png {(p + 1) % 4}/2.png 0\n" for p in range(4)]
    (tmp_path / "pairs.txt").write_text("".join(lines))
    command = ["evaluate", str(repository / "face-embedder/1"), "--protocol", "lfw", "--images", str(tmp_path)]
    command += ["--pairs", str(tmp_path / "pairs.txt"), "--detector", str(repository / "face-detector-nano/1")]
    done = CliRunner().invoke(app, [*command, "--json", "--report", str(tmp_path / "faces.html")])
    assert done.exit_code == 0, done.output
    (answer,) = json.loads(done.stdout)["models"].values()
    assert {m["name"]: m["value"] for m in answer["metrics"]} == {"pair_accuracy": 1.0, "equal_error_rate": 0.0}
    page = (tmp_path / "faces.html").read_text()
    assert "worst pairs" in page and "data:image/jpeg" in page
    with pytest.raises(RecipeError, match="face embedders"):
        CliRunner().invoke(
            app, ["evaluate", str(repository / "bccd-yolo/1"), "--protocol", "lfw"], catch_exceptions=False
        )
