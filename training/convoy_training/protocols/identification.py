"""Who is this, among K people or nobody: open-set search as the gallery grows (ISO/IEC 19795-1, NIST FRTE 1:N)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from convoy_training.metrics.verification import find_threshold
from convoy_training.protocols.subject import Judged, Outcome, group_faces
from convoy_training.recipe import Metric
from convoy_training.report.charts import Line, draw_bars, draw_lines
from convoy_training.report.page import Section, Shot

RATES = (1e-1, 1e-2)
DRAWS = 5
"""Smaller galleries are drawn so often, and their numbers averaged."""

WORST = 8


@dataclass(frozen=True)
class Searched:
    """The best template of every probe [N]: its row in the gallery, its similarity, and whether it is the right person.

    known: whether the probe's person is in the gallery; person: who the probe is.
    """

    nearest: NDArray[np.int64]
    best: NDArray[np.float32]
    right: NDArray[np.bool_]
    known: NDArray[np.bool_]
    person: NDArray[np.int64]

    def rank_one(self, probes: NDArray[np.integer]) -> float:
        """The share of these probes of known people whose nearest template is their own."""
        return float(np.mean(self.right[probes]))

    def miss_rate(self, known: NDArray[np.integer], strangers: NDArray[np.integer], rate: float) -> float:
        """FNIR of known probes at the threshold that at most `rate` of the strangers' searches reach."""
        threshold = find_threshold(self.best[strangers], rate)
        return float(np.mean(~(self.right[known] & (self.best[known] >= threshold))))


def judge_search(judged: Judged, dataset: str) -> Outcome:
    """One photo each of K people is enrolled; their other photos and people with one photo alone are searched."""
    labels = judged.faces.labels
    first = np.unique(labels, return_index=True)[1]
    enrolled = first[np.bincount(labels)[labels[first]] > 1]
    metrics, curves = _judge_growth(judged, enrolled, dataset)
    probes = np.setdiff1d(np.arange(len(labels)), enrolled)
    searched = search(judged, enrolled, probes)
    by_group, charts = _judge_groups(judged, searched, probes, dataset)
    chart = draw_lines([Line(c.label.split(":")[1].strip(), c.x, c.y) for c in curves], "people in the gallery", "rate",
                       log_x=True)  # fmt: skip
    note = "One photo a person is enrolled. Strangers are the held-out people with a single photo."
    sections = [
        Section(f"{dataset}: search as the gallery grows", note, [chart]),
        Section(f"{dataset}: search by quality and pose of the probe", "Largest gallery.", [charts]),
        Section(f"{dataset}: failures", "Left the probe, right the nearest template.",
                shots=show_failures(judged, searched, enrolled, probes)),
    ]  # fmt: skip
    return Outcome([*metrics, *by_group], curves, sections)


def search(judged: Judged, enrolled: NDArray[np.integer], probes: NDArray[np.integer]) -> Searched:
    """Find the nearest of the enrolled faces for every probe; both are rows of `judged`."""
    labels = judged.faces.labels
    similarities = judged.vectors[probes] @ judged.vectors[enrolled].T
    nearest = similarities.argmax(axis=1)
    known = np.isin(labels[probes], labels[enrolled])
    right = labels[enrolled][nearest] == labels[probes]
    return Searched(nearest, similarities.max(axis=1), right, known, labels[probes])


