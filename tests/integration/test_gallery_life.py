"""The life of a gallery as callers see it: export, import, merging, duplicates, names that stand for galleries."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from convoy.recognition.use_cases import transfer
from convoy.v1 import common_pb2, recognition_pb2_grpc
from convoy.v1 import recognition_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp

from tests.fake_faces import DIMENSION, FakeFaces, look, photo_of, picture, serving
from tests.serving import refusal, running

pytestmark = pytest.mark.redis
Stub = Any
MODEL = "cd" * 32


@pytest.fixture
async def faces() -> AsyncIterator[tuple[FakeFaces, str]]:
    fake = FakeFaces()
    async with serving(fake) as address:
        yield fake, address


@pytest.fixture
async def stub(redis_url: str, faces: tuple[FakeFaces, str], tmp_path: Path) -> AsyncIterator[Stub]:
    async with running("recognition", tmp_path, redis_url=redis_url, faces_address=faces[1]) as server:
        stub: Stub = recognition_pb2_grpc.RecognitionServiceStub(server.channel)
        await stub.CreateGallery(pb.CreateGalleryRequest(gallery="staff"))
        yield stub


async def register(stub: Stub, person: int, *photos: int, gallery: str = "staff", **more: Any) -> pb.RegisterResponse:
    images = [photo_of(person, photo) for photo in photos or (0,)]
    fields = {"gallery": gallery, "person_id": f"p{person}", "photos": images, **more}
    response: pb.RegisterResponse = await stub.Register(pb.RegisterRequest(**fields))
    return response


async def who(stub: Stub, person: int, **more: Any) -> str:
    request = pb.IdentifyRequest(**{"gallery": "staff", "image": photo_of(person, 5), **more})
    matches = (await stub.Identify(request)).faces[0].matches
    return matches[0].person_id if matches else ""


async def exported(stub: Stub, token: str = "") -> list[pb.ExportGalleryResponse]:
    return [part async for part in stub.ExportGallery(pb.ExportGalleryRequest(gallery="staff", page_token=token))]


async def imported(stub: Stub, people: Sequence[pb.ExportedPerson], **more: Any) -> pb.ImportGalleryResponse:
    request = pb.ImportGalleryRequest(**{"gallery": "copy", "model_sha256": MODEL, "people": people, **more})
    [answer] = [answer async for answer in stub.ImportGallery(iter([request]))]
    return answer


async def import_refusal(stub: Stub, people: Sequence[pb.ExportedPerson], **more: Any) -> str:
    async def call(request: Sequence[pb.ExportedPerson]) -> pb.ImportGalleryResponse:
        return await imported(stub, request, **more)

    return (await refusal(call, people)).reason


class TestTransfer:
    async def test_everybody_comes_back_as_they_were(self, stub: Stub) -> None:
        await register(stub, 1, 0, 1, display_name="Ada", metadata={"desk": "4"}, tags=["red"])
        await register(stub, 2, expire_time=Timestamp(seconds=4_000_000_000))
        [part] = await exported(stub)
        assert part.gallery.name == "staff" and part.gallery.model_sha256 == MODEL and not part.next_page_token
        assert [np.frombuffer(e, "<f4").size for one in part.people for e in one.embeddings] == [DIMENSION] * 3
        await stub.CreateGallery(pb.CreateGalleryRequest(gallery="copy"))
        answer = await imported(stub, part.people)
        assert (answer.people_imported, answer.faces_imported) == (2, 3)
        for person in ("p1", "p2"):
            there, here = [
                (await stub.GetPerson(pb.GetPersonRequest(gallery=name, person_id=person))).person
                for name in ("staff", "copy")
            ]
            assert here == there
        assert await who(stub, 1, gallery="copy", min_version=answer.version) == "p1"
        again = await imported(stub, part.people)
        assert (again.people_imported, again.people_unchanged, again.version) == (0, 2, answer.version)
        status = await stub.GetGalleryStatus(pb.GetGalleryStatusRequest(gallery="copy", verify=True))
        assert status.index_checksum == status.store_checksum

    async def test_an_export_goes_on_where_it_was_cut(self, stub: Stub) -> None:
        requests = [pb.RegisterRequest(gallery="staff", person_id=f"{i:03}", photos=[photo_of(i)]) for i in range(230)]
        answers = stub.RegisterMany(iter([pb.RegisterManyRequest(request=request) for request in requests]))
        assert [answer.HasField("response") async for answer in answers] == [True] * 230
        whole = await exported(stub)
        assert [len(part.people) for part in whole] == [100, 100, 30]
        rest = await exported(stub, whole[0].next_page_token)
        assert [one.person.person_id for part in rest for one in part.people] == [f"{i:03}" for i in range(100, 230)]

    async def test_a_part_ends_where_its_faces_are_too_many_for_a_message(
        self, stub: Stub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transfer, "FACES_AT_ONCE", 3)
        for person, faces in ((1, 2), (2, 1), (3, 4), (4, 1), (5, 1)):
            await register(stub, person, *range(faces))
        parts = await exported(stub)
        assert [[one.person.person_id for one in part.people] for part in parts] == [["p1", "p2"], ["p3"], ["p4", "p5"]]
        assert [bool(part.next_page_token) for part in parts] == [True, True, False]

    async def test_into_a_gallery_with_people_only_what_is_missing_comes(self, stub: Stub) -> None:
        await register(stub, 1, 0, 1, display_name="Ada")
        [part] = await exported(stub)
        lost = part.people[0].person.faces[0].face_id
        await stub.DeleteFace(pb.DeleteFaceRequest(gallery="staff", person_id="p1", face_id=lost))
        change = pb.UpdatePersonRequest(gallery="staff", person_id="p1", display_name="Countess", metadata={"a": "b"})
        await stub.UpdatePerson(change)
        answer = await imported(stub, part.people, gallery="staff")
        assert (answer.people_imported, answer.faces_imported, answer.people_unchanged) == (1, 1, 0)
        person = (await stub.GetPerson(pb.GetPersonRequest(gallery="staff", person_id="p1"))).person
        assert (person.display_name, dict(person.metadata)) == ("Countess", {"a": "b"})
        assert {face.face_id for face in person.faces} == {face.face_id for face in part.people[0].person.faces}

    async def test_what_cannot_be_kept_is_refused(self, stub: Stub, faces: tuple[FakeFaces, str]) -> None:
        await register(stub, 1)
        [part] = await exported(stub)
        [ada] = part.people
        assert await import_refusal(stub, [ada]) == "GALLERY_NOT_FOUND"
        await stub.CreateGallery(pb.CreateGalleryRequest(gallery="copy", policy=pb.GalleryPolicy(max_people=1)))
        assert await import_refusal(stub, [ada], model_sha256="ef" * 32) == "MODEL_MISMATCH"
        unit = np.eye(1, DIMENSION, dtype="<f4").tobytes()
        for embeddings in ([], [b"\0\0"], [unit[4:]], [bytes(4 * DIMENSION)], [b"\0\0\xc0\x7f" + unit[4:]]):
            assert await import_refusal(stub, [pb.ExportedPerson(person=ada.person, embeddings=embeddings)]) == (
                "BAD_ARGUMENT"
            )
        marvel = pb.ExportedPerson()
        marvel.CopyFrom(ada)
        for quality in (math.nan, -0.1, 1.1):
            marvel.person.faces[0].quality = quality
            assert await import_refusal(stub, [marvel]) == "BAD_ARGUMENT"
        nameless = pb.ExportedPerson(person=pb.Person(person_id="two words"))
        assert await import_refusal(stub, [nameless]) == await import_refusal(stub, [ada, ada]) == "BAD_ARGUMENT"
        gone = pb.ExportedPerson(person=pb.Person(person_id="gone", expire_time=Timestamp(seconds=1)))
        assert (await imported(stub, [gone])).people_expired == 1
        second = pb.ExportedPerson(person=pb.Person(person_id="second"))
        assert await import_refusal(stub, [ada, second]) == "GALLERY_FULL"

    async def test_who_took_a_gallery_along_is_told_in_the_audit(self, stub: Stub) -> None:
        await exported(stub)
        [event, *_] = (await stub.ListAuditEvents(pb.ListAuditEventsRequest(gallery="staff"))).events
        assert (event.action, event.person_id) == ("ExportGallery", "")


class TestMerging:
    async def test_two_people_become_one_in_one_step(self, stub: Stub) -> None:
        await register(stub, 1, 0, 1, display_name="Ada", metadata={"a": "1"}, tags=["x"])
        await register(stub, 2, metadata={"a": "2", "b": "2"}, tags=["y"])
        request = pb.MergePeopleRequest(gallery="staff", person_id="p1", merged_person_id="p2", request_id="once")
        merged = await stub.MergePeople(request)
        assert (merged.person.display_name, dict(merged.person.metadata)) == ("Ada", {"a": "1", "b": "2"})
        assert (len(merged.person.faces), merged.person.tags) == (3, ["x", "y"])
        assert await who(stub, 2, min_version=merged.version) == "p1"
        gone = pb.GetPersonRequest(gallery="staff", person_id="p2")
        assert (await refusal(stub.GetPerson, gone)).reason == "PERSON_NOT_FOUND"
        assert await stub.MergePeople(request) == merged
        status = await stub.GetGalleryStatus(pb.GetGalleryStatusRequest(gallery="staff", verify=True))
        assert status.index_checksum == status.store_checksum and status.indexed_faces == 3

    async def test_only_two_who_are_there_can_be_merged(self, stub: Stub) -> None:
        await register(stub, 1)
        for other, reason in (("p1", "BAD_ARGUMENT"), ("p9", "PERSON_NOT_FOUND")):
            request = pb.MergePeopleRequest(gallery="staff", person_id="p1", merged_person_id=other)
            assert (await refusal(stub.MergePeople, request)).reason == reason


async def test_people_who_look_alike_are_found_in_pages(stub: Stub) -> None:
    for person in (1, 2, 3):
        await register(stub, person, 0, 1)
    twin = pb.RegisterRequest(
        gallery="staff", person_id="p0", photos=[photo_of(2, 7), photo_of(2, 8)], allow_identity_conflict=True
    )
    await stub.Register(twin)
    pages, token = [], ""
    while True:
        request = pb.FindDuplicatesRequest(gallery="staff", page_size=1, page_token=token, match_threshold=0.7)
        page = await stub.FindDuplicates(request)
        pages.append(page)
        if not (token := page.next_page_token):
            break
    assert [len(page.duplicates) for page in pages] == [1, 0, 0, 0]
    [pair] = pages[0].duplicates
    assert (pair.person_id, pair.other_person_id) == ("p0", "p2")
    best = max(float(np.dot(look(2, i), look(2, j))) for i in (7, 8) for j in (0, 1))
    assert pair.similarity == pytest.approx(best, abs=1e-5)
    by_policy = await stub.FindDuplicates(pb.FindDuplicatesRequest(gallery="staff"))
    assert [one.other_person_id for one in by_policy.duplicates] == ["p2"] and 0 < by_policy.match_threshold < 1


async def test_people_whose_faces_disagree_are_found_in_pages(stub: Stub) -> None:
    await register(stub, 2)
    for person_id, photos in (
        ("p1", [photo_of(1, 0), photo_of(2, 5), photo_of(1, 1)]),
        ("p3", [photo_of(3), photo_of(10)]),
        ("p5", [photo_of(5, 0), photo_of(5, 1)]),
        ("p6", [photo_of(6, 0), photo_of(6, 1), photo_of(7, 0)]),
    ):
        asked = pb.RegisterRequest(gallery="staff", person_id=person_id, photos=photos)
        asked.allow_different = asked.allow_identity_conflict = True
        assert len((await stub.Register(asked)).person.faces) == len(photos)
    found, token, pages = [], "", 0
    while True:
        request = pb.FindDisagreementsRequest(gallery="staff", page_size=2, page_token=token)
        page = await stub.FindDisagreements(request)
        found += page.disagreements
        pages += 1
        if not (token := page.next_page_token):
            break
    assert pages == 3
    said = [(one.person_id, pb.DisagreementReason.Name(one.reason)[20:], one.other_person_id) for one in found]
    assert said == [
        ("p1", "SOMEBODY_ELSE", "p2"),
        ("p3", "UNDECIDED", ""),
        ("p3", "UNDECIDED", ""),
        ("p6", "OTHER_PERSON", ""),
    ]
    people = {one.person_id: one for one in (await stub.ListPeople(pb.ListPeopleRequest(gallery="staff"))).people}
    assert [found[0].face_id, found[3].face_id] == [people["p1"].faces[1].face_id, people["p6"].faces[2].face_id]
    nearest = max(float(np.dot(look(2, 5), look(1, i))) for i in (0, 1))
    assert found[0].similarity == pytest.approx(nearest, abs=1e-5)
    assert found[0].other_similarity == pytest.approx(float(np.dot(look(2, 5), look(2, 0))), abs=1e-5)
    await stub.DeleteFace(pb.DeleteFaceRequest(gallery="staff", person_id="p1", face_id=found[0].face_id))
    request = pb.FindDisagreementsRequest(gallery="staff")
    assert {one.person_id for one in (await stub.FindDisagreements(request)).disagreements} == {"p3", "p6"}


class TestAliases:
    async def test_a_name_stands_for_another_gallery_at_one_moment(self, stub: Stub) -> None:
        await register(stub, 1)
        await stub.CreateGallery(pb.CreateGalleryRequest(gallery="staff-2"))
        await register(stub, 2, gallery="staff-2")
        said = await stub.SetGalleryAlias(pb.SetGalleryAliasRequest(alias="staff", gallery="staff-2"))
        assert said.grants == (
            "Whoever has the scope gallery:staff:read may now search staff-2 by the name staff, and whoever has "
            "gallery:staff:write may change who is in staff-2."
        )
        assert (await who(stub, 1), await who(stub, 2)) == ("", "p2")
        verify = pb.VerifyRequest(probe=photo_of(2, 5), person=pb.PersonRef(gallery="staff", person_id="p2"))
        assert (await stub.Verify(verify)).is_match
        assert (await stub.GetGallery(pb.GetGalleryRequest(gallery="staff"))).gallery.name == "staff"
        [alias] = (await stub.ListGalleryAliases(pb.ListGalleryAliasesRequest())).aliases
        assert (alias.alias, alias.gallery) == ("staff", "staff-2")
        assert not (await stub.SetGalleryAlias(pb.SetGalleryAliasRequest(alias="staff"))).grants
        assert (await who(stub, 1), await who(stub, 2)) == ("p1", "")
        events = (await stub.ListAuditEvents(pb.ListAuditEventsRequest(gallery="staff-2"))).events
        assert [event.outcome for event in events if event.action == "SetGalleryAlias"] == [
            "staff stands for it no more",
            "staff stands for it",
        ]

    async def test_an_alias_is_a_name_for_a_gallery_that_is_there(self, stub: Stub) -> None:
        for alias, gallery, reason in (("No name", "staff", "BAD_ARGUMENT"), ("door", "none", "GALLERY_NOT_FOUND")):
            request = pb.SetGalleryAliasRequest(alias=alias, gallery=gallery)
            assert (await refusal(stub.SetGalleryAlias, request)).reason == reason


async def test_one_face_at_two_replicas_at_once_is_kept_under_one_name(
    redis_url: str, faces: tuple[FakeFaces, str], tmp_path: Path
) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
    start = {"redis_url": redis_url, "faces_address": faces[1]}
    async with (
        running("recognition", tmp_path / "one", **start) as one,
        running("recognition", tmp_path / "two", **start) as two,
    ):
        stubs = [recognition_pb2_grpc.RecognitionServiceStub(server.channel) for server in (one, two)]
        await stubs[0].CreateGallery(pb.CreateGalleryRequest(gallery="staff"))
        for face in range(20):
            requests = [
                pb.RegisterRequest(gallery="staff", person_id=f"{face}-{i}", photos=[photo_of(face, i)])
                for i in range(2)
            ]
            calls = (stub.Register(request) for stub, request in zip(stubs, requests, strict=True))
            outcomes = await asyncio.gather(*calls, return_exceptions=True)
            refused = [outcome for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
            assert len(refused) == 1 and refused[0].code() is grpc.StatusCode.FAILED_PRECONDITION
        gallery = (await stubs[1].GetGallery(pb.GetGalleryRequest(gallery="staff"))).gallery
        assert gallery.people_count == 20


async def test_a_gallery_is_bound_to_the_embedder_that_was_asked_for(stub: Stub, faces: tuple[FakeFaces, str]) -> None:
    faces[0].others["2"] = "ef" * 32
    asked = pb.CreateGalleryRequest(gallery="next", model=common_pb2.ModelRef(name="fake-embedder", version="2"))
    made = (await stub.CreateGallery(asked)).gallery
    assert (made.model.version, made.model_sha256) == ("2", "ef" * 32)
    await register(stub, 1, gallery="next")
    await register(stub, 2)
    assert (await who(stub, 1, gallery="next"), await who(stub, 2)) == ("p1", "p2")
    assert {"", "1", "2"} >= set(faces[0].asked) and "2" in faces[0].asked
    unknown = pb.CreateGalleryRequest(gallery="other", model=common_pb2.ModelRef(name="fake-embedder", version="3"))
    assert (await refusal(stub.CreateGallery, unknown)).reason == "MODEL_NOT_FOUND"
    del faces[0].others["2"]
    request = pb.IdentifyRequest(gallery="next", image=picture(look(1)))
    assert (await refusal(stub.Identify, request)).reason == "MODEL_MISMATCH"
