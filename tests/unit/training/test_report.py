"""A report is one whole file that shows what went wrong, and nothing of the data where that is not wanted."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from convoy_training.data import identities, masks
from convoy_training.data.cifar import Split
from convoy_training.data.photo import Photo
from convoy_training.publishing.card import show_chart
from convoy_training.report import face_embedding, segmentation
from convoy_training.report.boxes import match
from convoy_training.report.charts import Line, draw_bars, draw_histograms, draw_lines, draw_matrix, draw_smoothed
from convoy_training.report.classification import show_worst
from convoy_training.report.curves import read_curves
from convoy_training.report.page import Section, Shot, write_charts, write_report
from convoy_training.task import Metric
from convoy_training.tasks.segmentation import Config as SegmentationConfig
from PIL import Image

PICTURE = np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8)
METRIC = Metric("top1_accuracy", 0.9, "<data>", "validation", 1200, (0.88, 0.92))


def test_a_report_is_one_file_with_charts_and_pictures(tmp_path: Path) -> None:
    chart = draw_lines([Line("a", np.arange(9), np.arange(9) ** 2)], "recall", "precision")
    sections = [Section("Curves", "Read me.", [chart]), Section("Mistakes", "", shots=[Shot("a cat", PICTURE)])]
    write_report(tmp_path / "r.html", "model", {"seed": 0}, [METRIC], sections)
    text = (tmp_path / "r.html").read_text()
    assert "<svg" in text and "data:image/jpeg;base64," in text and "1,200" in text and "0.8800 to 0.9200" in text
    assert "&lt;data&gt;" in text and not re.search(r'(src|href)="(?!data:|#)', text.replace("xlink:href", "href"))
    write_report(tmp_path / "r.html", "model", {"seed": 0}, [METRIC], sections, pictures=False)
    text = (tmp_path / "r.html").read_text()
    assert "<svg" in text and "data:image" not in text and "Mistakes" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_a_card_shows_the_charts_that_lie_beside_it_and_says_how_to_read_them(tmp_path: Path) -> None:
    chart = draw_matrix(np.array([[5, 1], [0, 7]]), ["cat", "dog"], "who")
    shown = Section("Cats & dogs", "Below.", [chart, chart], card="Rows < columns.")
    (tmp_path / "old.svg").write_text("<svg/>")
    write_charts(tmp_path, [Section("Not for the card", "", [chart]), shown])
    assert [file.name for file in tmp_path.iterdir()] == ["cats-dogs.svg"]
    assert show_chart(tmp_path / "cats-dogs.svg") == "**Cats & dogs.** Rows < columns.\n\n![Cats & dogs](cats-dogs.svg)"
    svg = (tmp_path / "cats-dogs.svg").read_text()
    # The first thing drawn is a white background: the text is black in dark mode too.
    assert svg.count("<svg") == 1 and "fill: #ffffff" in svg[: svg.index("cat</text>")]


def test_a_published_model_keeps_the_curves_of_its_training(tmp_path: Path) -> None:
    curve, other = (draw_lines([Line(name, np.arange(3), np.arange(3))], "step", name) for name in ("loss", "IoU"))
    assert read_curves(tmp_path) == []
    training = Section("Training", "By step.", [curve, curve])
    for sections in ([training, Section("Overlap", "", [other])], [Section("Overlap", "", [other]), training]):
        write_report(tmp_path / "report.html", "model", {}, [METRIC], sections)
        assert read_curves(tmp_path) == [curve, curve]
    write_report(tmp_path / "report.html", "model", {}, [METRIC], [Section("Overlap", "", [other])])
    assert read_curves(tmp_path) == []


def test_the_same_numbers_give_the_same_chart() -> None:
    def draw() -> list[str]:
        x = np.linspace(0, 1, 2000)
        return [
            draw_lines([Line("p", x, x**2), Line("q", x, x**3)], "x", "y", log_x=True, log_y=True, steps=True),
            draw_smoothed(x, np.sin(9 * x), "step", "loss"),
            draw_matrix(np.array([[5, 1], [0, 7]]), ["cat", "dog"], "who"),
            draw_bars(["cat", "dog"], [0.5, float("nan")], "IoU"),
            draw_histograms([("a", x), ("b", x + 1)], "similarity"),
        ]

    first, second = draw(), draw()
    assert first == second and all(chart.startswith("<svg") and len(chart) < 60_000 for chart in first)
    assert "cat" in first[2] and "0.500" in first[3]
    assert len(re.findall(r">\d+</text>", first[2])) == 3  # of four cells, the empty one stays so


def test_the_surest_mistakes_come_first() -> None:
    found = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.99, 0.01]])
    shots = show_worst(Split(np.stack([PICTURE] * 4), np.array([0, 0, 0, 1]), ("cat", "dog")), found)
    assert [shot.caption for shot in shots] == [
        "picture 3: dog, taken for cat with 0.990",
        "picture 1: cat, taken for dog with 0.800",
        "picture 2: cat, taken for dog with 0.600",
    ]  # fmt: skip


def test_charts_stand_a_thousand_classes_and_any_script() -> None:
    names = ["猫", "собака", "คน", *(f"class {i}" for i in range(997))]
    counts = np.eye(1000, dtype=int)
    matrix = draw_matrix(counts, names, "answers")
    lines = draw_lines([Line(name, np.arange(3), np.arange(3)) for name in names], "recall", "precision")
    bars = draw_bars(names, np.linspace(0, 1, 1000).tolist(), "IoU")
    for chart in (matrix, lines, bars):
        width, height = (float(side) for side in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', chart).groups())
        assert max(width, height) < 1000 and len(chart) < 1_500_000
    assert "猫" in draw_matrix(np.eye(3, dtype=int), names[:3], "answers")
    assert "960 more" in bars and "980 more" in lines


def test_boxes_are_matched_once_each_the_surest_first() -> None:
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10]])
    found = np.array([[0, 0, 10, 9], [1, 0, 10, 10], [21, 0, 30, 10], [50, 50, 60, 60]])
    matches = match(found, truth)
    assert matches.of_found.tolist() == [0, -1, 1, -1] and matches.truth_found.all()
    assert match(found, np.zeros((0, 4))).of_found.tolist() == [-1] * 4
    assert not match(np.zeros((0, 4)), truth).truth_found.any()


def test_error_rates_at_a_threshold_by_hand() -> None:
    genuine, impostor = np.array([0.5, 0.8]), np.array([0.1, 0.5, 0.2, 0.0])
    matched, missed = face_embedding.count_errors(genuine, impostor, np.array([0.0, 0.5, 0.6]))
    assert matched.tolist() == [1.0, 0.25, 0.0] and missed.tolist() == [0.0, 0.0, 0.5]


def test_a_quality_that_knows_the_errors_empties_them_and_a_random_one_does_not() -> None:
    genuine = np.linspace(0, 1, 200)
    perfect = face_embedding.measure_misses(genuine, genuine, 0.25)
    random = face_embedding.measure_misses(genuine, np.random.default_rng(0).random(200), 0.25)
    assert perfect[0] == random[0] == 0.25 and perfect[-1] == 0.0
    assert (np.diff(perfect) <= 0).all() and random[-1] > 0.15


def test_the_worst_pairs_of_either_kind_are_shown() -> None:
    crops = np.stack([np.full((4, 4, 3), value, np.uint8) for value in range(4)])
    faces = identities.Faces(crops, np.array([0, 0, 1, 1]), ("a", "b"), ("",) * 4)
    pairs = identities.Pairs(np.array([0, 2, 0]), np.array([1, 3, 2]), np.array([True, True, False]), np.zeros(3, int))
    shots = face_embedding.show_pairs(faces, pairs, np.array([0.9, 0.3, 0.6]), same=True)
    assert [shot.caption[-5:] for shot in shots] == ["0.300", "0.900"] and shots[0].image_rgb[0, :, 0].tolist()[
        3:5
    ] == [2, 3]


def test_the_worst_frames_of_a_segmenter(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.zeros((32, 32), np.uint8)
    truth[:, 16:] = 1
    files = {}
    for name, pixels in (("a.png", PICTURE), ("mask.png", truth)):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        files[name] = file.getvalue()
    frame = masks.Example(Photo(files, "a.png", 32, 32), "mask.png", masks.number_ids(("road", "sky"))[1])
    data = masks.Split([frame, frame], ("road", "sky"), np.array([1024, 1024]))
    monkeypatch.setattr(segmentation, "load_split", lambda config, split: data)
    monkeypatch.setattr(segmentation, "find_masks", lambda predict, config, split: [truth, np.zeros_like(truth)])
    fields = {"name": "s", "task": "segmentation", "epochs": 1, "batch_size": 1, "optimizer": {"lr": 1}}
    config = SegmentationConfig.model_validate({**fields, "data": {"path": "x", "title": "t"}})
    overlap, confusions, worst = segmentation.review(lambda images: {}, config, "validation")
    assert "0.667" in overlap.charts[0] and "road" in confusions.charts[0]
    assert [shot.caption[:21] for shot in worst.shots] == ["a.png, mean IoU 0.250", "a.png, mean IoU 1.000"]
    assert worst.shots[0].image_rgb.shape == (32, 96, 3)
