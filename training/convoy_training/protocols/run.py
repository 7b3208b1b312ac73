"""Runs a protocol by its name on the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from convoy_training.choices import Protocol
from convoy_training.data import identities
from convoy_training.data.group_photos import load_group_faces
from convoy_training.data.own_people import load_own_pairs
from convoy_training.errors import RecipeError
from convoy_training.protocols.enrolment import judge_enrolment
from convoy_training.protocols.face_photos import FaceFinder, Models
from convoy_training.protocols.identification import judge_known, judge_search
from convoy_training.protocols.liveness import Presented, judge_liveness
from convoy_training.protocols.same_photo import judge_same_photo
from convoy_training.protocols.size import judge_sizes
from convoy_training.protocols.subject import Outcome, judge_faces, open_embedder
from convoy_training.protocols.verification import judge_all_pairs, judge_listed_pairs
from convoy_training.task import Predict
from convoy_training.tasks.face_embedding import VALIDATION_SETS, embed

WITH_PHOTOS: dict[str, Callable[[FaceFinder], Outcome]] = {"size": judge_sizes, "enrolment": judge_enrolment}
"""Protocols that show photos to a face detector and a face embedder together."""


@dataclass(frozen=True)
class OwnPairs:
    """Your own list of pairs, the folder of its photos, and the detector that finds the faces in them."""

    list_file: Path
    images: Path
    detector: Path


@dataclass(frozen=True)
class Beside:
    """The models that a protocol takes beside the one that it measures."""

    detector: Path
    embedder: Path


def run_protocol(
    target: Path, protocol: Protocol, beside: Beside, own: OwnPairs | None = None, presented: Presented | None = None
) -> Outcome:
    """Measures a model on people that training did not see, or on your `own` pairs.

    Raises RecipeError for own pairs with a protocol that takes none, and for a model that it does not measure.
    """
    if protocol == "liveness":
        if presented is None:
            raise RecipeError("--images: name the folder with live/ and attack/<kind>/")
        return judge_liveness(target, beside.detector, presented)
    if protocol in WITH_PHOTOS:
        if own:
            raise RecipeError(f"--pairs: {protocol} takes no pairs; use --protocol pairs or lfw")
        models = Models.choose(target, beside.detector, beside.embedder)
        return WITH_PHOTOS[protocol](FaceFinder(models.detector, models.embedder))
    predict = open_embedder(target)
    if own:
        if protocol not in ("lfw", "pairs"):
            raise RecipeError("--pairs: pairs are neither a search nor group photos; use --protocol pairs or lfw")
        return judge_own_pairs(predict, own)
    if protocol == "same-photo":
        return judge_same_photo(predict, load_group_faces())
    if protocol == "identification":
        few = identities.load_faces(("celeba",), "validation")
        found = judge_known(embed(predict, few.crops), few.labels, VALIDATION_SETS["celeba"])
        return join([judge_search(judge_faces(predict, "lfw"), VALIDATION_SETS["lfw"]), found])
    if protocol == "lfw":
        return judge_official_pairs(predict, "lfw")
    every = [judge_all_pairs(judge_faces(predict, dataset), title) for dataset, title in VALIDATION_SETS.items()]
    return join([judge_official_pairs(predict, "celeba"), *every])


def judge_official_pairs(predict: Predict, dataset: str) -> Outcome:
    """Judges by the pairs that come with a dataset, in their folds."""
    faces, pairs = identities.load_pairs(dataset)
    return judge_listed_pairs(faces, embed(predict, faces.crops), pairs, VALIDATION_SETS[dataset], "held-out pairs")


def judge_own_pairs(predict: Predict, own: OwnPairs) -> Outcome:
    """Judges by your own pairs; photos without a face count in the result."""
    faces, pairs, faceless = load_own_pairs(own.list_file, own.images, own.detector)
    split = f"{len(faces.files)} photos" + (f", {faceless.sum()} of them without a face" if faceless.any() else "")
    vectors = embed(predict, faces.crops)
    return judge_listed_pairs(faces, vectors, pairs, own.list_file.name, split, faceless)


def join(outcomes: Sequence[Outcome]) -> Outcome:
    """Joins several outcomes into one, in their order."""
    return Outcome(
        [metric for outcome in outcomes for metric in outcome.metrics],
        [curve for outcome in outcomes for curve in outcome.curves],
        [section for outcome in outcomes for section in outcome.sections],
    )
