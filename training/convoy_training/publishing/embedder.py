"""Makes an embedder of a classifier: the same network without its last layer, published with a calibration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from convoy.core.manifest import Calibration, Manifest

from convoy_training.errors import TrainingError
from convoy_training.evaluation import Subject
from convoy_training.explanation.network import open_classifier
from convoy_training.metrics.false_match import compare_strangers, fit_curve
from convoy_training.origin import Origin
from convoy_training.publishing.calibrate import MATCH_RATE, describe_tail, find_similarity
from convoy_training.publishing.publication import publish_model
from convoy_training.task import find_task
from convoy_training.tasks.embedding import Config, choose, embed

COMPARED = 1000
"""Pictures whose pairs are compared for the calibration."""
FEWEST_PAIRS = 20_000
NOTES = """## What it is for

It turns a picture into numbers that are similar for pictures of the same kind of thing, for collections of things:
`convoy gallery create parts --model {name}`. It is the classifier {source} without its last layer; nothing was trained.

## Where it fails

- It was measured on classes that the classifier was trained on. What is none of them may look alike to it.
- It tells kinds of things apart, not one thing from another of its kind.
- Its calibration says how often pictures of two of these classes reach a similarity; with other things, measure again.
"""


def publish_embedder(target: Path, name: str, models: Path, *, replace: bool = False) -> Path:
    """Publishes what the classifier in `target`, a run or a published version, computes before its last layer.

    Returns the new folder. Raises TrainingError if it is no classifier that ends in a fully connected layer.
    """
    opened = open_classifier(target)
    fields = opened.config.model_dump() | {"name": name, "version": "1", "task": "embedding"}
    config = Config.model_validate(fields)
    origin = Origin(
        recipe=str(target), command=f"convoy-train embedder {target} --name {name}",
        notes=NOTES.format(name=name, source=f"{opened.config.name}/{opened.config.version}"),
    )  # fmt: skip
    return publish_model(find_task("embedding"), config, opened.model, models, origin, replace=replace)


def calibrate_embedder(manifest: Manifest, published: Subject) -> None:
    """Measures how often pictures of two classes reach a similarity; puts it and a match threshold into `manifest`.

    Raises TrainingError if there are too few pairs.
    """
    config = published.config.model_copy(update={"measured": min(published.config.measured, COMPARED)})
    images, labels, _ = choose(config, "validation")
    strangers = compare_strangers(embed(published.predict, config, images), labels)
    if (count := len(strangers.similarities)) < FEWEST_PAIRS:
        raise TrainingError(f"the pictures make only {count:,} pairs of two classes: {FEWEST_PAIRS:,} are needed")
    curve = fit_curve(strangers)
    manifest.calibration = Calibration(
        dataset=config.data.title,
        split=f"validation, all pairs of two of {len(np.unique(labels))} classes ({len(labels)} pictures)",
        impostor_pairs=count,
        similarity=[round(value, 5) for value in curve.similarities],
        false_match_rate=curve.rates,
        upper=[float(f"{value:.3g}") for value in curve.upper],
        tail_model=describe_tail(curve.tail, drawn="classes"),
        command=f"convoy-train embedder {manifest.training.recipe} --name {manifest.name}",
    )
    manifest.thresholds.match = round(find_similarity(curve, MATCH_RATE), 4)
