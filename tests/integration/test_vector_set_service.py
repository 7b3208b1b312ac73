"""The recognition service on galleries in vector sets, as its callers see it."""

import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from convoy.testing.redis_servers import Redis8
from convoy.v1 import recognition_pb2 as pb
from convoy.v1 import recognition_pb2_grpc

from tests.fake_faces import FakeFaces, look, photo_of, picture, serving
from tests.serving import refusal, running

pytestmark = [pytest.mark.docker, pytest.mark.redis]
IN_SETS = pb.CreateGalleryRequest(gallery="staff", backend=pb.BACKEND_VECTOR_SETS, vector_sets=pb.VectorSets(shards=2))


@pytest.fixture(scope="module")
def redis8() -> Iterator[Redis8]:
    server = Redis8()
    yield server
    server.stop()


@pytest.fixture
async def faces() -> AsyncIterator[str]:
    async with serving(FakeFaces()) as address:
        yield address


async def test_the_same_calls_give_the_same_answers(redis8: Redis8, faces: str, tmp_path: Path) -> None:
    async with running("recognition", tmp_path, redis_url=redis8.url, faces_address=faces) as one:
        stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
        made = (await stub.CreateGallery(IN_SETS)).gallery
        assert made.backend == pb.BACKEND_VECTOR_SETS
        assert made.vector_sets == pb.VectorSets(shards=2, quantization=pb.QUANTIZATION_NONE, search_effort=500)
        await stub.CreateGallery(pb.CreateGalleryRequest(gallery="in-memory"))
        answers = []
        for gallery in ("staff", "in-memory"):
            for person in (1, 2):
                request = pb.RegisterRequest(gallery=gallery, person_id=f"p{person}", photos=[photo_of(person)])
                request.metadata["team"] = f"t{person}"
                version = (await stub.Register(request)).version
            twin = pb.RegisterRequest(gallery=gallery, person_id="p9", photos=[photo_of(1, 5)])
            assert (await refusal(stub.Register, twin)).reason == "IDENTITY_CONFLICT"
            probe = pb.IdentifyRequest(gallery=gallery, image=photo_of(1, 5), min_version=version, exact=True)
            known = (await stub.Identify(probe)).faces[0]
            probe.filter["team"] = "t2"
            filtered = (await stub.Identify(probe)).faces[0]
            group = picture(look(1, 5, 1.0), look(1, 6, 0.1), look(2, 6))
            crowd = pb.IdentifyRequest(gallery=gallery, image=group, min_version=version, match_threshold=0.3)
            named = [
                (face.decision, [match.person_id for match in face.matches], face.named_elsewhere.person_id)
                for face in (await stub.Identify(crowd)).faces
            ]
            assert named[0] == (pb.DECISION_NO_MATCH, [], "p1") and [one[1] for one in named[1:]] == [["p1"], ["p2"]]
            ref = pb.PersonRef(gallery=gallery, person_id="p1")
            same = await stub.Verify(pb.VerifyRequest(probe=photo_of(1, 5), person=ref))
            status = await stub.GetGalleryStatus(pb.GetGalleryStatusRequest(gallery=gallery, verify=True))
            assert status.index_checksum == status.store_checksum and status.indexed_faces == 2
            gone = await stub.DeletePerson(pb.DeletePersonRequest(gallery=gallery, person_id="p1"))
            after = await stub.Identify(
                pb.IdentifyRequest(gallery=gallery, image=photo_of(1, 5), min_version=gone.version)
            )
            found = [(match.person_id, match.similarity, dict(match.metadata)) for match in known.matches]
            answers.append((found, known.match_threshold, known.margin, filtered.decision, same.similarity))
            assert known.decision == pb.DECISION_MATCH and after.faces[0].decision == pb.DECISION_NO_MATCH
        assert answers[0] == answers[1]
        await stub.DeleteGallery(pb.DeleteGalleryRequest(gallery="staff"))
    with redis8.client() as client:
        assert not client.keys("*vectors*")


async def test_where_templates_are_sealed_vectors_in_the_clear_are_refused(
    redis8: Redis8, faces: str, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text(base64.b64encode(b"k" * 32).decode())
    settings = {"redis_url": redis8.url, "faces_address": faces, "template_key_file": key}
    async with running("recognition", tmp_path, **settings) as one:
        stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
        failed = await refusal(stub.CreateGallery, IN_SETS)
        assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BACKEND_UNAVAILABLE")
        assert "sealed" in failed.message


async def test_a_redis_without_vector_sets_says_so(redis_url: str, faces: str, tmp_path: Path) -> None:
    async with running("recognition", tmp_path, redis_url=redis_url, faces_address=faces) as one:
        stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
        failed = await refusal(stub.CreateGallery, IN_SETS)
        assert (failed.code, failed.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BACKEND_UNAVAILABLE")
        assert "Redis 8.0" in failed.message
        bad = pb.CreateGalleryRequest(gallery="staff", vector_sets=pb.VectorSets(shards=2))
        assert (await refusal(stub.CreateGallery, bad)).reason == "BAD_ARGUMENT"


async def test_faces_are_known_by_id_and_people_change_theirs(redis8: Redis8, faces: str, tmp_path: Path) -> None:
    async with running("recognition", tmp_path, redis_url=redis8.url, faces_address=faces) as one:
        stub = recognition_pb2_grpc.RecognitionServiceStub(one.channel)
        await stub.CreateGallery(
            pb.CreateGalleryRequest(
                gallery="by-id", backend=pb.BACKEND_VECTOR_SETS, vector_sets=pb.VectorSets(shards=2)
            )
        )
        await stub.CreatePerson(pb.CreatePersonRequest(gallery="by-id", person_id="ada", display_name="Ada"))
        request = pb.RegisterRequest(gallery="by-id", person_id="ada", photos=[photo_of(1)], face_ids=["a-1"])
        await stub.Register(request)
        taken = pb.RegisterRequest(gallery="by-id", person_id="bob", photos=[photo_of(2)], face_ids=["a-1"])
        assert (await refusal(stub.Register, taken)).reason == "FACE_EXISTS"
        move = pb.RenamePersonRequest(gallery="by-id", person_id="ada", new_person_id="ada.l")
        version = (await stub.RenamePerson(move)).version
        face = await stub.GetFace(pb.GetFaceRequest(gallery="by-id", face_id="a-1"))
        assert (face.person.person_id, face.person.display_name) == ("ada.l", "Ada")
        probe = pb.IdentifyRequest(gallery="by-id", image=photo_of(1, 3), min_version=version, nearest=2)
        [found] = (await stub.Identify(probe)).faces
        assert [match.person_id for match in found.matches] == ["ada.l"] == [near.person_id for near in found.nearest]
        lost = pb.GetFaceRequest(gallery="by-id", face_id="nobody")
        assert (await refusal(stub.GetFace, lost)).reason == "FACE_NOT_FOUND"
        await stub.DeleteGallery(pb.DeleteGalleryRequest(gallery="by-id"))
