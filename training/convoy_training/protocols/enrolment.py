"""Judges what `Register` takes for a person's photo: portraits, turned or covered ones, pictures without a face."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import numpy as np
from convoy.core.pictures.decoding import Pixels
from convoy.core.settings import Settings
from convoy.faces.judging import JudgedFace
from convoy.faces.task import Options
from convoy.recognition.domain.found_faces import Box, EmbeddedFace, FoundFace, Point, Quality
from convoy.recognition.domain.pictures import DetectionOptions
from convoy.recognition.use_cases.photo_rules import Demands, Verdict, judge_photo
from tqdm import tqdm

from convoy_training.augment.occluders import KINDS as OCCLUDERS
from convoy_training.augment.occluders import cover
from convoy_training.data.faceless_kinds import enlarge, load_faceless
from convoy_training.data.identities import Split
from convoy_training.metrics.share import measure_share
from convoy_training.protocols.face_photos import FaceFinder
from convoy_training.protocols.portraits import read_portraits, show, whole
from convoy_training.protocols.size import is_same
from convoy_training.protocols.subject import Outcome
from convoy_training.report.page import Section, Shot
from convoy_training.task import Metric

PORTRAITS, EACH_KIND = 400, 36
"""How many portraits, and pictures of each kind without a face, are judged."""
TURNED = {30: 60, 45: 60, 60: 200, 180: 200}
"""By how many degrees portraits are turned, and how many of them."""
COVERED = 100
"""How many portraits are covered, by each occluder."""
UPRIGHT_DEGREES = 45
"""From here on a turned face must not be accepted; below, it may be."""
SHARE = 0.8
"""The portrait's share of the frame when it is turned; its face has about half of that."""
MOST_SHOTS = 32
PEOPLE, FACELESS = "LFW and CelebA", "pictures without a face"


class Desk:
    """Where photos are registered, by the rules and the default settings of recognition."""

    def __init__(self, finder: FaceFinder) -> None:
        settings = Settings()
        self._finder = finder
        floors = settings.quality_floor, settings.face_score_floor, settings.face_likeness_floor
        # The photos of LFW show bystanders too.
        self._demands = Demands(*floors, use_largest_face=True)

    def judge(self, image_rgb: Pixels) -> Verdict:
        """What becomes of this photo [H,W,3], sent to `Register` with use_largest_face."""
        return self.judge_found(lambda any_angle: self._finder.find(image_rgb, Options(any_angle=any_angle)))

    def judge_found(self, find: Callable[[bool], Sequence[JudgedFace]]) -> Verdict:
        """The same of a photo whose faces `find` finds: at any angle or not."""

        async def look(options: DetectionOptions) -> list[EmbeddedFace]:
            return [*map(_face, find(options.any_angle))]

        return asyncio.run(judge_photo(look, self._demands))


