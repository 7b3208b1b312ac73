"""Who is this? Is this the one? Searches and comparisons."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.core.models.calibration import FalseMatchCurve
from convoy.core.settings import Settings
from convoy.recognition.domain.face_source import FaceModel, FaceSource
from convoy.recognition.domain.found_faces import EmbeddedFaces, FoundFace
from convoy.recognition.domain.limits import check_filter
from convoy.recognition.domain.liveness import check_min_liveness, is_live
from convoy.recognition.domain.pictures import Picture
from convoy.recognition.domain.records import Person
from convoy.recognition.domain.searches import (
    Compared,
    Comparison,
    Criterion,
    Identified,
    IdentifiedFace,
    Match,
    PersonKey,
    Search,
)
from convoy.recognition.domain.thresholds import RateUnit, coarse_count, comparison_rate, identification_rate
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.followers import Followers
from convoy.recognition.search.index import Hit
from convoy.recognition.search.view import View
from convoy.recognition.use_cases.growth import Growth
from convoy.recognition.use_cases.naming import Named, name_faces
from convoy.recognition.use_cases.neighbours import find_nearest, search_faces
from convoy.recognition.use_cases.people import person_not_found

TOP_K = 5
MAX_TOP_K = 1000
NO_SECOND = 2.0
"""The margin when there is no second person: more than two similarities can differ by."""
FEW_FACES = 8
"""So many faces are decided on the event loop, sooner than a thread would be at it."""


@dataclass(frozen=True, slots=True)
class _Terms:
    """On what terms the faces of a picture are decided.

    face_rate: the chance that a search for somebody who is not in the gallery names anybody; picture_rate: the chance
    that anybody is named, if all faces are such. beyond_calibration: the threshold is above all that was measured.
    """

    threshold: float
    margin: float
    unit: RateUnit
    same_occasion: bool
    face_rate: float
    picture_rate: float
    beyond_calibration: bool


class Identification:
    """The calls Identify and Verify. Each raises the errors that the API documents."""

    def __init__(self, followers: Followers, faces: FaceSource, settings: Settings, growth: Growth) -> None:
        self._followers = followers
        self._growth = growth
        self._faces = faces
        self._settings = settings

    async def identify(self, search: Search) -> Identified:
        """Search every face of a picture, and decide them together."""
        top_k, entries = _check_top_k("top_k", search.top_k) or TOP_K, search.entries
        _check_top_k("nearest", search.nearest)
        if search.criterion:
            search.criterion.check()
        check_filter(search.filter)
        check_min_liveness(search.min_liveness)
        gallery = (await self._followers.view(search.gallery)).gallery
        model, [picture] = await self._faces.embed([search.picture], search.options, gallery)
        view = await self._followers.view(search.gallery, search.min_version, search.epoch)
        model.check_made(view.gallery)
        if not picture.faces and not search.allow_no_face:
            raise no_face("the picture")
        size = await view.count_comparisons([] if search.is_coarse else entries)
        at_least_one = len(picture.faces) or 1
        count = coarse_count(at_least_one) if search.is_coarse else at_least_one
        terms = self._terms(search, view, model, size, count)
        live = [is_live(one.face, search.min_liveness) for one in picture.faces]
        # Changes that come while it searches may be missed: the answer tells the version before.
        head = view.head
        searched = [face for face, is_person in zip(picture.faces, live, strict=True) if is_person]
        hits_of = iter(await search_faces(search, view, searched, max(top_k, 2), terms.threshold))
        # What is no living person claims nobody's name.
        found: list[list[Hit]] = [next(hits_of) if is_person else [] for is_person in live]
        named = await _decide(found, terms)
        near_of = iter(
            await find_nearest(search, view, searched, [hits for hits, one in zip(found, live, strict=True) if one])
        )
        near: list[Sequence[Hit]] = [next(near_of) if is_person else () for is_person in live]
        shown = {hit.person_id for hits in near for hit in hits}
        shown |= {hit.person_id for one in named for hit in one.hits[:top_k]}
        shown |= {one.elsewhere.person_id for one in named if one.elsewhere}
        people = await view.find_people(list(shown))
        faces = [
            replace(
                _identified(face.face, hits, one, top_k, people, terms),
                spoof_suspected=not is_person,
                nearest=[_match(hit, people.get(hit.person_id)) for hit in close],
            )
            for face, hits, one, is_person, close in zip(picture.faces, found, named, live, near, strict=True)
        ]
        is_all = search.is_coarse or not entries
        gallery_size = await view.count_faces([]) if not is_all or view.gallery.policy.average_faces else size
        self._growth.judge(view.gallery, model, gallery_size)
        return Identified(
            faces,
            picture.image_size,
            gallery_size,
            head.version,
            terms.unit,
            terms.same_occasion,
            terms.picture_rate if faces else 0.0,
            head.epoch,
            terms.beyond_calibration,
        )

    async def verify(self, comparison: Comparison) -> Compared:
        """Compare the largest face of a photo with a person, or with the largest face of another photo."""
        if comparison.criterion:
            comparison.criterion.check()
        check_min_liveness(comparison.min_liveness)
        options = replace(comparison.options, only_largest=True)
        reference = comparison.reference
        if reference is None:
            raise InvalidArgument("BAD_ARGUMENT", "there is no reference; give a person or a photo")
        if isinstance(reference, Picture):
            model, [probe, other] = await self._faces.embed([comparison.probe, reference], options)
            _refuse_spoof(probe, comparison.min_liveness)
            similarity = _best_similarity(_largest(probe, "the probe"), _largest(other, "the reference photo")[None])
            return _compared(comparison.criterion, probe, other, similarity, model)
        # The person is looked for first, so that one who is not there costs the face service nothing.
        view, _ = await self._on_record(reference, comparison)
        model, [probe] = await self._faces.embed([comparison.probe], options, view.gallery)
        vector = _largest(probe, "the probe")
        _refuse_spoof(probe, comparison.min_liveness)
        known = await self._known(reference, comparison, model)
        return _compared(comparison.criterion, probe, None, _best_similarity(vector, known), model)

    async def _on_record(self, person: PersonKey, asked: Comparison) -> tuple[View, Vector]:
        """The gallery, and the person's vectors as they are now. Raises NotFound(PERSON_NOT_FOUND)."""
        view = await self._followers.view(person.gallery, asked.min_version, asked.epoch)
        vectors = await view.vectors_of(person.person_id)
        if vectors is None:
            raise person_not_found(person.gallery, person.person_id)
        return view, vectors

    async def _known(self, person: PersonKey, asked: Comparison, model: FaceModel) -> Vector:
        """The person's vectors, of which there is at least one, made by that model."""
        view, vectors = await self._on_record(person, asked)
        model.check_made(view.gallery)
        if not len(vectors):
            message = f"person {person.person_id!r} has no face on record; register a photo"
            raise FailedPrecondition("NO_FACE", message, {"person_id": person.person_id})
        return vectors

    def threshold(
        self,
        criterion: Criterion | None,
        view: View,
        model: FaceModel,
        comparisons: int,
        same_occasion: bool = False,
    ) -> float:
        """The similarity that a match must reach, if so many comparisons are made."""
        if criterion and criterion.match_threshold is not None:
            return criterion.match_threshold
        rate = criterion.value if criterion else view.gallery.policy.false_positive_identification_rate
        rate = self._settings.false_positive_identification_rate if rate is None else rate
        return model.calibrated(same_occasion).threshold(comparison_rate(rate, comparisons))

    def _terms(self, search: Search, view: View, model: FaceModel, size: int, faces: int) -> _Terms:
        policy = view.gallery.policy
        unit = search.rate_unit or policy.rate_unit or self._settings.rate_unit
        # A unit that only a later version knows is read as the stricter one.
        unit = RateUnit.FACE if unit == RateUnit.FACE else RateUnit.PICTURE
        same_occasion = policy.same_occasion if search.same_occasion is None else search.same_occasion
        comparisons = size if unit is RateUnit.FACE else size * faces
        threshold = self.threshold(search.criterion, view, model, comparisons, bool(same_occasion))
        margin = self._settings.ambiguity_margin if policy.ambiguity_margin is None else policy.ambiguity_margin
        curve = model.same_photo if same_occasion else model.curve
        rate = _false_match_rate(curve, threshold)
        return _Terms(
            threshold,
            margin,
            unit,
            bool(same_occasion),
            face_rate=identification_rate(rate, size),
            picture_rate=identification_rate(rate, size * faces),
            beyond_calibration=_is_beyond(curve, threshold),
        )