def _judge_growth(judged: Judged, enrolled: NDArray[np.integer], dataset: str) -> tuple[list[Metric], list[Line]]:
    labels, random = judged.faces.labels, np.random.default_rng(0)
    strangers = np.flatnonzero(np.bincount(labels)[labels] == 1)
    others = np.setdiff1d(np.flatnonzero(np.bincount(labels)[labels] > 1), enrolled)
    sizes = [size for size in (10, 30, 100, 300, 1000, 3000) if size < len(enrolled)] + [len(enrolled)]
    metrics: list[Metric] = []
    table: dict[str, list[float]] = {}
    for size in sizes:
        values: dict[str, list[tuple[float, tuple[float, float]]]] = {}
        for _ in range(DRAWS if size < len(enrolled) else 1):
            gallery = np.sort(random.choice(enrolled, size, replace=False))
            known = others[np.isin(labels[others], labels[gallery])]
            searched = search(judged, gallery, np.concatenate([known, strangers]))
            for name, measure in _list_measures(searched).items():
                interval = _resample(searched, measure) if size == len(enrolled) else (np.nan, np.nan)
                everything = np.flatnonzero(searched.known), np.flatnonzero(~searched.known)
                values.setdefault(name, []).append((measure(*everything), interval))
        for name, drawn in values.items():
            value = float(np.mean([v for v, _ in drawn]))
            table.setdefault(name, []).append(value)
            interval = drawn[0][1] if size == len(enrolled) else None
            condition = f"{size} people enrolled, {len(strangers)} strangers" + (
                "" if interval else f", mean of {DRAWS} draws"
            )
            split = "held-out people, one photo each enrolled"
            metrics.append(Metric(name, value, dataset, split, len(known) + len(strangers), interval, condition))
    return metrics, [Line(f"{dataset}: {name}", np.array(sizes), np.array(v)) for name, v in table.items()]


Measure = Callable[[NDArray[np.integer], NDArray[np.integer]], float]


def _list_measures(searched: Searched) -> dict[str, Measure]:
    measures: dict[str, Measure] = {"rank_1": lambda known, strangers: searched.rank_one(known)}
    for rate in RATES:
        name = f"fnir_at_fpir_{rate:.0e}".replace("e-0", "e-")
        measures[name] = partial(searched.miss_rate, rate=rate)
    return measures


def _resample(searched: Searched, measure: Measure, samples: int = 200) -> tuple[float, float]:
    """The 95 % interval when the people searched for, and the strangers, are drawn again."""
    random = np.random.default_rng(0)
    known, strangers = np.flatnonzero(searched.known), np.flatnonzero(~searched.known)
    people = np.unique(searched.person[known])
    rows = {person: known[searched.person[known] == person] for person in people}
    values = []
    for _ in range(samples):
        drawn = np.concatenate([rows[person] for person in random.choice(people, len(people))])
        values.append(measure(drawn, random.choice(strangers, len(strangers))))
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _judge_groups(
    judged: Judged, searched: Searched, probes: NDArray[np.integer], dataset: str
) -> tuple[list[Metric], str]:
    strangers = np.flatnonzero(~searched.known)
    metrics, names, values = [], [], []
    for name, chosen in group_faces(judged.quality[probes], judged.frontality[probes]).items():
        known = np.flatnonzero(chosen & searched.known)
        if not len(known):
            continue
        value = searched.miss_rate(known, strangers, RATES[0])
        metrics.append(Metric("fnir_at_fpir_1e-1", value, dataset, "held-out people, one photo each enrolled",
                              len(known), condition=f"probes of {name}"))  # fmt: skip
        names.append(f"{name} ({len(known)})")
        values.append(value)
    return metrics, draw_bars(names, values, "FNIR at FPIR 0.1")


def show_failures(
    judged: Judged, searched: Searched, enrolled: NDArray[np.integer], probes: NDArray[np.integer]
) -> list[Shot]:
    """Known people most surely taken for somebody else, then strangers most surely taken for somebody."""
    crops, shots = judged.faces.crops, []
    for kind, wrong in (
        ("taken for another", searched.known & ~searched.right),
        ("a stranger, taken for somebody", ~searched.known),
    ):
        rows = np.flatnonzero(wrong)
        for row in rows[np.argsort(-searched.best[rows], kind="stable")][:WORST]:
            pair = np.hstack([crops[probes[row]], crops[enrolled[searched.nearest[row]]]])
            shots.append(Shot(f"{kind}, similarity {searched.best[row]:.3f}", pair))
    return shots
