"""Whether a photo fits the gallery: its face is not on record yet, is nobody else's, and resembles the person's."""

from collections.abc import Sequence

import numpy as np

from convoy.core.models.calibration import FalseMatchCurve
from convoy.recognition.domain.registrations import Refusal
from convoy.recognition.domain.thresholds import comparison_rate
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.index import Hit
from convoy.recognition.use_cases.agreement import STRANGER_RATE, find_agreeing
from convoy.recognition.use_cases.photo_rules import Verdict, refuse

CONFLICT_RATE = 0.001
"""How often a photo of somebody new may be refused for being like somebody else. A refusal turns a person away, so it
is rarer than a wrong name may be."""
SAME_FACE = 0.995
"""From this similarity on two photos are one photo, perhaps saved anew: two different photos do not come so close."""


def compare(verdict: Verdict, known: Vector, other: Hit | None) -> Verdict:
    """Look at the gallery: refuse a face that the person has (`known`: [faces, dimension]), or that is `other`'s."""
    if verdict.embedding is None:
        return verdict
    faces = verdict.result.faces
    if len(known) and float(np.max(known @ verdict.embedding)) >= SAME_FACE:
        message = "the person has this very face on record; a different photo would add to it"
        return refuse(faces, Refusal.DUPLICATE, message)
    if other is not None:
        message = (
            f"the face matches person {other.person_id!r}; register it there with add_faces, or set "
            "allow_identity_conflict if they are two people"
        )
        return refuse(faces, Refusal.IDENTITY_CONFLICT, message, other.person_id)
    return verdict


def refuse_others(verdicts: Sequence[Verdict], on_record: Vector, curve: FalseMatchCurve) -> list[Verdict]:
    """Look at all photos together: refuse those that show another person than the record, or than most photos."""
    accepted = [verdict.embedding for verdict in verdicts if verdict.embedding is not None]
    comparisons = max(1, len(accepted) - 1 + len(on_record))
    threshold = curve.threshold(comparison_rate(STRANGER_RATE, comparisons))
    agreeing = iter(find_agreeing(accepted, on_record, threshold, SAME_FACE))
    message = (
        "the face does not resemble the person on record"
        if len(on_record)
        else "the photos show different people; send photos of one person"
    )
    message += ", or set allow_different if they are of one person"
    return [
        verdict
        if verdict.embedding is None or next(agreeing)
        else refuse(verdict.result.faces, Refusal.OTHER_PERSON, message)
        for verdict in verdicts
    ]