def judge_enrolment(finder: FaceFinder, split: Split = "validation") -> Outcome:
    """The shares of portraits refused; of turned, covered and other ones accepted; found right at any angle."""
    desk, shots = Desk(finder), []
    portraits = {"portraits": [enlarge(one) for one in read_portraits(split, PORTRAITS)]}
    accepted, reasons, shown = _count(desk, portraits, wanted=True)
    metrics = [_metric("portraits_refused", [not one for one in accepted["portraits"]], PEOPLE, split, _tell(reasons))]
    shots += shown
    for degrees, count in TURNED.items():
        measured, shown = _turn(finder, desk, read_portraits(split, count), degrees, split)
        metrics += measured
        shots += shown if degrees > UPRIGHT_DEGREES else []
    covered = _cover(finder, portraits["portraits"][:: -(-PORTRAITS // COVERED)])
    for kind, pictures in covered.items():
        accepted, reasons, hidden = _count(desk, {kind: pictures}, wanted=False)
        metrics.append(
            _metric("covered_accepted", accepted[kind], PEOPLE, split, f"{kind}; {_tell(reasons)}".rstrip("; "))
        )
        shots += hidden
    kinds, _, shown = _count(desk, load_faceless(split, EACH_KIND), wanted=False)
    everything = [one for trials in kinds.values() for one in trials]
    metrics.append(_metric("non_faces_accepted", everything, FACELESS, split, "all kinds"))
    metrics += [_metric("non_faces_accepted", trials, FACELESS, split, kind) for kind, trials in kinds.items()]
    note = "Portraits that were refused; turned and covered ones and pictures without a face that were accepted."
    return Outcome(metrics, [], [Section("What Register decides wrongly", note, shots=[*shots, *shown][:MOST_SHOTS])])


def _count(
    desk: Desk, kinds: Mapping[str, Sequence[Pixels]], *, wanted: bool
) -> tuple[dict[str, list[bool]], Counter[str], list[Shot]]:
    """For each kind, which pictures are accepted; how often each reason was given; pictures decided wrongly."""
    accepted: dict[str, list[bool]] = {kind: [] for kind in kinds}
    reasons: Counter[str] = Counter()
    shots = []
    for kind, pictures in kinds.items():
        for pixels in tqdm(pictures, desc=kind, disable=None):
            refusal = desk.judge(pixels).result.refusal
            reasons[refusal.value if refusal else "accepted"] += 1
            accepted[kind].append(refusal is None)
            if (refusal is None) != wanted:
                step = max(1, max(pixels.shape) // 320)
                shots.append(Shot(f"{kind}: {refusal.value if refusal else 'accepted'}", pixels[::step, ::step]))
    return accepted, reasons, shots


def _cover(finder: FaceFinder, portraits: Sequence[Pixels]) -> dict[str, list[Pixels]]:
    """The portraits in which a face is found, with each occluder drawn over the largest."""
    random = np.random.default_rng(0)
    found = [(one, faces[0].detected.landmarks_xy) for one in portraits if (faces := finder.find(one))]
    return {kind: [cover(one, marks, kind, random) for one, marks in found] for kind in OCCLUDERS}


def _turn(
    finder: FaceFinder, desk: Desk, portraits: Sequence[Pixels], degrees: int, split: Split
) -> tuple[list[Metric], list[Shot]]:
    """How many turned portraits are accepted, and in how many any_angle finds the face, as like itself as upright."""
    accepted, right, shots = [], [], []
    for portrait in tqdm(portraits, desc=f"turned by {degrees} degrees", disable=None):
        upright = finder.find(show(portrait, whole(portrait), SHARE)[0])
        frame = show(portrait, whole(portrait), SHARE, degrees)[0]
        around = finder.find(frame, Options(any_angle=True))
        as_it_is = finder.find(frame)
        verdict = desk.judge_found(lambda any_angle: around if any_angle else as_it_is)  # noqa: B023 - called at once
        accepted.append(verdict.result.refusal is None)
        right.append(bool(upright) and any(is_same(one, upright[0]) for one in around))
        if accepted[-1]:
            shots.append(Shot(f"turned by {degrees} degrees: accepted", frame[::4, ::4]))
    condition = f"turned by {degrees} degrees"
    return [
        _metric("turned_accepted", accepted, PEOPLE, split, condition),
        _metric("right_at_any_angle", right, PEOPLE, split, condition),
    ], shots


def _tell(reasons: Counter[str]) -> str:
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common() if reason != "accepted")
    return f"refused: {told}" if told else ""


def _metric(name: str, trials: Sequence[bool], dataset: str, split: str, condition: str) -> Metric:
    value, interval = measure_share(trials)
    return Metric(name, value, dataset, split, len(trials), interval, condition)


def _face(face: JudgedFace) -> EmbeddedFace:
    """The face as recognition gets it from the faces service."""
    assert face.embedding is not None  # the finder embeds all
    found = FoundFace(
        box=Box(*face.detected.box_xyxy.tolist()),
        detection_score=face.detected.score,
        quality=Quality(**asdict(face.quality)),
        landmarks=tuple(Point(x, y) for x, y in face.detected.landmarks_xy.tolist()),
    )
    return EmbeddedFace(found, np.asarray(face.embedding, np.float32))