def no_face(where: str) -> FailedPrecondition:
    """The error for a picture without a face."""
    return FailedPrecondition("NO_FACE", f"no face was found in {where}; send a photo that shows one", {"faces": 0})


def _refuse_spoof(probe: EmbeddedFaces, min_liveness: float | None) -> None:
    """Raise FailedPrecondition(SPOOF_SUSPECTED, LIVENESS_NOT_CONFIGURED) if the probe's largest face lacks liveness."""
    if not probe.faces or is_live(probe.faces[0].face, min_liveness):
        return
    liveness = probe.faces[0].face.liveness
    message = f"the probe seems to show a print, a screen or a mask: liveness {liveness:.2f}, not {min_liveness:.2f}"
    raise FailedPrecondition("SPOOF_SUSPECTED", message, hint="photograph the person")


async def _decide(found: Sequence[Sequence[Hit]], terms: _Terms) -> list[Named]:
    """Decide the faces of a picture; where there are many, which takes milliseconds, in a thread."""
    if len(found) <= FEW_FACES:
        return name_faces(found, terms.threshold, terms.margin)
    return await asyncio.to_thread(name_faces, found, terms.threshold, terms.margin)


def _identified(
    face: FoundFace, hits: Sequence[Hit], named: Named, top_k: int, people: Mapping[str, Person], terms: _Terms
) -> IdentifiedFace:
    best, second = ([hit.similarity for hit in hits] + [None, None])[:2]
    elsewhere = named.elsewhere
    return IdentifiedFace(
        face=face,
        decision=named.decision,
        matches=[_match(hit, people.get(hit.person_id)) for hit in named.hits[:top_k]],
        match_threshold=terms.threshold,
        expected_false_positive_identification_rate=terms.face_rate,
        margin=NO_SECOND if best is None or second is None else best - second,
        named_elsewhere=_match(elsewhere, people.get(elsewhere.person_id)) if elsewhere else None,
    )


