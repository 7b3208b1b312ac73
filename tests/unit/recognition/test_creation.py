"""People without faces, who are filled later; and people who get another id."""

from dataclasses import replace

import pytest
from convoy.core.errors import AlreadyExists, InvalidArgument, NotFound, ResourceExhausted
from convoy.recognition.domain.caller import now_ms
from convoy.recognition.domain.edits import GalleryEdit, NewPerson, PersonEdit, PolicyEdit
from convoy.recognition.store.base import PersonChange

from tests.use_cases import UseCases

ADA = NewPerson("staff", "ada", "Ada", {"desk": "4"}, ("b", "a"))


async def test_a_person_without_faces_is_filled_by_register(house: UseCases) -> None:
    made = await house.creation.create(ADA)
    assert (made.person.tags, made.person.faces, made.version) == (("a", "b"), (), 2)
    answer = await house.register("ada", b"1", tags=["c"])
    person = await house.people.get("staff", "ada")
    assert answer.person == person
    assert (person.display_name, person.tags, len(person.faces)) == ("Ada", ("a", "b", "c"), 1)
    assert person.create_time_ms == made.person.create_time_ms
    gallery = await house.galleries.get("staff")
    assert (gallery.people, gallery.faces) == (1, 1)
    notes = [change.note.action for change in await house.store.list_changes("staff", 0, 2)]
    assert notes == ["Register", "CreatePerson"]


async def test_nobody_is_made_twice_but_the_same_request_may_come_again(house: UseCases) -> None:
    first = await house.creation.create(replace(ADA, request_id="r"))
    again = await house.creation.create(replace(ADA, request_id="r"))
    assert (again.person, again.version) == (first.person, first.version)
    with pytest.raises(AlreadyExists, match="ada") as error:
        await house.creation.create(ADA)
    assert error.value.reason == "PERSON_EXISTS"
    with pytest.raises(AlreadyExists) as error:
        await house.creation.create(replace(ADA, person_id="bob", request_id="r"))
    assert error.value.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    "wrong",
    [{"person_id": "a b"}, {"person_id": ""}, {"display_name": "x\n"}, {"tags": [""]}, {"expire_time_ms": 1}],
)
async def test_a_person_is_checked_as_in_a_registration(house: UseCases, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        await house.creation.create(replace(ADA, **wrong))  # type: ignore[arg-type]


async def test_a_full_gallery_takes_nobody(house: UseCases) -> None:
    await house.galleries.update(GalleryEdit("staff", None, PolicyEdit({"max_people": 1})))
    await house.creation.create(ADA)
    with pytest.raises(ResourceExhausted, match="people"):
        await house.creation.create(replace(ADA, person_id="bob"))
    # A renamed person is no other one.
    await house.creation.rename("staff", "ada", "bob", "")


async def test_a_person_who_has_expired_makes_room(house: UseCases) -> None:
    await house.register("ada", b"1", expire_time_ms=now_ms() + 3_600_000)
    gallery = await house.store.get_gallery("staff")
    [before] = await house.store.get_people("staff", ["ada"])
    assert before is not None
    gone = replace(before, expire_time_ms=1)
    note = (await house.store.list_changes("staff", 0, 1))[0].note
    await house.store.change_person(gallery, PersonChange("ada", before, gone), note, _no_request())
    made = await house.creation.create(ADA)
    assert made.person.faces == ()
    assert (await house.galleries.get("staff")).faces == 0


async def test_a_renamed_person_keeps_everything_but_the_id(house: UseCases) -> None:
    labels = ["one.jpg", "two.jpg"]
    await house.register("ada", b"1", b"1 again", photo_labels=labels, display_name="Ada", tags=["t"])
    before = await house.people.get("staff", "ada")
    moved = await house.creation.rename("staff", "ada", "ada.lovelace", "r")
    again = await house.creation.rename("staff", "ada", "ada.lovelace", "r")
    assert (again.person, again.version) == (moved.person, moved.version)
    after = await house.people.get("staff", "ada.lovelace")
    assert replace(after, update_time_ms=0) == replace(before, person_id="ada.lovelace", update_time_ms=0)
    assert list((await house.people.labels_of("staff", after)).values()) == labels
    with pytest.raises(NotFound):
        await house.people.get("staff", "ada")
    gallery = await house.galleries.get("staff")
    assert (gallery.people, gallery.faces) == (1, 2)
    view = await house.followers.fresh_view("staff")
    assert await view.people_with([before.faces[0].face_id]) == {before.faces[0].face_id: ["ada.lovelace"]}
    notes = {change.note.person_id: change.note.outcome for change in await house.store.list_changes("staff", 0, 2)}
    assert notes == {"ada": "is ada.lovelace now", "ada.lovelace": "was ada"}
    # The photos are hers under the new id, so nobody else can be registered with them.
    with pytest.raises(Exception, match=r"ada\.lovelace"):
        await house.register("bob", b"1")


async def test_a_taken_id_is_nobody_elses(house: UseCases) -> None:
    await house.register("ada", b"1")
    await house.register("bob", b"2")
    for new, error, reason in (("bob", AlreadyExists, "PERSON_EXISTS"), ("ada", InvalidArgument, "BAD_ARGUMENT")):
        with pytest.raises(error) as raised:
            await house.creation.rename("staff", "ada", new, "")
        assert raised.value.reason == reason
    with pytest.raises(InvalidArgument):
        await house.creation.rename("staff", "ada", "with space", "")
    with pytest.raises(NotFound, match="nobody"):
        await house.creation.rename("staff", "nobody", "somebody", "")


async def test_a_rename_meets_a_change_and_loses_nothing(house: UseCases) -> None:
    await house.register("ada", b"1")
    get = house.people.labels_of
    turns = 0

    async def labels_of(*asked: object) -> dict[str, str]:
        nonlocal turns
        turns += 1
        if turns == 1:
            await house.people.update(PersonEdit("staff", "ada", display_name="Ada"))
        return await get(*asked)  # type: ignore[arg-type]

    house.people.labels_of = labels_of  # type: ignore[method-assign]
    moved = await house.creation.rename("staff", "ada", "eve", "")
    assert (moved.person.display_name, turns) == ("Ada", 2)


def _no_request() -> object:
    from convoy.recognition.store.base import Idempotency

    return Idempotency()
