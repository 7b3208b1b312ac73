"""Judges open-set search, who of K people or nobody, as the gallery grows (ISO/IEC 19795-1, NIST FRTE 1:N)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convoy_training.metrics.found import DRAWS as FOUND_DRAWS
from convoy_training.metrics.found import PHOTOS, choose_sizes, measure_found
from convoy_training.metrics.found import RATES as FOUND_RATES
from convoy_training.metrics.identification import (
    RATES,
    Searched,
    choose_gallery,
    measure_intervals,
    measure_search,
    search,
)
from convoy_training.protocols.subject import Judged, Outcome, group_faces
from convoy_training.report.charts import Line, draw_bars, draw_lines
from convoy_training.report.page import Section, Shot
from convoy_training.task import Metric

DRAWS = 5
"""How often a smaller gallery is drawn; the numbers of all draws are averaged."""

WORST = 8


def judge_search(judged: Judged, dataset: str) -> Outcome:
    """Enrols one photo each of K people, and searches their other photos and those of people with a single photo."""
    labels = judged.faces.labels
    found = judge_known(judged.vectors, labels, dataset)
    enrolled = choose_gallery(labels)
    metrics, curves = _judge_growth(judged, enrolled, dataset)
    probes = np.setdiff1d(np.arange(len(labels)), enrolled)
    searched = search(judged.vectors, labels, enrolled, probes)
    by_group, charts = _judge_groups(judged, searched, probes, dataset)
    chart = draw_lines([Line(c.label.split(":")[1].strip(), c.x, c.y) for c in curves], "people in the gallery", "rate",
                       log_x=True)  # fmt: skip
    note = "One photo a person is enrolled. Strangers are the held-out people with a single photo."
    sections = [
        *found.sections,
        Section(f"{dataset}: search as the gallery grows", note, [chart]),
        Section(f"{dataset}: search by quality and pose of the probe", "Largest gallery.", [charts]),
        Section(f"{dataset}: failures", "Left the probe, right the nearest template.",
                shots=show_failures(judged, searched, enrolled, probes)),
    ]  # fmt: skip
    return Outcome([*found.metrics, *metrics, *by_group], [*found.curves, *curves], sections)


def judge_known(vectors: NDArray[np.floating], labels: NDArray[np.integer], dataset: str) -> Outcome:
    """Counts known people found in galleries of the sizes that the held-out people allow."""
    metrics, lines = judge_found(vectors, labels, dataset)
    return Outcome(metrics, lines, [_show_found(lines, dataset)])


def judge_found(
    vectors: NDArray[np.floating], labels: NDArray[np.integer], dataset: str, sizes: Sequence[int] = ()
) -> tuple[list[Metric], list[Line]]:
    """Counts known people found at each share of strangers named, for each size of the gallery that the data allows."""
    allowed, strangers = choose_sizes(len(np.unique(labels)))
    metrics: list[Metric] = []
    lines: list[Line] = []
    for photos in PHOTOS:
        measured = [one for size in sizes or allowed
                    if (one := measure_found(vectors, labels, size, photos, strangers))]  # fmt: skip
        for found in measured:
            condition = (
                f"{found.people} people enrolled, {photos} {'photo' if photos == 1 else 'photos'} each of those "
                f"searched for, {found.strangers} strangers with {found.stranger_photos} photos, mean of "
                f"{FOUND_DRAWS} draws; interval by galleries and people"
            )
            metrics += [
                Metric(_name(rate), share, dataset, "held-out people", found.probes, found.intervals[rate], condition)
                for rate, share in found.shares.items()
            ]
        for rate in FOUND_RATES:
            told = [found for found in measured if rate in found.shares]
            label = f"{dataset}: found at {rate:.1%} of strangers named, {photos} enrolled"
            x, y = ([found.people for found in told], [found.shares[rate] for found in told])
            lines += [Line(label, np.array(x), np.array(y))] if told else []
    return metrics, lines


def _name(rate: float) -> str:
    return f"found_at_fpir_{rate:.0e}".replace("e-0", "e-")


def _show_found(lines: Sequence[Line], dataset: str) -> Section:
    note = (
        "The share of searches for known people that name the right person. Only people with four photos or more are "
        "searched for, which judges one photo and three by the same searches. Whoever is not enrolled is a stranger."
    )
    if not lines:
        return Section(f"{dataset}: known people found", "There are too few people for a gallery and strangers.")
    shown = [Line(line.label.split(": ")[1], line.x, line.y) for line in lines]
    chart = draw_lines(shown, "people in the gallery", "found", log_x=True)
    return Section(f"{dataset}: known people found", note, [chart])


def _judge_growth(judged: Judged, enrolled: NDArray[np.integer], dataset: str) -> tuple[list[Metric], list[Line]]:
    labels, random = judged.faces.labels, np.random.default_rng(0)
    strangers = np.flatnonzero(np.bincount(labels)[labels] == 1)
    others = np.setdiff1d(np.flatnonzero(np.bincount(labels)[labels] > 1), enrolled)
    sizes = [size for size in (10, 30, 100, 300, 1000, 3000) if size < len(enrolled)] + [len(enrolled)]
    metrics: list[Metric] = []
    table: dict[str, list[float]] = {}
    for size in sizes:
        drawn, everybody = [], size == len(enrolled)
        for _ in range(1 if everybody else DRAWS):
            gallery = np.sort(random.choice(enrolled, size, replace=False))
            known = others[np.isin(labels[others], labels[gallery])]
            searched = search(judged.vectors, labels, gallery, np.concatenate([known, strangers]))
            drawn.append(measure_search(searched))
        intervals = measure_intervals(searched) if everybody else {}
        condition = f"{size} people enrolled, {len(strangers)} strangers"
        condition += "; interval by people" if everybody else f", mean of {DRAWS} draws"
        for name in drawn[0]:
            value = float(np.mean([values[name] for values in drawn]))
            table.setdefault(name, []).append(value)
            split, count = "held-out people, one photo each enrolled", len(known) + len(strangers)
            metrics.append(Metric(name, value, dataset, split, count, intervals.get(name), condition))
    return metrics, [Line(f"{dataset}: {name}", np.array(sizes), np.array(v)) for name, v in table.items()]


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
        interval = measure_intervals(searched, chosen)["fnir_at_fpir_1e-1"]
        metrics.append(Metric("fnir_at_fpir_1e-1", value, dataset, "held-out people, one photo each enrolled",
                              len(known), interval, f"probes of {name}; interval by people"))  # fmt: skip
        names.append(f"{name} ({len(known)})")
        values.append(value)
    return metrics, draw_bars(names, values, "FNIR at FPIR 0.1")


def show_failures(
    judged: Judged, searched: Searched, enrolled: NDArray[np.integer], probes: NDArray[np.integer]
) -> list[Shot]:
    """The known people most surely taken for somebody else, then the strangers most surely taken for somebody."""
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
