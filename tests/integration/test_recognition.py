"""The recognition service as its callers see it: a real server, a real Redis, a face service that can be foreseen."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from convoy.testing.redis_servers import RedisServer
from convoy.v1 import recognition_pb2 as pb
from convoy.v1 import recognition_pb2_grpc
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.fake_faces import NOT_AN_IMAGE, FakeFaces, look, photo_of, picture, serving
from tests.serving import Running, read_refusal, refusal, running

pytestmark = pytest.mark.redis
Stub = Any


@pytest.fixture
async def faces() -> AsyncIterator[tuple[FakeFaces, str]]:
    fake = FakeFaces()
    async with serving(fake) as address:
        yield fake, address


@pytest.fixture
async def server(redis_url: str, faces: tuple[FakeFaces, str], tmp_path: Path) -> AsyncIterator[Running]:
    async with running("recognition", tmp_path, redis_url=redis_url, faces_address=faces[1]) as one:
        yield one


@pytest.fixture
def stub(server: Running) -> Stub:
    return recognition_pb2_grpc.RecognitionServiceStub(server.channel)


@pytest.fixture
async def staff(stub: Stub) -> str:
    await stub.CreateGallery(pb.CreateGalleryRequest(gallery="staff", description="who works here"))
    return "staff"


async def register(stub: Stub, person: int, *photos: int, **more: Any) -> pb.RegisterResponse:
    images = [photo_of(person, photo) for photo in photos or (0,)]
    fields = {"gallery": "staff", "person_id": f"p{person}", "photos": images, **more}
    response: pb.RegisterResponse = await stub.Register(pb.RegisterRequest(**fields))
    return response


async def who(stub: Stub, image: Any, **more: Any) -> pb.IdentifyResponse:
    response: pb.IdentifyResponse = await stub.Identify(pb.IdentifyRequest(gallery="staff", image=image, **more))
    return response


async def becomes(stub: Stub, wanted: int) -> None:
    for _ in range(400):
        health = await stub.Check(health_pb2.HealthCheckRequest())
        if health.status == wanted:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"health does not become {wanted}")


class TestStory:
    async def test_an_unknown_face_is_registered_and_then_known(self, stub: Stub, staff: str) -> None:
        before = (await who(stub, photo_of(1, 5, score=0.4, sharpness=0.2))).faces[0]
        quality = before.face.quality
        assert (quality.score, quality.sharpness, quality.size) == pytest.approx((0.4, 0.2, 0.9))
        assert (before.decision, len(before.matches), before.margin) == (pb.DECISION_NO_MATCH, 0, 2.0)
        registered = await register(stub, 1, 0, 1, display_name="Grace", metadata={"team": "navy"})
        assert [result.accepted for result in registered.results] == [True, True]
        await register(stub, 2)
        after = await who(stub, picture(look(1, 5), look(3)), min_version=registered.version)
        known, stranger = after.faces
        assert known.decision == pb.DECISION_MATCH
        assert (known.matches[0].person_id, known.matches[0].display_name) == ("p1", "Grace")
        assert dict(known.matches[0].metadata) == {"team": "navy"}
        assert known.matches[0].similarity > known.match_threshold
        assert known.matches[0].face_id in {face.face_id for face in registered.person.faces}
        assert stranger.decision == pb.DECISION_NO_MATCH
        assert after.gallery_size == 3 and after.version >= registered.version
        assert not known.face.HasField("embedding")

    async def test_a_person_is_found_listed_and_deleted_for_good(self, stub: Stub, staff: str) -> None:
        await register(stub, 1, 0, 1)
        await register(stub, 2)
        person = (await stub.GetPerson(pb.GetPersonRequest(gallery=staff, person_id="p1"))).person
        assert len(person.faces) == 2 and person.create_time == person.update_time
        page = await stub.ListPeople(pb.ListPeopleRequest(gallery=staff, page_size=1))
        assert [one.person_id for one in page.people] == ["p1"]
        rest = await stub.ListPeople(pb.ListPeopleRequest(gallery=staff, page_size=1, page_token=page.next_page_token))
        assert [one.person_id for one in rest.people] == ["p2"] and not rest.next_page_token
        deleted = await stub.DeletePerson(pb.DeletePersonRequest(gallery=staff, person_id="p1"))
        assert deleted.faces_deleted == 2
        assert (await who(stub, photo_of(1, 5))).faces[0].decision == pb.DECISION_NO_MATCH
        gone = await refusal(stub.GetPerson, pb.GetPersonRequest(gallery=staff, person_id="p1"))
        assert (gone.code, gone.reason) == (grpc.StatusCode.NOT_FOUND, "PERSON_NOT_FOUND")

    async def test_one_to_one(self, stub: Stub, staff: str) -> None:
        await register(stub, 1)
        person = pb.PersonRef(gallery=staff, person_id="p1")
        same = await stub.Verify(pb.VerifyRequest(probe=photo_of(1, 5), person=person))
        assert same.is_match and same.similarity > 0.9 and same.match_threshold == pytest.approx(0.5)
        assert not (await stub.Verify(pb.VerifyRequest(probe=photo_of(2), person=person))).is_match
        assert (await stub.Verify(pb.VerifyRequest(probe=photo_of(2), photo=photo_of(2, 7)))).is_match
        assert same.faces_found == 1 and not same.HasField("reference_face") and not same.reference_faces_found
        probe, other = picture(look(1, 5), look(2)), picture(look(1), look(3), look(2))
        several = await stub.Verify(pb.VerifyRequest(probe=probe, photo=other))
        assert several.is_match and (several.faces_found, several.reference_faces_found) == (2, 3)
        for face in (several.face, several.reference_face):
            assert face.box.x_max == 100 and not face.HasField("embedding")
        strict = pb.VerifyRequest(probe=photo_of(1, 5), person=person, false_match_rate=1e-5)
        assert (await stub.Verify(strict)).match_threshold == pytest.approx(0.4)
        unknown = pb.VerifyRequest(probe=photo_of(1), person=pb.PersonRef(gallery=staff, person_id="p9"))
        assert (await refusal(stub.Verify, unknown)).reason == "PERSON_NOT_FOUND"
        assert (await refusal(stub.Verify, pb.VerifyRequest(probe=photo_of(1)))).reason == "BAD_ARGUMENT"
        assert (await refusal(stub.Verify, pb.VerifyRequest(probe=picture(), person=person))).reason == "NO_FACE"


class TestRegister:
    @pytest.mark.parametrize(
        ("photo", "refused", "hint"),
        [
            (picture(), "NO_FACE", "no face was found"),
            (picture(look(1), look(2), look(3)), "SEVERAL_FACES", "3 faces were found; crop the photo to one person"),
            (photo_of(1, score=0.2, size=0.1), "TOO_SMALL", "too small"),
            (photo_of(1, score=0.2, sharpness=0.1), "BLURRED", "blurred"),
            (photo_of(1, score=0.2, frontality=0.1), "EXTREME_POSE", "from the side"),
            (photo_of(1, score=0.2, exposure=0.1), "LOW_QUALITY", "light"),
            (photo_of(1, score=0.2, size=0.1, sharpness=0.1), "LOW_QUALITY", "too small"),
        ],
    )
    async def test_a_photo_that_cannot_be_taken(
        self, stub: Stub, staff: str, photo: Any, refused: str, hint: str
    ) -> None:
        request = pb.RegisterRequest(gallery=staff, person_id="ada", photos=[photo])
        failed = await refusal(stub.Register, request)
        assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, refused)
        assert hint in failed.message
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.Register(request)
        status = status_pb2.Status.FromString(dict(error.value.trailing_metadata())["grpc-status-details-bin"])
        found = pb.RegisterResponse()
        assert any(detail.Unpack(found) for detail in status.details)
        assert pb.PhotoRefusal.Name(found.results[0].refusal) == f"PHOTO_REFUSAL_{refused}"
        assert (await stub.ListPeople(pb.ListPeopleRequest(gallery=staff))).people == []

    async def test_each_photo_is_judged_for_itself(self, stub: Stub, staff: str) -> None:
        await register(stub, 2)
        photos = [NOT_AN_IMAGE, picture(), photo_of(1), photo_of(1), photo_of(2, 3), photo_of(1, 2)]
        response = await stub.Register(pb.RegisterRequest(gallery=staff, person_id="p1", photos=photos))
        assert [pb.PhotoRefusal.Name(result.refusal)[14:] for result in response.results] == [
            "BAD_IMAGE",
            "NO_FACE",
            "UNSPECIFIED",
            "DUPLICATE",
            "IDENTITY_CONFLICT",
            "UNSPECIFIED",
        ]
        assert response.results[4].conflicting_person_id == "p2"
        accepted = [result.face_id for result in response.results if result.accepted]
        assert [face.face_id for face in response.person.faces] == accepted

    async def test_bytes_that_are_no_picture(self, stub: Stub, staff: str) -> None:
        failed = await refusal(stub.Register, pb.RegisterRequest(gallery=staff, person_id="ada", photos=[NOT_AN_IMAGE]))
        assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "NOT_AN_IMAGE")

    async def test_the_largest_of_several_faces_is_taken_when_asked(self, stub: Stub, staff: str) -> None:
        photos = [picture(look(1), look(2))]
        await register(stub, 1, photos=photos, use_largest_face=True)
        assert (await who(stub, photo_of(1, 5))).faces[0].decision == pb.DECISION_MATCH
        assert (await who(stub, photo_of(2, 5))).faces[0].decision == pb.DECISION_NO_MATCH

    async def test_a_second_registration_says_how_to_add(self, stub: Stub, staff: str) -> None:
        await register(stub, 1, 0, metadata={"a": "1"})
        failed = await refusal(lambda: register(stub, 1, 1))
        assert (failed.code, failed.reason) == (grpc.StatusCode.ALREADY_EXISTS, "PERSON_EXISTS")
        assert "add_faces" in failed.message
        added = await register(stub, 1, 1, add_faces=True, metadata={"b": "2"})
        assert len(added.person.faces) == 2 and dict(added.person.metadata) == {"a": "1", "b": "2"}

    async def test_a_repeated_request_gets_its_first_answer(self, stub: Stub, staff: str) -> None:
        first = await register(stub, 1, 0, request_id="once")
        assert await register(stub, 1, 0, request_id="once") == first
        assert (await stub.GetGallery(pb.GetGalleryRequest(gallery=staff))).gallery.version == first.version

    async def test_a_request_that_comes_several_times_at_once_gets_one_answer(self, stub: Stub, staff: str) -> None:
        answers = await asyncio.gather(*(register(stub, 1, 0, request_id="at once") for _ in range(8)))
        assert all(answer == answers[0] for answer in answers)
        await register(stub, 2)
        merge = pb.MergePeopleRequest(gallery=staff, person_id="p1", merged_person_id="p2", request_id="merge at once")
        merged = await asyncio.gather(*(stub.MergePeople(merge) for _ in range(8)))
        assert all(answer == merged[0] for answer in merged)

    @pytest.mark.parametrize("token", ["z\nfake line", "z" * 129, "two words"])
    async def test_a_page_token_that_nobody_gave_is_refused(self, stub: Stub, staff: str, token: str) -> None:
        failed = await refusal(stub.ListPeople, pb.ListPeopleRequest(gallery=staff, page_token=token))
        assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_ARGUMENT")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            async for _ in stub.ExportGallery(pb.ExportGalleryRequest(gallery=staff, page_token=token)):
                pass
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT

    async def test_twins_are_registered_when_allowed_and_told_apart_by_nobody(self, stub: Stub, staff: str) -> None:
        await register(stub, 1, 0)
        twin = pb.RegisterRequest(gallery=staff, person_id="twin", photos=[photo_of(1, 1)])
        assert (await refusal(stub.Register, twin)).reason == "IDENTITY_CONFLICT"
        twin.allow_identity_conflict = True
        await stub.Register(twin)
        face = (await who(stub, photo_of(1, 2), top_k=1)).faces[0]
        assert face.decision == pb.DECISION_AMBIGUOUS and len(face.matches) == 1 and face.margin < 0.1

    async def test_a_stream_of_people_is_answered_in_order(self, stub: Stub, staff: str) -> None:
        requests = [
            pb.RegisterRequest(gallery=staff, person_id=f"p{i}", photos=[photo_of(i) if i != 3 else picture()])
            for i in range(20)
        ]
        stream = stub.RegisterMany(iter([pb.RegisterManyRequest(request=request) for request in requests]))
        answers = [answer async for answer in stream]
        assert [answer.person_id for answer in answers] == [f"p{i}" for i in range(20)]
        assert [i for i, answer in enumerate(answers) if answer.WhichOneof("outcome") == "error"] == [3]
        assert answers[3].error.reason == "NO_FACE"

    async def test_calls_at_once_lose_no_face(self, stub: Stub, staff: str) -> None:
        await register(stub, 1, 0)
        await asyncio.gather(*(register(stub, 1, i, add_faces=True) for i in range(1, 9)))
        person = (await stub.GetPerson(pb.GetPersonRequest(gallery=staff, person_id="p1"))).person
        assert len({face.face_id for face in person.faces}) == 9

    @pytest.mark.parametrize(
        "fields",
        [
            {"person_id": ""},
            {"person_id": "a b"},
            {"person_id": "x" * 129},
            {"photos": []},
            {"metadata": {"k": "v" * 2000}},
            {"metadata": {str(i): "v" for i in range(65)}},
            {"request_id": "x" * 129},
        ],
    )
    async def test_what_cannot_be_kept_is_refused(self, stub: Stub, staff: str, fields: dict[str, Any]) -> None:
        failed = await refusal(lambda: register(stub, 1, **fields))
        assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_ARGUMENT")


class TestIdentify:
    async def test_the_threshold_grows_with_the_gallery(self, stub: Stub, staff: str) -> None:
        await register(stub, 1)
        small = (await who(stub, photo_of(1, 5), false_positive_identification_rate=0.001)).faces[0]
        for i in range(2, 12):
            await register(stub, i)
        large = (await who(stub, photo_of(1, 5), false_positive_identification_rate=0.001)).faces[0]
        assert large.match_threshold > small.match_threshold
        assert large.expected_false_positive_identification_rate == pytest.approx(0.001, rel=1e-3)

    async def test_people_are_ranked_above_the_callers_threshold(self, stub: Stub, staff: str) -> None:
        for i in range(8):
            await register(stub, i)
        face = (await who(stub, photo_of(1, 5), match_threshold=-1, top_k=3)).faces[0]
        similarities = [match.similarity for match in face.matches]
        assert len(similarities) == 3 and similarities == sorted(similarities, reverse=True)
        assert face.margin == pytest.approx(similarities[0] - similarities[1])

    async def test_a_person_is_one_face_of_a_picture_in_streams_and_under_filters_too(
        self, stub: Stub, staff: str
    ) -> None:
        await register(stub, 1, tags=["red"])
        version = (await register(stub, 2, tags=["red"])).version
        for more in ({}, {"tags": ["red"]}, {"exact": True}, {"top_k": 1}):
            request = pb.IdentifyRequest(gallery=staff, min_version=version, match_threshold=0.3, **more)
            request.image.CopyFrom(picture(look(1, 5, 1.0), look(1, 6, 0.1), look(2, 6), look(9)))
            streamed = iter([pb.IdentifyStreamRequest(id="a", request=request)])
            [answer] = [one.response async for one in stub.IdentifyStream(streamed)]
            assert answer.faces == (await stub.Identify(request)).faces
            reasons = [pb.NoMatchReason.Name(face.no_match_reason)[16:] for face in answer.faces]
            assert reasons == ["NAMED_ELSEWHERE", "UNSPECIFIED", "UNSPECIFIED", "UNKNOWN"]
            assert [[match.person_id for match in face.matches] for face in answer.faces] == [[], ["p1"], ["p2"], []]
            assert answer.faces[0].named_elsewhere.person_id == "p1"

    async def test_the_policy_says_whether_the_rate_is_of_pictures_or_of_faces(self, stub: Stub, staff: str) -> None:
        for unit in (pb.RATE_UNIT_PICTURE, pb.RATE_UNIT_FACE):
            policy = pb.GalleryPolicy(rate_unit=unit, false_positive_identification_rate=0.01)
            made = (await stub.UpdateGallery(pb.UpdateGalleryRequest(gallery=staff, policy=policy))).gallery
            assert made.policy.rate_unit == unit
            version = (await register(stub, unit)).version
            answer = await who(stub, picture(look(7), look(8)), min_version=version)
            rates = (
                answer.expected_false_positive_picture_rate,
                answer.faces[0].expected_false_positive_identification_rate,
            )
            assert answer.rate_unit == unit
            assert rates[unit - 1] == pytest.approx(0.01, rel=1e-3) and rates[0] > 1.9 * rates[1]

    async def test_only_people_that_pass_the_filter(self, stub: Stub, staff: str) -> None:
        await register(stub, 1, metadata={"site": "north", "role": "cook"})
        await register(stub, 2, metadata={"site": "south", "role": "cook"})
        for wanted, decision in (
            ("north", pb.DECISION_MATCH),
            ("south", pb.DECISION_NO_MATCH),
            ("?", pb.DECISION_NO_MATCH),
        ):
            answer = await who(stub, photo_of(1, 5), filter={"site": wanted, "role": "cook"})
            assert answer.faces[0].decision == decision

    async def test_a_version_that_does_not_come_is_waited_for_until_the_deadline(self, stub: Stub, staff: str) -> None:
        request = pb.IdentifyRequest(gallery=staff, image=photo_of(1), min_version=99)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.Identify(request, timeout=2)
        assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert read_refusal(error.value).reason == "VERSION_NOT_REACHED"  # told before the caller's own clock ends it

    async def test_a_stream_goes_on_after_a_bad_picture(self, stub: Stub, staff: str) -> None:
        await register(stub, 1)
        images = {"a": photo_of(1, 4), "b": NOT_AN_IMAGE, "c": picture(), "d": photo_of(2)}
        requests = [
            pb.IdentifyStreamRequest(id=key, request=pb.IdentifyRequest(gallery=staff, image=image))
            for key, image in images.items()
        ]
        answers = [answer async for answer in stub.IdentifyStream(iter(requests))]
        assert [answer.id for answer in answers] == list(images)
        assert [answer.error.reason for answer in answers] == ["", "NOT_AN_IMAGE", "NO_FACE", ""]

    @pytest.mark.parametrize(
        ("fields", "code", "reason"),
        [
            ({"gallery": "none"}, grpc.StatusCode.NOT_FOUND, "GALLERY_NOT_FOUND"),
            ({"image": picture()}, grpc.StatusCode.FAILED_PRECONDITION, "NO_FACE"),
            ({"image": NOT_AN_IMAGE}, grpc.StatusCode.INVALID_ARGUMENT, "NOT_AN_IMAGE"),
            ({"match_threshold": 1.5}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_ARGUMENT"),
            ({"match_threshold": float("nan")}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_ARGUMENT"),
            ({"false_positive_identification_rate": 0.0}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_ARGUMENT"),
            ({"top_k": 5000}, grpc.StatusCode.INVALID_ARGUMENT, "BAD_ARGUMENT"),
        ],
    )
    async def test_what_cannot_be_answered(
        self, stub: Stub, staff: str, fields: dict[str, Any], code: grpc.StatusCode, reason: str
    ) -> None:
        request = {"gallery": staff, "image": photo_of(1)} | fields
        failed = await refusal(stub.Identify, pb.IdentifyRequest(**request))
        assert (failed.code, failed.reason) == (code, reason)

    async def test_another_face_model_is_refused(self, stub: Stub, staff: str, faces: tuple[FakeFaces, str]) -> None:
        await register(stub, 1)
        faces[0].sha256, faces[0].version = "ef" * 32, "2"
        person = pb.PersonRef(gallery=staff, person_id="p1")
        for call, request in (
            (stub.Identify, pb.IdentifyRequest(gallery=staff, image=photo_of(1))),
            (stub.Register, pb.RegisterRequest(gallery=staff, person_id="p2", photos=[photo_of(2)])),
            (stub.Verify, pb.VerifyRequest(probe=photo_of(1), person=person)),
        ):
            failed = await refusal(call, request)
            assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "MODEL_MISMATCH")

    async def test_the_callers_request_id_reaches_the_face_service(
        self, stub: Stub, staff: str, faces: tuple[FakeFaces, str]
    ) -> None:
        await stub.Identify(pb.IdentifyRequest(gallery=staff, image=photo_of(1)), metadata=[("x-request-id", "r-77")])
        assert faces[0].request_ids[-1] == "r-77"


class TestPeople:
    async def test_facts_are_changed_one_by_one(self, stub: Stub, staff: str) -> None:
        await register(stub, 1, display_name="Ada", metadata={"a": "1", "b": "2"})
        request = pb.UpdatePersonRequest(gallery=staff, person_id="p1", metadata={"a": "", "c": "3"})
        updated = (await stub.UpdatePerson(request)).person
        assert (updated.display_name, dict(updated.metadata)) == ("Ada", {"b": "2", "c": "3"})
        match = (await who(stub, photo_of(1, 5), filter={"c": "3"})).faces[0].matches[0]
        assert dict(match.metadata) == {"b": "2", "c": "3"}

    async def test_an_expired_person_is_nobody_at_once(self, stub: Stub, staff: str) -> None:
        await register(stub, 1)
        ends = time.time_ns() + 700_000_000
        await register(stub, 2, expire_time=Timestamp(seconds=ends // 10**9, nanos=ends % 10**9))
        await asyncio.sleep(max(0, ends - time.time_ns()) / 1e9 + 0.01)
        assert (await who(stub, photo_of(2, 5))).faces[0].decision == pb.DECISION_NO_MATCH
        assert (
            await refusal(stub.GetPerson, pb.GetPersonRequest(gallery=staff, person_id="p2"))
        ).reason == "PERSON_NOT_FOUND"
        people = (await stub.ListPeople(pb.ListPeopleRequest(gallery=staff))).people
        assert [person.person_id for person in people] == ["p1"]
        again = await register(stub, 2, 3)
        assert len(again.person.faces) == 1 and not again.person.HasField("expire_time")
        assert (await who(stub, photo_of(2, 5))).faces[0].decision == pb.DECISION_MATCH

    async def test_a_time_that_is_over_is_no_expiry(self, stub: Stub, staff: str) -> None:
        await register(stub, 1, expire_time=Timestamp(seconds=4_000_000_000))
        over = Timestamp(seconds=1)
        photo = pb.RegisterRequest(gallery=staff, person_id="p2", photos=[photo_of(2)], expire_time=over)
        assert (await refusal(stub.Register, photo)).reason == "BAD_ARGUMENT"
        update = pb.UpdatePersonRequest(gallery=staff, person_id="p1", expire_time=over)
        assert (await refusal(stub.UpdatePerson, update)).reason == "BAD_ARGUMENT"
        forever = pb.UpdatePersonRequest(gallery=staff, person_id="p1", expire_time=Timestamp())
        assert not (await stub.UpdatePerson(forever)).person.HasField("expire_time")

    async def test_people_are_found_by_tags(self, stub: Stub, staff: str) -> None:
        await register(stub, 1, tags=["red", "blue", "red"], metadata={"desk": "1"})
        await register(stub, 2, tags=["blue"])
        assert (await who(stub, photo_of(1, 5), tags=["red", "blue"])).faces[0].matches[0].tags == ["blue", "red"]
        assert (await who(stub, photo_of(1, 5), tags=["red"], filter={"desk": "2"})).faces[0].decision == (
            pb.DECISION_NO_MATCH
        )
        assert not (await who(stub, photo_of(2, 5), tags=["red"])).faces[0].matches
        by_empty_key = pb.IdentifyRequest(gallery=staff, image=photo_of(1, 5), filter={"": "red"})
        failed = await refusal(stub.Identify, by_empty_key)
        assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_ARGUMENT")
        assert failed.metadata == {"field": "filter"} and "tags" in failed.message
        change = pb.UpdatePersonRequest(gallery=staff, person_id="p2", add_tags=["red"], remove_tags=["blue", "x"])
        changed = await stub.UpdatePerson(change)
        assert changed.person.tags == ["red"]
        found = await who(stub, photo_of(2, 5), tags=["red"], min_version=changed.version)
        assert found.faces[0].matches[0].person_id == "p2"
        for bad in ([""], ["x" * 129], [str(i) for i in range(65)]):
            wrong = pb.UpdatePersonRequest(gallery=staff, person_id="p2", add_tags=bad)
            assert (await refusal(stub.UpdatePerson, wrong)).reason == "BAD_ARGUMENT"

    async def test_one_face_is_deleted(self, stub: Stub, staff: str) -> None:
        first = await register(stub, 1, 0, 1)
        face_id = first.results[0].face_id
        request = pb.DeleteFaceRequest(gallery=staff, person_id="p1", face_id=face_id)
        await stub.DeleteFace(request)
        person = (await stub.GetPerson(pb.GetPersonRequest(gallery=staff, person_id="p1"))).person
        assert [face.face_id for face in person.faces] == [first.results[1].face_id]
        assert (await refusal(stub.DeleteFace, request)).reason == "FACE_NOT_FOUND"


class TestGalleries:
    async def test_galleries_are_made_listed_changed_and_deleted(self, stub: Stub, staff: str) -> None:
        await stub.CreateGallery(pb.CreateGalleryRequest(gallery="guests"))
        assert (await refusal(stub.CreateGallery, pb.CreateGalleryRequest(gallery="guests"))).reason == "GALLERY_EXISTS"
        page = await stub.ListGalleries(pb.ListGalleriesRequest(page_size=1))
        assert [one.name for one in page.galleries] == ["guests"] and page.next_page_token
        policy = pb.GalleryPolicy(ambiguity_margin=0.5, max_faces=7)
        updated = (await stub.UpdateGallery(pb.UpdateGalleryRequest(gallery=staff, policy=policy))).gallery
        assert (updated.description, updated.policy.max_faces) == ("who works here", 7)
        limits = pb.GalleryPolicy(max_faces=0, max_people=3)
        change = pb.UpdateGalleryRequest(gallery=staff, policy=limits, reset_policy_fields=["ambiguity_margin"])
        policy = (await stub.UpdateGallery(change)).gallery.policy
        assert (policy.max_faces, policy.max_people, policy.HasField("ambiguity_margin")) == (0, 3, False)
        wrong = pb.UpdateGalleryRequest(gallery=staff, reset_policy_fields=["colour"])
        assert (await refusal(stub.UpdateGallery, wrong)).reason == "BAD_ARGUMENT"
        assert updated.policy.ambiguity_margin == 0.5 and not updated.policy.HasField("quality_floor")
        assert (updated.model.name, updated.model_sha256) == ("fake-embedder", "cd" * 32)
        await register(stub, 1, 0, 1)
        gone = await stub.DeleteGallery(pb.DeleteGalleryRequest(gallery=staff))
        assert (gone.people_deleted, gone.faces_deleted) == (1, 2)
        for call, request in (
            (stub.GetGallery, pb.GetGalleryRequest(gallery=staff)),
            (stub.DeleteGallery, pb.DeleteGalleryRequest(gallery=staff)),
            (stub.ListPeople, pb.ListPeopleRequest(gallery=staff)),
        ):
            assert (await refusal(call, request)).reason == "GALLERY_NOT_FOUND"

    async def test_a_gallery_made_anew_knows_nobody(self, stub: Stub, staff: str) -> None:
        await register(stub, 1)
        await stub.DeleteGallery(pb.DeleteGalleryRequest(gallery=staff))
        made = (await stub.CreateGallery(pb.CreateGalleryRequest(gallery=staff))).gallery
        answer = await who(stub, photo_of(1, 5), min_version=made.version)
        assert (answer.faces[0].decision, answer.gallery_size) == (pb.DECISION_NO_MATCH, 0)

    @pytest.mark.parametrize("name", ["", "Staff", "a/b", "x" * 65, "{a}"])
    async def test_a_bad_name_is_refused(self, stub: Stub, name: str) -> None:
        failed = await refusal(stub.CreateGallery, pb.CreateGalleryRequest(gallery=name))
        assert (failed.code, failed.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "BAD_ARGUMENT")

    async def test_a_full_gallery_says_so(self, stub: Stub, staff: str) -> None:
        await stub.UpdateGallery(pb.UpdateGalleryRequest(gallery=staff, policy=pb.GalleryPolicy(max_faces=1)))
        await register(stub, 1)
        failed = await refusal(lambda: register(stub, 2))
        assert (failed.code, failed.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "GALLERY_FULL")

    async def test_the_status_and_the_audit_tell_what_happened(self, stub: Stub, staff: str) -> None:
        await register(stub, 1)
        await stub.DeletePerson(pb.DeletePersonRequest(gallery=staff, person_id="p1"))
        await who(stub, photo_of(1), min_version=3)
        status = await stub.GetGalleryStatus(pb.GetGalleryStatusRequest(gallery=staff))
        assert (status.store_version, status.index_version, status.indexed_faces) == (3, 3, 0)
        await register(stub, 2, 0, 1)
        status = await stub.GetGalleryStatus(pb.GetGalleryStatusRequest(gallery=staff, verify=True))
        assert status.index_checksum == status.store_checksum != "0" * 16
        page = await stub.ListAuditEvents(pb.ListAuditEventsRequest(gallery=staff, page_size=2))
        assert [(event.action, event.person_id, event.version) for event in page.events] == [
            ("Register", "p2", 4),
            ("DeletePerson", "p1", 3),
        ]
        assert all(event.request_id for event in page.events)
        rest = pb.ListAuditEventsRequest(gallery=staff, page_size=2, page_token=page.next_page_token)
        assert [event.action for event in (await stub.ListAuditEvents(rest)).events] == ["Register", "CreateGallery"]
        none = await refusal(stub.ListAuditEvents, pb.ListAuditEventsRequest(gallery="none"))
        assert none.reason == "GALLERY_NOT_FOUND"


class TestAway:
    async def test_redis_goes_and_comes_back_and_nothing_is_lost(
        self, redis_server: RedisServer, faces: tuple[FakeFaces, str], tmp_path: Path
    ) -> None:
        async with running("recognition", tmp_path, redis_url=redis_server.url, faces_address=faces[1]) as one:
            stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
            health = health_pb2_grpc.HealthStub(one.channel)
            await stub.CreateGallery(pb.CreateGalleryRequest(gallery="staff"))
            await register(stub, 1)
            redis_server.kill()
            failed = await refusal(lambda: register(stub, 2))
            assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
            await becomes(health, health_pb2.HealthCheckResponse.NOT_SERVING)
            redis_server.start()
            await becomes(health, health_pb2.HealthCheckResponse.SERVING)
            version = (await register(stub, 2)).version
            answer = await who(stub, picture(look(1, 5), look(2, 5)), min_version=version)
            assert [face.matches[0].person_id for face in answer.faces] == ["p1", "p2"]

    async def test_a_search_goes_on_without_redis_for_a_while_and_then_says_so(
        self, redis_server: RedisServer, faces: tuple[FakeFaces, str], tmp_path: Path
    ) -> None:
        async with running("recognition", tmp_path, redis_url=redis_server.url, faces_address=faces[1]) as one:
            stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
            await stub.CreateGallery(pb.CreateGalleryRequest(gallery="staff"))
            version = (await register(stub, 1)).version
            await who(stub, photo_of(1, 5), min_version=version)
            redis_server.kill()
            assert (await who(stub, photo_of(1, 5), min_version=version)).faces[0].decision == pb.DECISION_MATCH
            failed = await refusal(lambda: who(stub, photo_of(1, 5), min_version=version + 1))
            assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
            await asyncio.sleep(6)
            failed = await refusal(lambda: who(stub, photo_of(1, 5)))
            assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")

    async def test_a_damaged_gallery_harms_no_other(
        self, redis_server: RedisServer, faces: tuple[FakeFaces, str], tmp_path: Path
    ) -> None:
        chosen = {"redis_url": redis_server.url, "faces_address": faces[1]}
        async with running("recognition", tmp_path, **chosen) as one:
            stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
            for name in ("damaged", "staff"):
                await stub.CreateGallery(pb.CreateGalleryRequest(gallery=name))
                await register(stub, 1, gallery=name)
        with redis_server.client() as client:
            [field] = client.hkeys("convoy:{damaged}:templates")
            client.hset("convoy:{damaged}:templates", field, b"abc")
        async with running("recognition", tmp_path, **chosen) as one:
            stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
            await becomes(health_pb2_grpc.HealthStub(one.channel), health_pb2.HealthCheckResponse.SERVING)
            assert (await who(stub, photo_of(1, 5))).faces[0].decision == pb.DECISION_MATCH
            failed = await refusal(stub.Identify, pb.IdentifyRequest(gallery="damaged", image=photo_of(1)))
            assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "GALLERY_UNREADABLE")

    async def test_redis_away_at_the_start_is_waited_for(
        self, redis_folder: Path, faces: tuple[FakeFaces, str], tmp_path: Path
    ) -> None:
        server = RedisServer(redis_folder)
        async with running("recognition", tmp_path, redis_url=server.url, faces_address=faces[1]) as one:
            stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
            health = health_pb2_grpc.HealthStub(one.channel)
            await becomes(health, health_pb2.HealthCheckResponse.NOT_SERVING)
            failed = await refusal(stub.CreateGallery, pb.CreateGalleryRequest(gallery="staff"))
            assert failed.reason == "STORE_UNAVAILABLE"
            server.start()
            await becomes(health, health_pb2.HealthCheckResponse.SERVING)
            await stub.CreateGallery(pb.CreateGalleryRequest(gallery="staff"))
        server.stop()

    async def test_what_redis_has_lost_is_forgotten(
        self, redis_server: RedisServer, faces: tuple[FakeFaces, str], tmp_path: Path
    ) -> None:
        async with running("recognition", tmp_path, redis_url=redis_server.url, faces_address=faces[1]) as one:
            stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
            await stub.CreateGallery(pb.CreateGalleryRequest(gallery="staff"))
            await register(stub, 1)
            with redis_server.client() as client:
                client.flushall()
            await stub.CreateGallery(pb.CreateGalleryRequest(gallery="staff"))
            for i in range(3, 6):
                version = (await register(stub, i)).version
            answer = await who(stub, picture(look(1, 5), look(4, 5)), min_version=version)
            assert [face.decision for face in answer.faces] == [pb.DECISION_NO_MATCH, pb.DECISION_MATCH]
            assert answer.gallery_size == 3

    async def test_the_face_service_away_is_said(self, redis_url: str, tmp_path: Path) -> None:
        async with running("recognition", tmp_path, redis_url=redis_url, faces_address="127.0.0.1:1") as one:
            stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
            failed = await refusal(stub.CreateGallery, pb.CreateGalleryRequest(gallery="staff"))
            assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "FACES_UNAVAILABLE")
