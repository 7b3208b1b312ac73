import numpy as np
import pytest
from convoy_training.metrics import accuracy, precision
from convoy_training.metrics.accuracy import measure_answers
from convoy_training.metrics.bootstrap import bootstrap, find_interval
from convoy_training.metrics.overlap import count_pixels, measure_accuracy, measure_iou, measure_mean_iou
from convoy_training.metrics.precision import Boxes, measure_average_precision, measure_intervals


def test_iou_by_hand() -> None:
    truth, found = np.array([[0, 0, 1], [1, 2, 9]], np.uint8), np.array([[0, 1, 1], [1, 0, 2]], np.uint8)
    counts = count_pixels(found, truth, classes=4, ignore=9)
    np.testing.assert_allclose(measure_iou(counts), [1 / 3, 2 / 3, 0, np.nan])
    assert measure_mean_iou(counts) == pytest.approx(1 / 3)
    assert measure_accuracy(counts) == pytest.approx(3 / 5)


def test_the_bootstrap_of_a_mean_is_what_the_central_limit_gives() -> None:
    values = np.random.default_rng(1).normal(5, 2, 400)
    draws: list[tuple[float, float]] = []

    def measure(rows: np.ndarray) -> dict[str, float]:
        draws.append((float(values[rows].mean()), float(values[rows].max())))
        return dict(zip(("mean", "largest"), draws[-1], strict=True))

    intervals = bootstrap(measure, 400)
    half = 1.96 * values.std() / np.sqrt(400)
    assert intervals["mean"] == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    assert intervals["largest"][1] == values.max()  # nothing larger can be drawn
    assert len(draws) == 1000 and intervals["mean"] == find_interval(np.array(draws)[:, 0])  # one pass for both
    assert bootstrap(measure, 400) == intervals


def test_groups_are_drawn_each_by_itself() -> None:
    def measure(few: np.ndarray, many: np.ndarray) -> dict[str, float]:
        assert len(few) == 3 and len(many) == 50 and few.max() < 3
        return {"difference": float(many.mean() - few.mean())}

    low, high = bootstrap(measure, 3, 50)["difference"]
    assert low < 24.5 - 1 < high


def test_a_number_that_some_draws_leave_undefined_has_the_interval_of_the_others() -> None:
    assert find_interval(np.array([np.nan, 2.0, 2.0])) == (2.0, 2.0)
    assert np.isnan(find_interval(np.array([np.nan]))).all()


def test_wilson_interval_of_a_published_example() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
    assert accuracy.measure_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def picture(*boxes: tuple[float, ...], labels: list[int], scores: list[float] | None = None) -> Boxes:
    return Boxes(np.array(boxes, float).reshape(-1, 4), np.array(labels), None if scores is None else np.array(scores))


def test_a_classifier_is_measured_class_by_class() -> None:
    classes, labels = ("a", "b", "c", "d", "e", "f", "none"), np.array([0, 0, 0, 1, 1, 2, 3, 4, 5, 5])
    first = np.array([0, 0, 1, 1, 1, 0, 3, 4, 5, 6])
    probabilities = np.full((10, 7), 0.01)
    probabilities[np.arange(10), first] = 0.5
    probabilities[2, 0] = probabilities[9, 5] = 0.3
    probabilities[5, [1, 3, 4, 5, 6]] = 0.2
    measured = measure_answers(probabilities, first, labels, classes)
    assert measured["top1_accuracy"].value == 0.7 and measured["top1_accuracy"].n == 10
    assert measured["top5_accuracy"].value == 0.9
    recalls = {name: one.value for name, one in measured.items() if name.startswith("recall_")}
    assert recalls == {"recall_a": 2 / 3, "recall_b": 1, "recall_c": 0, "recall_d": 1, "recall_e": 1, "recall_f": 0.5}
    assert measured["recall_a"].n == 3
    each = [f1_score(labels == n, first == n) for n in range(6)]
    assert measured["macro_f1"].value == pytest.approx(np.mean(each))
    low, high = measured["macro_f1"].interval
    assert low < measured["macro_f1"].value < high


