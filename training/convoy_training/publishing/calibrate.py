"""Measures how similar two strangers and two photos of one person are, on people whom the embedder has not seen.

Strangers are measured twice: in different photos, and in one photo.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from convoy.core.manifest import (
    GRAPH_FILE,
    Calibration,
    FalseMatches,
    GenuineCalibration,
    Manifest,
    Task,
    load_manifest,
)

from convoy_training.data import group_photos, identities
from convoy_training.errors import TrainingError
from convoy_training.metrics import same_photo
from convoy_training.metrics.false_match import COUNTED_PAIRS, Curve, Impostors, Tail, compare_strangers, fit_curve
from convoy_training.metrics.false_non_match import Mates, compare_mates, fit_misses
from convoy_training.metrics.same_photo import compare_group_faces, fit_same_photo
from convoy_training.publishing.card import write_card
from convoy_training.publishing.folder import republish
from convoy_training.recipe import Config as BaseConfig
from convoy_training.recipe_file import RECIPE_FILE, load_published, open_recipe
from convoy_training.session import open_onnx
from convoy_training.task import Predict
from convoy_training.tasks.face_embedding import VALIDATION_SETS, Config, embed, load_held_out

MATCH_RATE = 1e-2
"""The false-match rate at the default threshold: one pair of strangers in a hundred.

A caller can ask for a stricter rate; with embedders as small as ours that refuses half of the known faces.
"""


FEWEST_PAIRS = 20_000
"""The least number of pairs of strangers; with fewer, the tail model would be fitted to fewer than twenty pairs."""


FEWEST_MATES = 200
"""The least number of pairs of one person's photos; with fewer, a miss rate says nothing."""


def calibrate_model(folder: Path) -> Calibration:
    """Measures the published embedder in `folder`; its calibration and its match threshold go live together.

    The held-out people are those of its recipe. An imported embedder has no recipe; LFW and CelebA stand in for it.
    Raises TrainingError if there are too few strangers, or if somebody replaces the model meanwhile.
    """
    measured = load_published(folder)
    if measured.task is not Task.FACE_EMBEDDING:
        raise TrainingError(f"{folder} does {measured.task}: only a face embedder or a segmenter can be calibrated")
    calibration = calibrate(measured, folder, folder / GRAPH_FILE, _find_recipe(folder))

    def change(partial: Path) -> None:
        manifest = load_manifest(partial)
        if manifest.sha256 != measured.sha256:
            raise TrainingError(f"somebody replaced {folder} during the measurement: calibrate it again")
        manifest.calibration, manifest.thresholds.match = measured.calibration, measured.thresholds.match
        manifest.save(partial)
        write_card(manifest, partial)

    republish(folder, change)
    return calibration


def calibrate(manifest: Manifest, folder: Path, graph: Path, config: BaseConfig | None) -> Calibration:
    """Measures an embedder and puts calibration and match threshold into `manifest`, without saving it.

    folder: where it is published, or will be; graph: its file now; config: its recipe, if it has one. Raises
    TrainingError if there are too few strangers.
    """
    faces, titles = _load_strangers(config)
    vectors = embed(open_onnx(graph), faces.crops)
    impostors = compare_strangers(vectors, faces.labels)
    if (count := len(impostors.similarities)) < FEWEST_PAIRS:
        raise TrainingError(f"the held-out people make only {count:,} pairs of strangers: {FEWEST_PAIRS:,} are needed")
    curve = fit_curve(impostors)
    command = f"convoy-train calibrate {folder}"
    calibration = describe_curve(curve, impostors, titles, len(faces.labels), command)
    calibration.genuine = describe_mates(compare_mates(vectors, faces.labels), titles)
    calibration.same_photo = calibrate_same_photo(open_onnx(graph), command)
    manifest.calibration = calibration
    manifest.thresholds.match = round(find_similarity(curve, MATCH_RATE), 4)
    return calibration


def _find_recipe(folder: Path) -> BaseConfig | None:
    return open_recipe(folder)[1] if (folder / RECIPE_FILE).exists() else None


def _load_strangers(config: BaseConfig | None) -> tuple[identities.Faces, list[str]]:
    """The held-out faces and the titles of their data: the recipe's own people, or LFW and CelebA."""
    if isinstance(config, Config) and config.data:
        return next(load_held_out(config)).faces, [config.data.title]
    return identities.load_faces(tuple(VALIDATION_SETS), "validation"), list(VALIDATION_SETS.values())


def describe_curve(curve: Curve, impostors: Impostors, titles: Sequence[str], faces: int, command: str) -> Calibration:
    """Puts a curve into the form of the manifest."""
    return Calibration(
        dataset=" and ".join(titles),
        split=f"all pairs of {impostors.people} held-out people ({faces} faces)",
        impostor_pairs=len(impostors.similarities),
        similarity=[round(value, 5) for value in curve.similarities],
        false_match_rate=curve.rates,
        upper=[float(f"{value:.3g}") for value in curve.upper],
        tail_model=describe_tail(curve.tail),
        command=command,
    )


def describe_mates(mates: Mates, titles: Sequence[str]) -> GenuineCalibration | None:
    """Puts the similarities of one person's photos into the form of the manifest; None if there are too few pairs."""
    if len(mates.similarities) < FEWEST_MATES:
        return None
    curve, people = fit_misses(mates), len(np.unique(mates.person))
    return GenuineCalibration(
        dataset=" and ".join(titles),
        split=f"each photo against one other of its person, {people} held-out people",
        pairs=len(mates.similarities),
        similarity=[round(value, 5) for value in curve.similarities],
        false_non_match_rate=curve.rates,
        upper=[float(f"{value:.3g}") for value in curve.upper],
    )


def calibrate_same_photo(predict: Predict, command: str) -> FalseMatches | None:
    """Measures how often two people in one photo reach a similarity; None if the group photos are not there."""
    try:
        faces = group_photos.load_group_faces()
    except TrainingError as error:
        print(f"warning: pairs from one photo are not calibrated: {error}", file=sys.stderr)
        return None
    curve, pairs = fit_same_photo(compare_group_faces(embed(predict, faces.crops), faces.photos))
    return FalseMatches(
        dataset=group_photos.TITLE,
        split=f"all pairs within {pairs.people} held-out photos, faces of {group_photos.MIN_SIDE_PX} px and more",
        impostor_pairs=len(pairs.similarities),
        similarity=[round(value, 5) for value in curve.similarities],
        false_match_rate=curve.rates,
        upper=[float(f"{value:.3g}") for value in curve.upper],
        tail_model=describe_tail(curve.tail, same_photo.COUNTED_PAIRS, "photos"),
        command=command,
    )


def describe_tail(tail: Tail, counted_pairs: int = COUNTED_PAIRS, drawn: str = "people") -> str:
    """Describes the tail model with its numbers, so that anyone can compute with it."""
    return (
        f"generalised Pareto above similarity {tail.start:.4f} (the top {tail.share:.1e} of the pairs), scale "
        f"{tail.scale:.5f}, shape {tail.shape:.4f}, where fewer than {counted_pairs} pairs can be counted; "
        f"upper: 97.5 % quantile when {drawn} are resampled"
    )


def find_similarity(curve: Curve, rate: float) -> float:
    """The similarity at a false-match rate, interpolated in its logarithm."""
    return float(np.interp(-np.log(rate), -np.log(curve.rates), curve.similarities))
