"""Subjects: the people of the gallery."""

import uuid
from typing import Any

from convoy.core.errors import AlreadyExists, NotFound
from convoy.v1 import recognition_pb2
from convoy.web.doors.calls import Caller
from convoy.web.doors.compreface.requests import subject_of
from convoy.web.doors.given import Given
from convoy.web.doors.people import delete_person, everybody, find_person, name_of, need_person, person_id_of


async def list_all(caller: Caller, given: Given) -> dict[str, object]:
    """The names of everybody."""
    return {"subjects": [name_of(person) async for person in everybody(caller)]}


async def add(caller: Caller, given: Given) -> dict[str, object]:
    """Make a person without faces. Raises AlreadyExists(PERSON_EXISTS)."""
    name = subject_of(given)
    if await find_person(caller, name) is not None:
        raise AlreadyExists("PERSON_EXISTS", "there is a subject of this name already")
    request = recognition_pb2.CreatePersonRequest(
        gallery=caller.gallery, person_id=person_id_of(name), display_name=name, request_id=str(uuid.uuid4())
    )
    await caller.ask_about("CreatePerson", request)
    return {"subject": name}


async def rename(caller: Caller, given: Given, subject: str) -> dict[str, object]:
    """Give a person another name; if somebody has it, the two become one. Raises NotFound(PERSON_NOT_FOUND)."""
    name = subject_of(given)
    person = await need_person(caller, subject)
    taken = await find_person(caller, name)
    if taken is not None and taken.person_id != person.person_id:
        merge = recognition_pb2.MergePeopleRequest(
            gallery=caller.gallery, person_id=taken.person_id, merged_person_id=person.person_id
        )
        await caller.ask_about("MergePeople", merge)
        return {"updated": True}
    person_id = person_id_of(name)
    if taken is None:
        move = recognition_pb2.RenamePersonRequest(
            gallery=caller.gallery, person_id=person.person_id, new_person_id=person_id
        )
        await caller.ask_about("RenamePerson", move)
    else:
        person_id = person.person_id
    change: Any = recognition_pb2.UpdatePersonRequest(gallery=caller.gallery, person_id=person_id, display_name=name)
    await caller.ask_about("UpdatePerson", change)
    return {"updated": True}


async def delete(caller: Caller, given: Given, subject: str) -> dict[str, object]:
    """Delete a person. Raises NotFound(PERSON_NOT_FOUND)."""
    person = await need_person(caller, subject)
    await delete_person(caller, person.person_id)
    return {"subject": name_of(person)}


async def delete_all(caller: Caller, given: Given) -> dict[str, object]:
    """Delete everybody, one after the other: the gallery stays, with its policy and its audit."""
    people, _ = await empty(caller)
    return {"deleted": people}


async def empty(caller: Caller) -> tuple[int, int]:
    """Delete everybody; gives how many people and faces that were."""
    people = faces = 0
    for person_id in [person.person_id async for person in everybody(caller)]:
        try:
            faces += await delete_person(caller, person_id)
            people += 1
        except NotFound as error:
            # Somebody else deleted them meanwhile.
            if error.reason != "PERSON_NOT_FOUND":
                raise
    return people, faces