def f1_score(truth: np.ndarray, found: np.ndarray) -> float:
    """By its definition: the harmonic mean of precision and recall."""
    hits = int((truth & found).sum())
    precision, recall = hits / max(1, found.sum()), hits / max(1, truth.sum())
    return 2 * precision * recall / (precision + recall) if hits else 0.0


def test_average_precision_of_perfect_half_and_no_detections() -> None:
    truth = [picture((0, 0, 10, 10), (20, 20, 40, 40), labels=[0, 1]), picture((5, 5, 15, 15), labels=[0])]
    perfect = [
        picture((0, 0, 10, 10), (20, 20, 40, 40), labels=[0, 1], scores=[0.9, 0.8]),
        picture((5, 5, 15, 15), labels=[0], scores=[0.7]),
    ]
    assert measure_average_precision(perfect, truth, ("a", "b"))["map_50_95"] == pytest.approx(1.0)
    half = [perfect[0], picture(labels=[], scores=[])]
    values = measure_average_precision(half, truth, ("a", "b"))
    # Recall 0.5 at precision 1: COCO's 101 recall points up to it, 51 of them.
    assert values["ap_50_a"] == pytest.approx(51 / 101) and values["ap_50_b"] == pytest.approx(1.0)
    nothing = [picture(labels=[], scores=[])] * 2
    assert measure_average_precision(nothing, truth, ("a", "b"))["map_50"] == 0.0


def test_pictures_drawn_anew_are_measured_as_pycocotools_measures_them() -> None:
    random, truth, found = np.random.default_rng(0), [], []
    for _ in range(12):
        near = random.uniform(0, 80, (6, 2))
        there = np.concatenate([near, near + random.uniform(10, 20, (6, 2))], axis=1)
        seen = there[random.random(6) < 0.7] + random.uniform(-2, 2, 4)
        boxes = np.concatenate([seen, seen[:2], there[:1] + 50])
        # Few different scores, as an INT8 graph gives them, so that the order of equals counts.
        scores = np.round(random.random(len(boxes)), 1)
        truth.append(Boxes(there, random.integers(0, 2, 6), ignored=random.random(6) < 0.2))
        found.append(Boxes(boxes, random.integers(0, 2, len(boxes)), scores))
    evaluation = precision.evaluate_boxes(found, truth, ("a", "b", "never"))
    curves = []

    def keep(curve: np.ndarray) -> dict[str, float]:
        curves.append(curve)
        return {"mean": float(curve.mean())}

    precision.resample_pictures(evaluation, keep, samples=20)
    pictures, draws = evaluation.evalImgs, np.random.default_rng(0)
    for curve in curves:
        rows = draws.integers(0, 12, 12)
        evaluation.evalImgs = [pictures[start + row] for start in range(0, len(pictures), 12) for row in rows]
        evaluation.accumulate()
        np.testing.assert_allclose(curve, precision.read_precision(evaluation), atol=1e-12)
    assert len(curves) == 20 and (curves[0][..., 2] == -1).all() and 0.05 < curves[0][0, :, 0].mean() < 0.95


def test_the_interval_of_average_precision_is_that_of_pictures_drawn_anew() -> None:
    truth = [picture((0, 0, 10, 10), labels=[0]) for _ in range(20)]
    found = [picture((0, 0, 10, 10), labels=[0], scores=[0.9]) for _ in range(20)]
    assert measure_intervals(found, truth, ("a",))["map_50"] == (1.0, 1.0)
    for i in range(0, 20, 2):
        found[i] = picture(labels=[], scores=[])  # half of the cells are missed
    low, high = measure_intervals(found, truth, ("a",))["ap_50_a"]
    # Of 20 pictures drawn, 6 to 14 have their cell found in 95 of 100 draws: 20 * 0.5 +- 1.96 * sqrt(20 * 0.25).
    assert low == pytest.approx(0.3, abs=0.06) and high == pytest.approx(0.7, abs=0.06)
    assert measure_intervals(found, truth, ("a",))["ap_50_a"] == (low, high)