def _match(hit: Hit, person: Person | None) -> Match:
    if person is None:
        return Match(*hit)
    return Match(*hit, person.display_name, person.metadata, person.tags)


def _compared(
    criterion: Criterion | None,
    probe: EmbeddedFaces,
    other: EmbeddedFaces | None,
    similarity: float,
    model: FaceModel,
) -> Compared:
    if criterion is None:
        threshold = model.default_match_threshold
    elif criterion.match_threshold is not None:
        threshold = criterion.match_threshold
    else:
        threshold = model.calibrated().threshold(criterion.value)
    return Compared(
        is_match=similarity >= threshold,
        similarity=similarity,
        match_threshold=threshold,
        expected_false_match_rate=_false_match_rate(model.curve, threshold),
        face=probe.faces[0].face,
        faces_found=probe.found,
        reference_face=other.faces[0].face if other else None,
        reference_faces_found=other.found if other else 0,
        beyond_calibration=_is_beyond(model.curve, threshold),
    )


def _largest(picture: EmbeddedFaces, name: str) -> Vector:
    """The embedding of the largest face. Raises FailedPrecondition(NO_FACE)."""
    if not picture.faces:
        raise no_face(name)
    return picture.faces[0].embedding


def _false_match_rate(curve: FalseMatchCurve | None, threshold: float) -> float:
    """How often strangers reach the threshold; 1 where nothing was measured."""
    return curve.false_match_rate_at(threshold) if curve else 1.0


def _is_beyond(curve: FalseMatchCurve | None, threshold: float) -> bool:
    """Whether the threshold is above all that the calibration measured."""
    return curve is not None and curve.is_beyond(threshold)


def _best_similarity(probe: Vector, known: Vector) -> float:
    return float(np.clip((known.astype(np.float64) * probe).sum(axis=1).max(), -1, 1))


def _check_top_k(name: str, count: int) -> int:
    if count > MAX_TOP_K:
        raise InvalidArgument("BAD_ARGUMENT", f"{name} is {count}; at most {MAX_TOP_K}", {"field": name})
    return count
