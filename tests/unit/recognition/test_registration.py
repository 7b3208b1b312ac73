"""Registering people, without a server."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from convoy.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from convoy.recognition.domain import limits
from convoy.recognition.domain.caller import now_ms
from convoy.recognition.domain.edits import GalleryEdit, PolicyEdit
from convoy.recognition.domain.face_source import FaceModel
from convoy.recognition.domain.records import Model
from convoy.recognition.domain.registrations import NearPerson, Refusal
from convoy.recognition.use_cases import registration
from convoy.recognition.use_cases.repetition import Repeated

from tests.fake_face_source import DIMENSION, GOOD, axis, embedded
from tests.use_cases import UseCases, asking


async def test_somebody_is_kept_with_the_photos_that_are_accepted(house: UseCases) -> None:
    answer = await house.register(
        "ada", b"1", b"nobody", b"bytes", b"1 again", display_name="Ada", tags=["b", "a", "b"]
    )
    assert [result.refusal for result in answer.results] == [None, Refusal.NO_FACE, Refusal.BAD_IMAGE, None]
    person = await house.people.get("staff", "ada")
    assert answer.person == person and answer.version == 2
    assert [face.face_id for face in person.faces] == [answer.results[0].face_id, answer.results[3].face_id]
    assert (person.display_name, person.tags, person.create_time_ms) == ("Ada", ("a", "b"), person.update_time_ms)
    [change] = await house.store.list_changes("staff", 0, 1)
    assert (change.note.action, change.note.actor, change.note.outcome) == (
        "Register",
        "alice",
        "2 of 4 photos accepted",
    )


async def test_the_same_photo_twice_is_one(house: UseCases) -> None:
    answer = await house.register("ada", b"1", b"1")
    assert [result.refusal for result in answer.results] == [None, Refusal.DUPLICATE]


async def test_when_no_photo_is_accepted_nobody_is_kept(house: UseCases) -> None:
    with pytest.raises(FailedPrecondition, match="all 2 photos were refused") as refused:
        await house.register("ada", b"nobody", b"two")
    assert refused.value.reason == "NO_FACE"
    with pytest.raises(InvalidArgument) as none:
        await house.register("ada", b"bytes")
    assert none.value.reason == "NOT_AN_IMAGE"
    with pytest.raises(NotFound):
        await house.people.get("staff", "ada")


async def test_the_gallery_says_how_good_a_photo_must_be(house: UseCases) -> None:
    house.faces.shows = {b"1": [embedded(axis(1), GOOD)]}
    await house.galleries.update(GalleryEdit("staff", policy=PolicyEdit({"quality_floor": 0.95})))
    with pytest.raises(FailedPrecondition, match=r"asks for 0\.95"):
        await house.register("ada", b"1")


async def test_what_the_detector_is_not_sure_of_is_no_face(house: UseCases) -> None:
    floor = house.settings.face_score_floor
    for score, reason in ((floor - 0.01, "NOT_A_FACE"), (floor, None)):
        found = embedded(axis(1))
        house.faces.shows = {b"1": [replace(found, face=replace(found.face, detection_score=score))]}
        if reason is None:
            assert (await house.register("ada", b"1")).results[0].refusal is None
            continue
        with pytest.raises(FailedPrecondition, match="hardly a face") as refused:
            await house.register("ada", b"1")
        assert refused.value.reason == reason


async def test_who_is_there_is_not_looked_at_unless_faces_may_be_added(house: UseCases) -> None:
    await house.register("ada", b"1", metadata={"a": "1", "b": "1"}, tags=["x"], display_name="Ada")
    house.faces.asked.clear()
    with pytest.raises(AlreadyExists, match="set add_faces"):
        await house.register("ada", b"1 again")
    assert house.faces.asked == []
    added = await house.register("ada", b"1 again", add_faces=True, metadata={"b": "2"}, tags=["w"])
    assert added.person is not None and len(added.person.faces) == 2
    assert (added.person.metadata, added.person.tags) == ({"a": "1", "b": "2"}, ("w", "x"))
    assert added.person.display_name == "Ada"


async def test_two_who_look_alike_are_kept_only_when_that_is_allowed(house: UseCases) -> None:
    await house.register("ada", b"1")
    with pytest.raises(FailedPrecondition) as refused:
        await house.register("eve", b"1 again")
    assert refused.value.reason == "IDENTITY_CONFLICT"
    assert (await house.register("eve", b"1 again", allow_identity_conflict=True)).person is not None


async def test_an_accepted_photo_says_who_else_is_near(house: UseCases) -> None:
    alone = await house.register("ada", b"1")
    assert alone.results[0].nearest is None
    away = await house.register("eve", b"2")
    assert away.results[0].nearest == NearPerson("ada", pytest.approx(0.0, abs=1e-5))
    twin = await house.register("eva", b"1 again", allow_identity_conflict=True)
    assert twin.results[0].nearest is not None
    assert twin.results[0].nearest.person_id == "ada" and twin.results[0].nearest.similarity > 0.85
    added = await house.register("ada", b"nobody", b"3", add_faces=True, allow_different=True)
    assert [one.nearest and one.nearest.person_id != "ada" for one in added.results] == [None, True]


async def test_one_face_under_two_names_at_once_is_kept_under_one(house: UseCases) -> None:
    calls = (house.register(name, b"1") for name in ("ada", "eve"))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["FailedPrecondition", "Registered"]


async def test_a_request_that_comes_again_gets_its_first_answer(house: UseCases) -> None:
    first = asking("ada", b"1", request_id="once", expire_time_ms=now_ms() + 60_000)
    await house.registration.register(first)
    again = await house.registration.register(first)
    assert isinstance(again, Repeated) and (again.committed.version, again.committed.answer) == (2, b"answer 1")
    assert again.person.person_id == "ada"
    assert (await house.store.get_gallery("staff")).version == 2


async def test_a_request_id_with_another_content_is_refused(house: UseCases) -> None:
    await house.register("ada", b"1", request_id="once", metadata={"ssn": "1"})
    for other in (
        asking("ada", b"2", request_id="once", metadata={"ssn": "1"}),
        asking("ada", b"1", request_id="once", metadata={"ssn": "2"}),
        asking("eve", b"1", request_id="once", metadata={"ssn": "1"}),
        asking("ada", b"1", request_id="once", metadata={"ssn": "1"}, min_liveness=0.5),
    ):
        with pytest.raises(AlreadyExists, match="used for another request") as refused:
            await house.registration.register(other)
        assert refused.value.reason == "REQUEST_ID_REUSED"
    assert (await house.store.get_gallery("staff")).version == 2


async def test_a_request_that_comes_again_after_the_person_was_deleted_brings_nobody_back(house: UseCases) -> None:
    await house.register("ada", b"1", request_id="once")
    await house.people.delete("staff", "ada")
    with pytest.raises(NotFound, match="ada"):
        await house.register("ada", b"1", request_id="once")
    assert (await house.store.get_gallery("staff")).people == 0


async def test_a_person_has_at_most_so_many_faces(house: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FACES_OF_A_PERSON", 1)
    await house.register("ada", b"1")
    with pytest.raises(FailedPrecondition, match="at most 1 of a person") as refused:
        await house.register("ada", b"1 again", add_faces=True)
    assert refused.value.reason == "TOO_MANY_FACES"


async def test_nothing_stays_of_somebody_who_has_expired(house: UseCases, monkeypatch: pytest.MonkeyPatch) -> None:
    soon = now_ms() + 60_000
    await house.register("ada", b"1", display_name="Ada", metadata={"a": "1"}, tags=["x"], expire_time_ms=soon)
    monkeypatch.setattr(registration, "now_ms", lambda: soon)
    again = (await house.register("ada", b"2")).person
    assert again is not None and len(again.faces) == 1
    assert (again.display_name, again.metadata, again.tags, again.expire_time_ms) == ("", {}, (), None)


async def test_what_two_registrations_bring_together_may_be_too_much(house: UseCases) -> None:
    await house.register("ada", b"1", metadata={str(i): "v" for i in range(40)}, tags=[f"a{i}" for i in range(40)])
    for more in ({"metadata": {f"b{i}": "v" for i in range(40)}}, {"tags": [f"b{i}" for i in range(40)]}):
        with pytest.raises(InvalidArgument, match="at most 64 are kept"):
            await house.register("ada", b"1 again", add_faces=True, **more)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"metadata": {"": "v"}}, "metadata"),
        ({"tags": [""]}, "tags"),
        ({"display_name": "two\nlines"}, "display_name"),
        ({"request_id": "x" * 129}, "request_id"),
        ({"expire_time_ms": 0}, "expire_time"),
    ],
)
async def test_what_cannot_be_kept_is_refused_before_anybody_looks(
    house: UseCases, wrong: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await house.register("ada", b"1", **wrong)
    assert (refused.value.reason, refused.value.metadata["field"]) == ("BAD_ARGUMENT", field)
    assert house.faces.asked == []


async def test_a_gallery_of_another_embedder_takes_no_photo(house: UseCases) -> None:
    house.faces.face_model = FaceModel(Model("fake-embedder", "2", "ef" * 32, DIMENSION), 0.5, None)
    with pytest.raises(FailedPrecondition) as refused:
        await house.register("ada", b"1")
    assert refused.value.reason == "MODEL_MISMATCH"
