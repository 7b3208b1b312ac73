"""Judges an anti-spoofing network by ISO/IEC 30107-3: how many attacks of each kind pass, how many people do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from convoy.core.manifest import GRAPH_FILE, Manifest, Task, load_manifest
from convoy.faces.classifiers import check_classifier, read_liveness
from tqdm import tqdm

from convoy_training.data.presentations import Presentation, list_presentations
from convoy_training.errors import RecipeError
from convoy_training.metrics.share import measure_share
from convoy_training.protocols.face_photos import FaceFinder, first_row
from convoy_training.protocols.subject import Outcome
from convoy_training.report.charts import Line, draw_lines
from convoy_training.report.page import Section
from convoy_training.session import open_onnx
from convoy_training.task import Metric, Predict

HIGHEST_APCER = (0.1, 0.05, 0.01)
"""Limits of the worst kind's APCER at which BPCER is given: ISO's BPCER10, BPCER20 and BPCER100."""


@dataclass(frozen=True)
class Presented:
    """A folder of presentations, the label that means a living person, and the liveness that a face must reach."""

    folder: Path
    live_label: str
    min_liveness: float


def judge_liveness(network: Path, detector: Path, presented: Presented) -> Outcome:
    """Judges one network on presentations, as the faces service runs it.

    APCER: the share of a kind of attack taken for a living person, and that of the worst kind; BPCER: the share of
    living people taken for an attack. A presentation in which no face is found has no score: it counts in APNRR and
    BPNRR, and in no other rate.
    """
    manifest, predict = _open(network, presented.live_label)
    finder = FaceFinder(detector)
    scores: dict[str | None, list[float | None]] = {}
    for one in tqdm(list_presentations(presented.folder), desc="presentations", disable=None):
        score = _score(one, finder, manifest, predict, presented.live_label)
        scores.setdefault(one.attack, []).append(score)
    live, attacks = scores.pop(None), {kind: values for kind, values in scores.items() if kind is not None}
    return _summarise(live, attacks, presented)


def _open(network: Path, live_label: str) -> tuple[Manifest, Predict]:
    manifest = load_manifest(network)
    if manifest.task is not Task.CLASSIFICATION:
        raise RecipeError(f"{network} does {manifest.task}; --protocol liveness is for classifiers of faces")
    check_classifier(manifest, live_label)
    return manifest, open_onnx(network / GRAPH_FILE, threads=1)


def _score(one: Presentation, finder: FaceFinder, manifest: Manifest, predict: Predict, label: str) -> float | None:
    """The liveness of the largest face; None if there is none."""
    faces = finder.find(one.decode(), classifiers=(manifest,))
    if not faces:
        return None
    [pixels] = faces[0].inputs
    return read_liveness([(first_row(predict(pixels[None])), manifest)], label)


def _summarise(
    live: Sequence[float | None], attacks: Mapping[str, Sequence[float | None]], presented: Presented
) -> Outcome:
    dataset, limit = str(presented.folder), presented.min_liveness
    condition = f"liveness of at least {limit:g}"
    answered = {kind: np.array([one for one in values if one is not None]) for kind, values in attacks.items()}
    people = np.array([one for one in live if one is not None])
    answered = {kind: values for kind, values in answered.items() if len(values)}
    metrics = [
        *(_metric("apcer", values >= limit, dataset, kind, condition) for kind, values in answered.items()),
        *_worst(answered, dataset, limit, condition),
        *([_metric("bpcer", people < limit, dataset, "live", condition)] if len(people) else []),
        *_trade(people, answered, dataset),
        *(_metric("apnrr", [one is None for one in v], dataset, k, "no face found") for k, v in attacks.items()),
        _metric("bpnrr", [one is None for one in live], dataset, "live", "no face found"),
    ]
    curves = [*_draw(people, answered)]
    chart = draw_lines(curves, "lowest liveness that is accepted", "error rate")
    note = "APCER of each kind of attack, and BPCER of living people, by ISO/IEC 30107-3."
    return Outcome(metrics, curves, [Section("Liveness", note, [chart])])


def _worst(answered: Mapping[str, np.ndarray], dataset: str, limit: float, condition: str) -> Iterator[Metric]:
    rates = {kind: float((values >= limit).mean()) for kind, values in answered.items()}
    if rates:
        kind = max(rates, key=lambda one: rates[one])
        trials = (answered[kind] >= limit).tolist()
        yield _metric("apcer_worst", trials, dataset, kind, condition)


def _trade(people: np.ndarray, answered: Mapping[str, np.ndarray], dataset: str) -> Iterator[Metric]:
    """BPCER at the lowest limit at which the worst kind's APCER is at most so much; only as few as can be counted."""
    kinds = [*answered.values()]
    if not kinds or not len(people):
        return
    for most in HIGHEST_APCER:
        if any(len(values) < 1 / most for values in kinds):
            continue
        # Above its (n - floor(n * most))th lowest score, at most that share of a kind passes.
        limit = max(float(np.sort(values)[::-1][int(len(values) * most)]) for values in kinds)
        trials = (people <= limit).tolist()
        condition = f"worst APCER at most {most:.0%}, liveness above {limit:.4f}"
        yield _metric(f"bpcer_{round(1 / most)}", trials, dataset, "live", condition)


def _draw(people: np.ndarray, answered: Mapping[str, np.ndarray]) -> Iterator[Line]:
    limits = np.linspace(0, 1, 201)
    for kind, values in answered.items():
        yield Line(f"APCER, {kind}", limits, (values[None] >= limits[:, None]).mean(axis=1))
    if len(people):
        yield Line("BPCER", limits, (people[None] < limits[:, None]).mean(axis=1))


def _metric(name: str, trials: Sequence[bool] | np.ndarray, dataset: str, split: str, condition: str) -> Metric:
    value, interval = measure_share([*trials])
    return Metric(name, value, dataset, split, len(trials), interval, condition)
