"""Face ids of the caller's: unique in a gallery, found by themselves, and told apart when an import has one twice."""

import uuid

import numpy as np
import pytest
from convoy.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from convoy.recognition.domain.found_faces import Box, EmbeddedFace, FoundFace
from convoy.recognition.domain.records import Face, Person
from convoy.recognition.domain.registrations import Refusal
from convoy.recognition.domain.transfers import ExportedPerson, ImportPart

from tests.fake_face_source import GOOD, MODEL, axis
from tests.use_cases import UseCases, asking

UUID = str(uuid.UUID(int=7))


async def test_a_face_has_the_callers_id_and_is_found_by_it(house: UseCases) -> None:
    answer = await house.register("ada", b"1", b"1 again", face_ids=[UUID, ""])
    assert answer.results[0].face_id == UUID and len(answer.results[1].face_id) == 16
    for result in answer.results:
        person, face = await house.finding.get_face("staff", result.face_id)
        assert (person.person_id, face.face_id) == ("ada", result.face_id)
    with pytest.raises(NotFound) as error:
        await house.finding.get_face("staff", "nobody's")
    assert error.value.reason == "FACE_NOT_FOUND"
    await house.people.delete_face("staff", "ada", UUID)
    with pytest.raises(NotFound):
        await house.finding.get_face("staff", UUID)
    # It is free again, for anybody.
    await house.register("bob", b"5", face_ids=[UUID])
    assert (await house.finding.get_face("staff", UUID))[0].person_id == "bob"
    await house.people.delete("staff", "bob")
    with pytest.raises(NotFound):
        await house.finding.get_face("staff", UUID)


async def test_an_id_is_taken_once_in_a_gallery(house: UseCases) -> None:
    await house.register("ada", b"1", face_ids=[UUID])
    for person_id, more in (("bob", {}), ("ada", {"add_faces": True}), ("bob", {"allow_identity_conflict": True})):
        with pytest.raises(AlreadyExists) as error:
            await house.register(person_id, b"2", face_ids=[UUID], **more)
        assert error.value.reason == "FACE_EXISTS" and error.value.metadata["person_id"] == "ada"
    assert (await house.galleries.get("staff")).faces == 1


async def test_of_two_who_want_one_id_at_once_one_gets_it(house: UseCases) -> None:
    """The other one of two replicas comes between reading and writing."""
    find, turns = house.followers.fresh_view, 0
    from tests.use_cases import UseCases as Other

    other = Other(house.store, house.faces)

    async def fresh_view(name: str) -> object:
        nonlocal turns
        view, turns = await find(name), turns + 1
        if turns == 1:
            await other.register("bob", b"2", face_ids=[UUID], allow_identity_conflict=True)
        return view

    house.followers.fresh_view = fresh_view  # type: ignore[method-assign, assignment]
    with pytest.raises(AlreadyExists, match="bob"):
        await house.register("ada", b"1", face_ids=[UUID], allow_identity_conflict=True)
    await other.followers.close()
    assert turns == 2


async def test_a_request_that_comes_again_with_other_ids_is_another(house: UseCases) -> None:
    first = await house.register("ada", b"1", face_ids=[UUID], request_id="r")
    again = await house.registration.register(asking("ada", b"1", face_ids=[UUID], request_id="r"))
    assert again.person == first.person
    with pytest.raises(AlreadyExists) as error:
        await house.registration.register(asking("ada", b"1", face_ids=["x"], request_id="r"))
    assert error.value.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("ids", [["a"], ["a", "a"], ["a b", ""], ["é", ""], ["x" * 65, ""], ["a\n", ""]])
async def test_ids_of_another_form_are_refused(house: UseCases, ids: list[str]) -> None:
    with pytest.raises(InvalidArgument) as error:
        await house.register("ada", b"1", b"2", face_ids=ids)
    assert error.value.metadata["field"] == "face_ids"


def exported(person_id: str, *faces: tuple[str, int]) -> ExportedPerson:
    records = tuple(Face(face_id, 0.5, 1) for face_id, _ in faces)
    vectors = [axis(number).astype("<f4").tobytes() for _, number in faces]
    return ExportedPerson(Person(person_id, faces=records, create_time_ms=1, update_time_ms=1), vectors)


async def test_an_import_brings_no_id_twice_and_may_come_again(house: UseCases) -> None:
    async def take(*people: ExportedPerson) -> tuple[int, int]:
        done = await house.transfer.take_in(ImportPart("staff", MODEL.sha256, people))
        return done.people_imported, done.faces_imported

    async def ids() -> dict[str, list[str]]:
        people = await house.store.list_people("staff", "", 9)
        return {person.person_id: [face.face_id for face in person.faces] for person in people}

    part = (exported("ada", ("1", 1)), exported("bob", ("1", 2), ("2", 3)))
    assert await take(*part) == (2, 3)
    first = await ids()
    assert first["ada"] == ["1"] and first["bob"][1] == "2" and len(first["bob"][0]) == 16
    assert await take(*part) == (0, 0)
    assert await take(exported("cyd", ("2", 4))) == (1, 1)
    assert await take(exported("cyd", ("2", 4))) == (0, 0)
    assert len({face_id for one in (await ids()).values() for face_id in one}) == 4
    # Though the first with the id is gone, the face of the second does not come twice.
    await house.people.delete("staff", "ada")
    assert await take(exported("bob", ("1", 2), ("2", 3))) == (0, 0)
    vector = await (await house.followers.fresh_view("staff")).vectors_of("bob")
    assert vector is not None and np.allclose(vector, [axis(2), axis(3)])


def at(left: float, number: int, size: float = 40) -> EmbeddedFace:
    return EmbeddedFace(FoundFace(Box(left, 10, left + size, 10 + size), 0.99, GOOD), axis(number))


async def test_a_box_says_which_face_is_meant(house: UseCases) -> None:
    house.faces.shows[b"group"] = [at(0, 1, 50), at(60, 2), at(120, 3)]
    answer = await house.register("bob", b"group", photo_boxes=[Box(65, 8, 102, 55)])
    assert answer.results[0].faces == [at(60, 2).face]
    view = await house.followers.fresh_view("staff")
    vectors = await view.vectors_of("bob")
    assert vectors is not None and np.allclose(vectors, [axis(2)])
    with pytest.raises(FailedPrecondition, match="photo_boxes") as error:
        await house.register("ada", b"group", photo_boxes=[Box(200, 200, 240, 240)])
    assert error.value.reason == "NO_FACE"
    with pytest.raises(FailedPrecondition) as error:
        await house.register("ada", b"group", photo_boxes=[None])
    assert error.value.reason == Refusal.SEVERAL_FACES.value


@pytest.mark.parametrize(
    "box", [Box(1, 1, 1, 2), Box(3, 1, 2, 2), Box(float("nan"), 0, 1, 1), Box(0, 0, float("inf"), 1)]
)
async def test_a_box_without_inside_is_refused(house: UseCases, box: Box) -> None:
    with pytest.raises(InvalidArgument) as error:
        await house.register("ada", b"1", photo_boxes=[box])
    assert error.value.metadata["field"] == "photo_boxes"
