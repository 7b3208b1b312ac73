"""Names as these systems know people -> people of a gallery, and back.

There a name is the person. Here the person has an id, and a name for people to read: a client's name is looked up as it
stands first (`Joe_Biden`, whom somebody else may have registered), then as the id that this door makes of it, which is
the same however the name is capitalised, then as the name for people to read, since that is what clients are shown. The
answer has the name as it was first sent. Where several people are shown under one name, nobody can tell who is meant.
"""

from collections.abc import AsyncIterator

from convoy.core.errors import FailedPrecondition, InvalidArgument, NotFound
from convoy.core.names import MOST_ID, composed, id_of_name, ids_of_name, is_id
from convoy.v1 import recognition_pb2
from convoy.web.doors.calls import Caller

PAGE = 1000


def person_id_of(name: str) -> str:
    """The id of a person who is new, whom a client names. Raises InvalidArgument(BAD_ARGUMENT)."""
    person_id = id_of_name(name)
    if not is_id(person_id):
        raise InvalidArgument("BAD_ARGUMENT", f"a name has 1 to {MOST_ID} characters")
    return person_id


def name_of(person: recognition_pb2.Person | recognition_pb2.Match) -> str:
    """The name that clients get."""
    return person.display_name or person.person_id


async def find_person(caller: Caller, name: str) -> recognition_pb2.Person | None:
    """The person of a name; None for nobody.

    Raises InvalidArgument(BAD_ARGUMENT), FailedPrecondition(SEVERAL_PEOPLE).
    """
    person_id_of(name)
    for person_id in ids_of_name(name):
        request = recognition_pb2.GetPersonRequest(gallery=caller.gallery, person_id=person_id)
        try:
            found: recognition_pb2.Person = (await caller.ask_about("GetPerson", request)).person
            return found
        except NotFound as error:
            if error.reason != "PERSON_NOT_FOUND":
                raise
    wanted = composed(name).casefold()
    only: recognition_pb2.Person | None = None
    async for person in everybody(caller, name):
        if person.display_name.casefold() != wanted:
            continue
        if only is not None:
            raise FailedPrecondition("SEVERAL_PEOPLE", "several people have this name; name one by the id")
        only = person
    return only


async def need_person(caller: Caller, name: str) -> recognition_pb2.Person:
    """The person of a name. Raises NotFound(PERSON_NOT_FOUND) and what find_person raises."""
    if (person := await find_person(caller, name)) is None:
        raise NotFound("PERSON_NOT_FOUND", "the gallery has nobody of this name")
    return person


async def everybody(caller: Caller, called: str = "") -> AsyncIterator[recognition_pb2.Person]:
    """Everybody in the gallery, by id. called: only those with this name to read, in any case."""
    # A service of an earlier version knows no display_name here, and looks for the text.
    request = recognition_pb2.ListPeopleRequest(
        gallery=caller.gallery, page_size=PAGE, name_contains=called, display_name=called
    )
    while True:
        page = await caller.ask_about("ListPeople", request)
        for person in page.people:
            yield person
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


async def delete_person(caller: Caller, person_id: str) -> int:
    """Delete a person; gives how many faces that were. Raises NotFound(PERSON_NOT_FOUND)."""
    request = recognition_pb2.DeletePersonRequest(gallery=caller.gallery, person_id=person_id)
    return int((await caller.ask_about("DeletePerson", request)).faces_deleted)
