"""Who is named in a picture: its faces and the people of the gallery are brought together, each person at most once.

Which face is which person is decided by the best total of similarities over the threshold. Between strangers the
logarithm of the false-match rate falls about evenly as the similarity rises, so the best total belongs to the names
that chance explains worst. A face may thus get its second person while its first is another face. That keeps the
promised rate: somebody who is not in the gallery is named only if a similarity reaches the threshold, and fewer count.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from convoy.recognition.domain.assignment import NOBODY, assign, measure_lead
from convoy.recognition.domain.thresholds import Decision, decide
from convoy.recognition.search.index import Hit

CANDIDATES = 32
"""The most people among whom one is chosen for a face. More faces than that would have to claim all of them."""
_AT_THE_THRESHOLD = 1e-9
"""The weight of a similarity that only just reaches the threshold: being named counts for more than not."""
_BEHIND_AN_EQUAL = 1e-12
"""What a person weighs less who comes after another of the same similarity, so that ties go as in every search."""


@dataclass(frozen=True, slots=True)
class Named:
    """What one face came to.

    hits: the people at or above the threshold who may be the face, best first, without those who are named at another
    face; if the face is somebody, that is the first. elsewhere: the nearest person at or above the threshold, if the
    face is nobody because other faces are closer.
    """

    decision: Decision
    hits: Sequence[Hit]
    elsewhere: Hit | None = None


def name_faces(found: Sequence[Sequence[Hit]], threshold: float, margin: float) -> list[Named]:
    """Decide all faces of a picture together. found: for each face the nearest people, best first.

    A face that shares no person with another is decided alone. AMBIGUOUS: another way to name the faces, in which this
    one is another person or its person another face, is less than `margin` behind the best.
    """
    claims = [[hit for hit in hits if hit.similarity >= threshold] for hits in found]
    named: dict[int, Named] = {}
    for faces in _group(claims):
        if len(faces) == 1:
            best, second = ([hit.similarity for hit in claims[faces[0]]] + [None, None])[:2]
            named[faces[0]] = Named(decide(best, second, threshold, margin), claims[faces[0]])
        else:
            named |= zip(faces, _name_together([claims[face] for face in faces], threshold, margin), strict=True)
    return [named[face] for face in range(len(found))]


def _name_together(claims: Sequence[Sequence[Hit]], threshold: float, margin: float) -> list[Named]:
    """Decide faces that claim the same people. claims: for each face at least one."""
    column: dict[str, int] = {}
    for hits in claims:
        for hit in hits[:CANDIDATES]:
            column.setdefault(hit.person_id, len(column))
    weights = np.full((len(claims), len(column)), -np.inf)
    for row, hits in enumerate(claims):
        for rank, hit in enumerate(hits[:CANDIDATES]):
            weight = max(hit.similarity - threshold, _AT_THE_THRESHOLD) - rank * _BEHIND_AN_EQUAL
            weights[row, column[hit.person_id]] = weight
    assigned = assign(weights)
    is_open = measure_lead(weights, assigned) < margin
    people = list(column)
    holder = {people[one]: row for row, one in enumerate(assigned.tolist()) if one != NOBODY}
    named = {person: row for person, row in holder.items() if not is_open[row]}
    decided = []
    for row, hits in enumerate(claims):
        if is_open[row]:
            left = [hit for hit in hits if named.get(hit.person_id, row) == row]
            decided.append(Named(Decision.AMBIGUOUS, left))
        elif assigned[row] == NOBODY:
            decided.append(Named(Decision.NO_MATCH, [], hits[0]))
        else:
            left = [hit for hit in hits if holder.get(hit.person_id, row) == row]
            decided.append(Named(Decision.MATCH, left))
    return decided


def _group(claims: Sequence[Sequence[Hit]]) -> Iterator[list[int]]:
    """The faces, in groups that share people directly or through others."""
    claimants: defaultdict[str, list[int]] = defaultdict(list)
    for face, hits in enumerate(claims):
        for hit in hits:
            claimants[hit.person_id].append(face)
    left = set(range(len(claims)))
    while left:
        group, following = [], [min(left)]
        while following:
            if (face := following.pop()) in left:
                left.remove(face)
                group.append(face)
                following += [other for hit in claims[face] for other in claimants[hit.person_id]]
        yield sorted(group)
