"""Searches and comparisons, without a server."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from convoy.core.errors import FailedPrecondition, InvalidArgument, NotFound
from convoy.recognition.domain.edits import GalleryEdit, PolicyEdit
from convoy.recognition.domain.pictures import DetectionOptions, Picture
from convoy.recognition.domain.searches import MATCH_THRESHOLD, Comparison, Criterion, Identified, PersonKey, Search
from convoy.recognition.domain.thresholds import Decision, comparison_rate, identification_rate
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.index import Hit
from convoy.recognition.search.memory_view import MemoryView
from convoy.recognition.store.base import Head

from tests.fake_face_source import CURVE, axis, embedded
from tests.use_cases import UseCases

RATE = "false_positive_identification_rate"
ADA = PersonKey("staff", "ada")


async def who(house: UseCases, photo: bytes, **more: object) -> Identified:
    search = Search("staff", Picture(encoded=photo), **more)  # type: ignore[arg-type]
    return await house.identification.identify(search)


def photo(name: bytes) -> Picture:
    return Picture(encoded=name)


async def test_each_face_of_a_picture_is_searched(house: UseCases) -> None:
    await house.register("ada", b"1", display_name="Ada", metadata={"desk": "4"}, tags=["red"])
    version = (await house.register("eve", b"3")).version
    found = await who(house, b"two", min_version=version)
    known, stranger = found.faces
    assert (known.decision, stranger.decision) == (Decision.MATCH, Decision.NO_MATCH)
    [match] = known.matches
    assert (match.person_id, match.display_name, match.metadata, match.tags) == ("ada", "Ada", {"desk": "4"}, ("red",))
    assert match.similarity == pytest.approx(1) and stranger.matches == []
    assert (found.gallery_size, found.version) == (2, version)
    assert known.face == house.faces.shows[b"two"][0].face


async def test_an_answer_tells_the_version_that_was_searched(house: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    version = (await house.register("ada", b"1")).version
    search = MemoryView.search

    async def slow(view: MemoryView, *asked: Any, **more: Any) -> list[Hit]:
        hits = await search(view, *asked, **more)
        _, gone = await house.people.delete("staff", "ada")
        await view.arrive(Head(gone.version, "later"))
        return hits

    monkeypatch.setattr(MemoryView, "search", slow)
    found = await who(house, b"1", min_version=version)
    assert ([match.person_id for match in found.faces[0].matches], found.version) == (["ada"], version)


async def test_an_empty_gallery_knows_nobody(house: UseCases) -> None:
    [face] = (await who(house, b"1")).faces
    assert (face.decision, face.margin, face.expected_false_positive_identification_rate) == (Decision.NO_MATCH, 2.0, 0)


async def test_the_threshold_is_the_callers_or_follows_from_rate_and_size(house: UseCases) -> None:
    await house.register("ada", b"1")
    await house.register("eve", b"3")
    [fixed] = (await who(house, b"1", criterion=Criterion(MATCH_THRESHOLD, 0.3))).faces
    assert fixed.match_threshold == 0.3
    expected = identification_rate(CURVE.false_match_rate_at(0.3), 2)
    assert fixed.expected_false_positive_identification_rate == pytest.approx(expected)
    [by_rate] = (await who(house, b"1", criterion=Criterion(RATE, 0.001))).faces
    assert by_rate.match_threshold == CURVE.threshold(comparison_rate(0.001, 2))
    await house.galleries.update(GalleryEdit("staff", policy=PolicyEdit({RATE: 0.002})))
    version = (await house.store.get_gallery("staff")).version
    [by_policy] = (await who(house, b"1", min_version=version)).faces
    assert by_policy.match_threshold == CURVE.threshold(comparison_rate(0.002, 2))


async def test_two_who_are_close_are_ambiguous_whatever_top_k_is(house: UseCases) -> None:
    await house.register("ada", b"1")
    version = (await house.register("eve", b"1 again", allow_identity_conflict=True)).version
    house.faces.shows = {b"between": [embedded(axis(1, 2, 0.98))]}
    [face] = (await who(house, b"between", top_k=1, min_version=version)).faces
    assert (face.decision, len(face.matches)) == (Decision.AMBIGUOUS, 1)


async def test_a_filter_leaves_others_out_and_the_size_counts_who_passes(house: UseCases) -> None:
    await house.register("ada", b"1", metadata={"site": "north"}, tags=["red"])
    await house.register("eve", b"3", metadata={"site": "north", "empty": ""})
    version = (await house.register("bob", b"5")).version
    for more, wanted in (
        ({"filter": {"site": "north"}, "tags": ["red"]}, ["ada"]),
        ({"filter": {"site": "south"}}, []),
        ({"tags": ["blue"]}, []),
    ):
        found = await who(house, b"1", min_version=version, criterion=Criterion(RATE, 0.01), **more)
        assert [match.person_id for match in found.faces[0].matches] == wanted
        assert found.gallery_size == 3
    [eve] = (await who(house, b"3", filter={"empty": ""}, min_version=version)).faces
    assert [match.person_id for match in eve.matches] == ["eve"]
    north = await who(house, b"1", filter={"site": "north"}, criterion=Criterion(RATE, 0.01), min_version=version)
    assert north.faces[0].match_threshold == CURVE.threshold(comparison_rate(0.01, 2))


@pytest.mark.parametrize("filter", [{"": "red"}, {"": ""}, {"site": "north", "": "red"}])
async def test_a_filter_with_an_empty_key_is_refused_and_finds_no_tag(house: UseCases, filter: dict[str, str]) -> None:
    await house.register("ada", b"1", tags=["red"], metadata={"site": "north"})
    with pytest.raises(InvalidArgument, match="empty key") as refused:
        await who(house, b"1", filter=filter)
    assert (refused.value.reason, refused.value.metadata) == ("BAD_ARGUMENT", {"field": "filter"})


@pytest.mark.parametrize(
    "criterion",
    [
        Criterion(MATCH_THRESHOLD, 1.01),
        Criterion(MATCH_THRESHOLD, float("nan")),
        Criterion(RATE, 0.0),
        Criterion(RATE, 1.01),
        Criterion("false_match_rate", 0.0),
    ],
)
async def test_a_criterion_out_of_range_is_refused(house: UseCases, criterion: Criterion) -> None:
    with pytest.raises(InvalidArgument, match=f"{criterion.name} is"):
        await who(house, b"1", criterion=criterion)
    with pytest.raises(InvalidArgument, match=f"{criterion.name} is"):
        await house.identification.verify(Comparison(photo(b"1"), photo(b"1"), criterion=criterion))


async def test_what_cannot_be_searched_is_said(house: UseCases) -> None:
    with pytest.raises(FailedPrecondition, match="no face was found in the picture"):
        await who(house, b"nobody")
    with pytest.raises(InvalidArgument, match="top_k is 1001"):
        await who(house, b"1", top_k=1001)
    house.faces.face_model = replace(house.faces.face_model, curve=None)
    with pytest.raises(FailedPrecondition, match="has no calibration"):
        await who(house, b"1")
    [face] = (await who(house, b"1", criterion=Criterion(MATCH_THRESHOLD, 0.5))).faces
    assert face.expected_false_positive_identification_rate == 0.0


@pytest.mark.parametrize(("rate", "is_beyond"), [(1e-7, False), (1e-12, True)])
async def test_a_rate_beyond_the_calibration_is_told(house: UseCases, rate: float, is_beyond: bool) -> None:
    await house.register("ada", b"1")
    found = await who(house, b"1", criterion=Criterion(RATE, rate))
    [face] = found.faces
    assert found.beyond_calibration is is_beyond and (face.match_threshold > 0.6) is is_beyond
    # Nothing better is claimed than was measured.
    assert face.expected_false_positive_identification_rate >= 1e-9
    same = await house.identification.verify(
        Comparison(photo(b"1"), ADA, criterion=Criterion("false_match_rate", rate))
    )
    assert same.beyond_calibration is is_beyond and same.expected_false_match_rate >= 1e-9


async def test_a_probe_is_compared_with_the_nearest_face_of_a_person(house: UseCases) -> None:
    await house.register("ada", b"3", b"1", display_name="Ada", allow_different=True)
    same = await house.identification.verify(Comparison(photo(b"two"), ADA))
    assert same.is_match and same.similarity == pytest.approx(1) and same.match_threshold == 0.5
    assert (same.faces_found, same.reference_face, same.reference_faces_found) == (2, None, 0)
    assert same.expected_false_match_rate == CURVE.false_match_rate_at(0.5)
    assert not (await house.identification.verify(Comparison(photo(b"2"), ADA))).is_match


async def test_a_probe_is_compared_with_another_photo_by_their_largest_faces(house: UseCases) -> None:
    options = DetectionOptions(max_faces=7)
    answer = await house.identification.verify(Comparison(photo(b"1 again"), photo(b"two"), options))
    assert answer.is_match and answer.similarity == pytest.approx(0.9)
    assert (answer.faces_found, answer.reference_faces_found) == (1, 2)
    assert house.faces.asked[-1][1] == DetectionOptions(max_faces=7, only_largest=True)
    strict = Criterion("false_match_rate", 1e-5)
    compared = await house.identification.verify(Comparison(photo(b"1"), photo(b"1"), criterion=strict))
    assert compared.match_threshold == pytest.approx(0.4)


async def test_a_comparison_needs_two(house: UseCases) -> None:
    verify = house.identification.verify
    with pytest.raises(InvalidArgument, match="there is no reference"):
        await verify(Comparison(photo(b"1"), None))
    with pytest.raises(NotFound, match="no person 'ada'"):
        await verify(Comparison(photo(b"1"), ADA))
    assert house.faces.asked == []
    registered = await house.register("ada", b"1")
    for probe, reference, where in ((b"nobody", ADA, "the probe"), (b"1", photo(b"nobody"), "the reference photo")):
        with pytest.raises(FailedPrecondition, match=f"in {where};"):
            await verify(Comparison(photo(probe), reference))
    await house.people.delete_face("staff", "ada", registered.results[0].face_id)
    with pytest.raises(FailedPrecondition, match="has no face on record"):
        await verify(Comparison(photo(b"1"), ADA, min_version=3))


async def test_the_nearest_are_named_beside_a_decision_that_stays_as_it_is(house: UseCases) -> None:
    await house.register("ada", b"1", display_name="Ada", tags=["red"])
    await house.register("eve", b"3 again")
    await house.register("bob", b"5")
    usual = await who(house, b"two")
    near = await who(house, b"two", nearest=2)
    assert [replace(face, nearest=()) for face in near.faces] == [replace(face, nearest=()) for face in usual.faces]
    known, stranger = near.faces
    # The people come though no face reaches the threshold, and though they are another face of the picture.
    assert [match.person_id for match in known.nearest] == ["ada", "bob"]
    assert [len(face.nearest) for face in near.faces] == [2, 2] and stranger.decision is Decision.NO_MATCH
    assert known.nearest[0].display_name == "Ada" and stranger.nearest[0].similarity < stranger.match_threshold
    one = await who(house, b"two", nearest=1, top_k=1, tags=["red"])
    assert [[match.person_id for match in face.nearest] for face in one.faces] == [["ada"], ["ada"]]
    more = await who(house, b"two", nearest=1000)
    assert [len(face.nearest) for face in more.faces] == [3, 3]
    with pytest.raises(InvalidArgument, match="nearest"):
        await who(house, b"two", nearest=1001)


async def test_more_nearest_people_do_not_change_who_is_named(house: UseCases) -> None:
    """Of a crowd in which many people are near to many faces, with `nearest` far above `top_k`."""
    rng = np.random.default_rng(3)
    centre = axis(0)

    def near() -> Vector:
        vector = centre + 0.35 * rng.standard_normal(centre.size).astype(np.float32)
        return np.asarray(vector / np.linalg.norm(vector), np.float32)

    for number in range(24):
        house.faces.shows[b"p%d" % number] = [embedded(near())]
        await house.register(f"p{number}", b"p%d" % number, allow_identity_conflict=True)
    house.faces.shows[b"crowd"] = [embedded(near()) for _ in range(6)]
    criterion = Criterion(MATCH_THRESHOLD, 0.3)
    usual = await who(house, b"crowd", criterion=criterion, top_k=2)
    near_too = await who(house, b"crowd", criterion=criterion, top_k=2, nearest=20)
    assert [replace(face, nearest=()) for face in near_too.faces] == [replace(face, nearest=()) for face in usual.faces]
    assert {face.decision for face in usual.faces} != {Decision.NO_MATCH}
