"""Pages of the faces on record, by their number, as CompreFace's clients ask for them."""

from convoy.core.errors import NotFound
from convoy.v1 import recognition_pb2
from convoy.web.doors.calls import RECOGNITION, Caller
from convoy.web.doors.people import PAGE, everybody
from convoy.web.doors.places import Place

Shown = tuple[str, recognition_pb2.Person]
"""The id of a face, and whose it is."""


async def read_page(caller: Caller, page: int, size: int) -> list[Shown]:
    """The faces of a page; at most `size`. It reads that page alone if the page before was asked for last."""
    known, place = caller.places.nearest(caller.gallery, size, page)
    if place.is_end:
        return []
    passed = place.faces + (page - known) * size
    found: list[Shown] = []
    request = recognition_pb2.ListPeopleRequest(
        gallery=caller.gallery, page_token=place.token, page_size=PAGE if known < page else min(size + 1, PAGE)
    )
    while True:
        people = await caller.ask_about("ListPeople", request)
        faces = [(face.face_id, person) for person in people.people for face in person.faces]
        taken = faces[passed : passed + size - len(found)]
        found += taken
        after = Place(request.page_token, passed + len(taken))
        if after.faces >= len(faces):
            after = Place(people.next_page_token, after.faces - len(faces), is_end=not people.next_page_token)
        if len(found) == size or after.is_end:
            caller.places.note(caller.gallery, size, page + 1, after)
            return found
        request.page_token, passed = after.token, after.faces


async def count_faces(caller: Caller) -> int:
    """How many faces the gallery has."""
    request = recognition_pb2.GetGalleryRequest(gallery=caller.gallery)
    try:
        return int((await caller.ask(f"{RECOGNITION}/GetGallery", request)).gallery.face_count)
    except NotFound:
        # The name is an alias, which GetGallery does not follow.
        return sum([len(person.faces) async for person in everybody(caller)])
