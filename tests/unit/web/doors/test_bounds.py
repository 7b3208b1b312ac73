"""However large a gallery or a picture is, a door asks the services for a bounded part of it at a time."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest
from convoy.core.errors import NotFound
from convoy.core.security.callers import ANYBODY
from convoy.v1 import common_pb2, faces_pb2, recognition_pb2
from convoy.web.doors.compreface.records import list_page
from convoy.web.doors.given import Given
from convoy.web.doors.keys import Admission
from convoy.web.doors.places import Places
from convoy.web.doors.rekognition.fields import Fields
from convoy.web.doors.rekognition.records import index

SIZE = common_pb2.Size(width=4000, height=4000)


class Asked:
    """Stands for doors.calls.Caller: answers by rule, and counts."""

    def __init__(self, answers: Callable[[str, Any], Any]) -> None:
        self.answers = answers
        self.places = Places()
        self.gallery = "home"
        self.admission = Admission("", self.gallery, ANYBODY)
        self.now = self.most = 0
        self.calls: list[str] = []

    def header(self, name: str) -> str:
        return ""

    async def ask(self, rpc: str, message: Any) -> Any:
        self.calls.append(rpc)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return self.answers(rpc.rpartition("/")[2], message)

    async def ask_about(self, rpc: str, message: Any) -> Any:
        return await self.ask(f"RecognitionService/{rpc}", message)


class Gallery:
    """People with so many faces each, listed by id; the token of a page is its last id. read: people given out."""

    def __init__(self, faces: dict[str, int], is_alias: bool = False) -> None:
        self.faces = faces
        self.read = 0
        self.is_alias = is_alias

    def answer(self, rpc: str, message: Any) -> Any:
        if rpc == "GetGallery":
            if self.is_alias:
                raise NotFound("GALLERY_NOT_FOUND", "none")
            gallery = recognition_pb2.Gallery(face_count=sum(self.faces.values()))
            return recognition_pb2.GetGalleryResponse(gallery=gallery)
        names = [name for name in sorted(self.faces) if name > message.page_token]
        page = names[: message.page_size]
        self.read += len(page)
        people = [
            recognition_pb2.Person(
                person_id=name,
                faces=[recognition_pb2.FaceRecord(face_id=f"{name}-{n:02}") for n in range(self.faces[name])],
            )
            for name in page
        ]
        return recognition_pb2.ListPeopleResponse(people=people, next_page_token=page[-1] if names[len(page) :] else "")

    @property
    def ids(self) -> list[str]:
        return [f"{name}-{n:02}" for name in sorted(self.faces) for n in range(self.faces[name])]


async def page_of(caller: Asked, page: int, size: int) -> dict[str, Any]:
    caller.calls.clear()
    return await list_page(caller, Given({"page": str(page), "size": str(size)}))  # type: ignore[arg-type]


@pytest.mark.parametrize("is_alias", [False, True])
async def test_every_page_of_many_faces_reads_about_itself(is_alias: bool) -> None:
    counts = (1, 0, 3, 1, 25, 1)
    gallery = Gallery({f"p{n:05}": counts[n % 6] for n in range(600)}, is_alias)
    caller, seen, size = Asked(gallery.answer), [], 20
    answer = await page_of(caller, 0, size)
    for page in range(answer["total_pages"]):
        gallery.read = 0
        answer = await page_of(caller, page, size)
        seen += [one["image_id"] for one in answer["faces"]]
        whole = 600 if is_alias else 0  # which it counts by reading
        assert gallery.read <= 3 * (size + 1) + whole, page
    assert seen == gallery.ids and answer["total_elements"] == len(seen)
    assert (await page_of(caller, answer["total_pages"], size))["faces"] == []


async def test_pages_may_be_asked_for_in_any_order() -> None:
    gallery = Gallery({f"p{n:05}": n % 4 for n in range(5000)})
    caller, ids = Asked(gallery.answer), gallery.ids
    for page, size in ((100, 20), (3, 20), (101, 20), (7, 1000), (0, 1), (1, 1), (7, 1000), (370, 20), (10**6, 20)):
        found = [one["image_id"] for one in (await page_of(caller, page, size))["faces"]]
        assert found == ids[page * size : (page + 1) * size], (page, size)


async def test_who_comes_or_goes_while_pages_are_read_hides_nobody_else() -> None:
    gallery = Gallery({f"p{n:05}": 1 for n in range(100)})
    caller, ids, seen = Asked(gallery.answer), gallery.ids, []
    for page in range(10):
        seen += [one["image_id"] for one in (await page_of(caller, page, 10))["faces"]]
        gallery.faces.pop(f"p{page:05}")
        gallery.faces[f"a{page}"] = 1
    assert seen == ids


async def test_places_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = Gallery({f"p{n:05}": 1 for n in range(3000)})
    caller = Asked(gallery.answer)
    monkeypatch.setattr("convoy.web.doors.places.MOST", 5)
    for page in range(100):
        await page_of(caller, page, 20)
    assert len(caller.places._found) == 5


async def test_a_crowd_is_indexed_a_few_faces_at_a_time() -> None:
    def answer(rpc: str, message: Any) -> Any:
        if rpc == "GetGallery":
            return recognition_pb2.GetGalleryResponse()
        if rpc == "Register":
            return recognition_pb2.RegisterResponse()
        count = min(message.options.max_faces or 10**6, 500)
        faces = [
            faces_pb2.Face(box=common_pb2.Box(x_min=n * 3 + 1, x_max=n * 3 + 1000 - n, y_max=100)) for n in range(count)
        ]
        return faces_pb2.DetectFacesResponse(results=[faces_pb2.Faces(faces=faces, image_size=SIZE)])

    def asked(**more: int) -> Fields:
        picture = {"Bytes": base64.b64encode(b"crowd").decode()}
        return Fields({"CollectionId": "home", "Image": picture} | more)

    for most, indexed in ((None, 100), (500, 100), (7, 7), (1, 1)):
        caller = Asked(answer)
        said: Any = await index(caller, asked(**({} if most is None else {"MaxFaces": most})))  # type: ignore[arg-type]
        assert len(said["FaceRecords"]) == indexed
        assert caller.calls.count("RecognitionService/Register") == indexed
        assert 1 < caller.most <= 4 or indexed == 1
        widths = [one["Face"]["BoundingBox"]["Width"] for one in said["FaceRecords"]]
        assert widths == sorted(widths, reverse=True)
        assert [one["Reasons"] for one in said["UnindexedFaces"]] == [["EXCEEDS_MAX_FACES"]] * (100 - indexed)
