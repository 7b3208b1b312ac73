"""How often known people are missed as a gallery grows: what is expected of one photo, and what more photos bring.

    python -m benchmarks.gallery_growth exported_models/face-embedder/2

Expected against measured: the embedder is calibrated on one half of LFW's held-out people, and searches among the other
half, one photo each enrolled, at the threshold that follows from the wanted rate and the size.
Templates: everybody with four photos or more is enrolled with one, with three, and with three and their average; the
other photos are searched, and those of people with a single photo as strangers. The threshold follows from the wanted
rate and from the number of templates, averages included, by the calibration in the manifest. Photos are drawn anew
`--draws` times.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from convoy.core.manifest import GRAPH_FILE, load_manifest
from convoy.core.models.calibration import FalseMatchCurve, MissCurve
from convoy.recognition.domain.growth import Genuine, judge_size
from convoy.recognition.domain.thresholds import comparison_rate
from convoy_training.data import identities
from convoy_training.metrics.false_match import compare_strangers, fit_curve
from convoy_training.metrics.false_non_match import compare_mates, fit_misses
from convoy_training.session import open_onnx
from convoy_training.tasks.face_embedding import embed

RATES = (0.1, 0.05, 0.01)
ENROLLED = 3
Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def show_growth(vectors: Floats, labels: Labels) -> None:
    """Print the miss rate that one half of the people leads to expect, beside that of the other half."""
    print("| people enrolled | rate asked | expected misses | measured | strangers named |\n|---:|---:|---:|---:|---:|")
    people = np.random.default_rng(0).permutation(labels.max() + 1)
    halves = [np.isin(labels, people[half::2]) for half in (0, 1)]
    (known, known_labels), (others, other_labels) = [(vectors[half], renumber(labels[half])) for half in halves]
    fitted = fit_curve(compare_strangers(known, known_labels), samples=2)
    strangers = FalseMatchCurve(tuple(fitted.similarities), tuple(fitted.rates))
    misses = fit_misses(compare_mates(known, known_labels), samples=2)
    genuine = Genuine(MissCurve(tuple(misses.similarities), tuple(misses.rates)), 0, "one half")
    several = np.flatnonzero(np.bincount(other_labels) > 1)
    for size in (20, 60, len(several)):
        for rate in RATES:
            threshold = strangers.threshold(comparison_rate(rate, size))
            drawn = list(search_one(others, other_labels, several, size, threshold))
            missed, named = np.mean(drawn, axis=0)
            expected = judge_size(strangers, genuine, size, rate, 0.2).expected_miss_rate
            print(f"| {size} | {rate:g} | {expected:.3f} | {missed:.3f} | {named:.3f} |")


def search_one(
    vectors: Floats, labels: Labels, several: Labels, size: int, threshold: float, draws: int = 20
) -> Iterator[tuple[float, float]]:
    """Misses and false names with one photo each enrolled."""
    random = np.random.default_rng(0)
    strangers = vectors[np.bincount(labels)[labels] == 1]
    for _ in range(draws):
        people = random.choice(several, size, replace=False)
        enrolled = np.array([random.choice(np.flatnonzero(labels == person)) for person in people])
        probes = np.setdiff1d(np.flatnonzero(np.isin(labels, people)), enrolled)
        found = vectors[probes] @ vectors[enrolled].T
        right = (people[found.argmax(axis=1)] == labels[probes]) & (found.max(axis=1) >= threshold)
        yield 1 - right.mean(), float(((strangers @ vectors[enrolled].T).max(axis=1) >= threshold).mean())


def show_templates(vectors: Floats, labels: Labels, strangers: FalseMatchCurve, draws: int) -> None:
    """Print misses and false names by what is enrolled of each person."""
    random, people = np.random.default_rng(0), np.flatnonzero(np.bincount(labels) > ENROLLED)
    alone = vectors[np.bincount(labels)[labels] == 1]
    rows: dict[tuple[float, str], list[tuple[float, float]]] = {}
    for _ in range(draws):
        order = [random.permutation(np.flatnonzero(labels == person)) for person in people]
        enrolled = vectors[np.stack([photos[:ENROLLED] for photos in order])]
        mean = enrolled.mean(axis=1)
        mean /= np.linalg.norm(mean, axis=1, keepdims=True)
        with_mean = np.concatenate([enrolled, mean[:, None]], axis=1)
        probes = np.concatenate([photos[ENROLLED:] for photos in order])
        owners = np.repeat(np.arange(len(people)), [len(photos) - ENROLLED for photos in order])
        ways = {"one photo": enrolled[:, :1], "three photos": enrolled, "three and their average": with_mean}
        for way, templates in ways.items():
            known, unknown = (
                np.einsum("pd,nkd->pnk", probe, templates).max(axis=2) for probe in (vectors[probes], alone)
            )
            for rate in RATES:
                threshold = strangers.threshold(comparison_rate(rate, templates.shape[0] * templates.shape[1]))
                right = (known.argmax(axis=1) == owners) & (known.max(axis=1) >= threshold)
                named = float((unknown.max(axis=1) >= threshold).mean())
                rows.setdefault((rate, way), []).append((1 - right.mean(), named))
    print(
        f"\n{len(people)} people enrolled, {len(probes)} searches for them, {len(alone)} for strangers; {draws} draws\n"
    )
    print("| rate asked | enrolled | missed (sd of draws) | strangers named |\n|---:|---|---:|---:|")
    for (rate, way), drawn in rows.items():
        missed, named = np.mean(drawn, axis=0)
        print(f"| {rate:g} | {way} | {missed:.3f} ({np.std(drawn, axis=0)[0]:.3f}) | {named:.3f} |")
    for rate in RATES:
        gain = np.subtract(rows[rate, "three photos"], rows[rate, "three and their average"])[:, 0]
        print(f"at {rate:g} the average saves {gain.mean():.3f} (in {np.mean(gain > 0):.0%} of the draws)")


def show_sizes(model: Path) -> None:
    """Print the expected miss rate by size, and where a gallery is outgrown, as the status tells it."""
    table = load_manifest(model).calibration
    if table is None or table.genuine is None:
        raise SystemExit(f"{model} does not say how similar photos of one person are: convoy-train calibrate {model}")
    strangers = FalseMatchCurve(tuple(table.similarity), tuple(table.false_match_rate))
    mates = table.genuine
    genuine = Genuine(MissCurve(tuple(mates.similarity), tuple(mates.false_non_match_rate)), mates.pairs, mates.dataset)
    for rate in RATES:
        judged = {size: judge_size(strangers, genuine, size, rate, 0.2) for size in (10, 100, 1000, 10000)}
        shown = ", ".join(f"{size}: {one.expected_miss_rate:.2f}" for size, one in judged.items())
        print(f"{model}, rate {rate:g}: {shown}; above 0.2 from {judged[10].outgrown_at_faces} faces on")


def renumber(labels: Labels) -> Labels:
    """The same people, numbered from 0 without gaps."""
    return np.unique(labels, return_inverse=True)[1]


def main() -> None:
    """Measure one published embedder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a published face embedder: <model>/<version>")
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    show_sizes(options.model)
    faces = identities.load_faces(("lfw",), "validation")
    vectors = embed(open_onnx(options.model / GRAPH_FILE), faces.crops)
    show_growth(vectors, faces.labels)
    table = load_manifest(options.model).calibration
    assert table is not None
    curve = FalseMatchCurve(tuple(table.similarity), tuple(table.false_match_rate))
    show_templates(vectors, faces.labels, curve, options.draws)


if __name__ == "__main__":
    main()
