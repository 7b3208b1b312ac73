"""Authentication, scopes and rate limits on real servers."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from convoy.client import AsyncConvoy
from convoy.core.errors import FailedPrecondition
from convoy.core.security.guard import REFUSED_AT_ONCE, Guard
from convoy.core.security.tokens import OVERLAP_S, make_token, write_line
from convoy.core.settings import Settings
from convoy.inference import open_inference_pb2, open_inference_pb2_grpc
from convoy.recognition.policy_tries import TRIES_AN_HOUR
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository
from convoy.v1 import (
    classification_pb2,
    classification_pb2_grpc,
    common_pb2,
    faces_pb2,
    faces_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    recognition_pb2,
    recognition_pb2_grpc,
)
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from structlog.testing import capture_logs

from tests.fake_faces import FakeFaces, photo_of, serving
from tests.integration.test_process import process, serving_port
from tests.jwts import AUDIENCE, ISSUER, Provider
from tests.serving import Refusal, Running, read_refusal, refusal, running

UNAUTHENTICATED, DENIED = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
RED = common_pb2.Image(encoded=pictures.encode(pictures.plain((220, 20, 20))))
CLASSIFY = classification_pb2.ClassifyRequest(images=[RED])


class Book:
    """A tokens file, and the tokens themselves by name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tokens: dict[str, str] = {}
        path.touch()

    def add(self, name: str, *scopes: str) -> tuple[tuple[str, str], ...]:
        """A new caller; gives the metadata of their calls."""
        self.tokens[name] = make_token()
        self.path.write_text(self.path.read_text() + write_line(name, self.tokens[name], scopes) + "\n")
        return bearer(self.tokens[name])


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("models"))


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "tokens")


@pytest.fixture
async def guarded(models: Path, book: Book) -> AsyncIterator[Running]:
    async with running("classification", models, tokens_file=book.path) as one:
        yield one


async def refused(method: Any, request: Any, metadata: Any = ()) -> Refusal:
    return await refusal(partial(method, metadata=metadata), request)


async def test_who_has_no_good_token_is_unauthenticated(guarded: Running, book: Book) -> None:
    stub = classification_pb2_grpc.ClassificationServiceStub(guarded.channel)
    good = book.add("ada", "classification")
    assert (await stub.Classify(CLASSIFY, metadata=good)).results[0].labels[0].name == "red"
    for metadata, reason in (
        ((), "NO_CREDENTIALS"),
        ((("authorization", "Basic YWRhOng="),), "NO_CREDENTIALS"),
        ((("authorization", "Bearer "),), "BAD_CREDENTIALS"),
        (bearer(make_token()), "BAD_CREDENTIALS"),
        (bearer("a.b.c"), "BAD_CREDENTIALS"),
    ):
        answer = await refused(stub.Classify, CLASSIFY, metadata)
        assert (answer.code, answer.reason) == (UNAUTHENTICATED, reason)


async def test_a_stranger_is_refused_before_his_message_is_read(guarded: Running) -> None:
    stub = classification_pb2_grpc.ClassificationServiceStub(guarded.channel)
    junk = classification_pb2.ClassifyRequest(images=[common_pb2.Image(encoded=bytes(70 * 2**20))])
    # Too large for the server: said only to those whose message is read at all.
    assert (await refused(stub.Classify, junk)).code == UNAUTHENTICATED
    stream = stub.ClassifyStream(iter([classification_pb2.ClassifyStreamRequest(id="1", request=CLASSIFY)]))
    with pytest.raises(grpc.aio.AioRpcError) as error:
        _ = [answer async for answer in stream]
    assert read_refusal(error.value).reason == "NO_CREDENTIALS"


async def test_a_flood_without_tokens_is_told_to_wait_and_writes_few_lines(guarded: Running, book: Book) -> None:
    stub = classification_pb2_grpc.ClassificationServiceStub(guarded.channel)
    good = book.add("ada", "classification")
    with capture_logs() as lines:
        answers = await asyncio.gather(*(refused(stub.Classify, CLASSIFY) for _ in range(3 * REFUSED_AT_ONCE)))
    reasons = Counter(answer.reason for answer in answers)
    assert set(reasons) == {"NO_CREDENTIALS", "RATE_LIMITED"}
    assert all(answer.retry_delay_s for answer in answers if answer.reason == "RATE_LIMITED")
    assert len([line for line in lines if line.get("code") == "UNAUTHENTICATED"]) == reasons["NO_CREDENTIALS"]
    assert (await stub.Classify(CLASSIFY, metadata=good)).results


async def test_scopes_are_services(models: Path, guarded: Running, book: Book) -> None:
    stub = classification_pb2_grpc.ClassificationServiceStub(guarded.channel)
    other = book.add("other", "detection", "gallery:*:admin", "models:admin", "scores")
    answer = await refused(stub.Classify, CLASSIFY, other)
    assert (answer.code, answer.reason) == (DENIED, "SCOPE_MISSING")
    assert answer.metadata == {"scope": "classification", "caller": "other"}
    requests = iter([classification_pb2.ClassifyStreamRequest(id="1", request=CLASSIFY)])
    with pytest.raises(grpc.aio.AioRpcError) as error:
        _ = [one async for one in stub.ClassifyStream(requests, metadata=other)]
    assert read_refusal(error.value).reason == "SCOPE_MISSING"


async def test_models_are_changed_by_their_admins_through_either_door(guarded: Running, book: Book) -> None:
    models = models_pb2_grpc.ModelServiceStub(guarded.channel)
    tensors = open_inference_pb2_grpc.GRPCInferenceServiceStub(guarded.channel)
    user, admin = book.add("user", "classification"), book.add("admin", "models:admin")
    load = models_pb2.LoadModelRequest(model=common_pb2.ModelRef(name="cifar10-resnet"))
    load_tensors = open_inference_pb2.RepositoryModelLoadRequest(model_name="cifar10-resnet")
    assert (await refused(models.LoadModel, load, user)).metadata["scope"] == "models:admin"
    assert (await refused(tensors.RepositoryModelLoad, load_tensors, user)).metadata["scope"] == "models:admin"
    await models.LoadModel(load, metadata=admin)
    await tensors.RepositoryModelLoad(load_tensors, metadata=admin)
    assert (await models.ListModels(models_pb2.ListModelsRequest(), metadata=user)).models
    metadata = open_inference_pb2.ModelMetadataRequest(name="cifar10-resnet")
    assert (await refused(tensors.ModelMetadata, metadata)).code == UNAUTHENTICATED
    assert (await refused(tensors.ModelMetadata, metadata, admin)).code == DENIED
    assert (await tensors.ModelMetadata(metadata, metadata=user)).inputs


async def test_health_is_open_and_reflection_follows_its_switch(models: Path, guarded: Running, book: Book) -> None:
    health = health_pb2_grpc.HealthStub(guarded.channel)
    assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
    tensors = open_inference_pb2_grpc.GRPCInferenceServiceStub(guarded.channel)
    assert (await tensors.ServerLive(open_inference_pb2.ServerLiveRequest())).live
    asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
    reflection = reflection_pb2_grpc.ServerReflectionStub(guarded.channel)
    assert [one async for one in reflection.ServerReflectionInfo(iter(asked))]
    async with running("classification", models, tokens_file=book.path, reflection=False) as closed:
        reflection = reflection_pb2_grpc.ServerReflectionStub(closed.channel)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            _ = [one async for one in reflection.ServerReflectionInfo(iter(asked))]
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_new_line_lets_in_and_a_removed_one_shuts_out(guarded: Running, book: Book) -> None:
    stub = classification_pb2_grpc.ClassificationServiceStub(guarded.channel)
    ada = book.add("ada", "classification")
    await stub.Classify(CLASSIFY, metadata=ada)
    book.path.write_text("# nobody\n")
    await stub.Classify(CLASSIFY, metadata=ada)  # for a moment: the file might be half-written
    await asyncio.sleep(1.1 * OVERLAP_S)
    assert (await refused(stub.Classify, CLASSIFY, ada)).reason == "BAD_CREDENTIALS"


async def test_jwts_and_tokens_work_side_by_side(models: Path, book: Book, tmp_path: Path) -> None:
    provider = Provider()
    settings = {"jwks_file": provider.write(tmp_path / "jwks"), "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    async with running("classification", models, tokens_file=book.path, **settings) as service:
        stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)
        for metadata in (book.add("ada", "classification"), *(bearer(provider.token(kind)) for kind in provider.keys)):
            assert (await stub.Classify(CLASSIFY, metadata=metadata)).results
        late = bearer(provider.token(exp=time.time() - 600))
        assert (await refused(stub.Classify, CLASSIFY, late)).reason == "TOKEN_EXPIRED"
        assert (await refused(stub.Classify, CLASSIFY, bearer(provider.token(scope="faces")))).code == DENIED


async def test_a_flood_of_forged_jwts_keeps_out_nobody_who_is_known(models: Path, tmp_path: Path) -> None:
    provider, forger = Provider(), Provider()
    settings = {"jwks_file": provider.write(tmp_path / "jwks"), "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    async with running("classification", models, **settings) as service:
        stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)
        known = bearer(provider.token())
        assert (await stub.Classify(CLASSIFY, metadata=known)).results
        forged = bearer(forger.token(headers={"kid": "ES256"}))
        answers = await asyncio.gather(*(refused(stub.Classify, CLASSIFY, forged) for _ in range(2 * REFUSED_AT_ONCE)))
        assert {answer.reason for answer in answers} == {"BAD_CREDENTIALS", "RATE_LIMITED"}
        assert (await stub.Classify(CLASSIFY, metadata=known)).results


async def test_the_client_sends_its_token(
    guarded: Running, book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.add("ada", "classification")
    address = f"127.0.0.1:{guarded.server.port}"
    async with AsyncConvoy(classification=address, token=book.tokens["ada"]) as convoy:
        assert (await convoy.classify(RED.encoded)).best.label == "red"
    file = tmp_path / "token"
    file.write_text("not yet\n")
    monkeypatch.setenv("CONVOY_CLIENT_TOKEN_FILE", str(file))
    async with AsyncConvoy(classification=address) as convoy:
        with pytest.raises(Exception, match="the token is unknown or not valid"):
            await convoy.classify(RED.encoded)
        file.write_text(book.tokens["ada"] + "\n")
        assert (await convoy.classify(RED.encoded)).best.label == "red"


class TestScores:
    ONE, AGAIN = (
        common_pb2.Image(encoded=pictures.encode(pictures.portrait(1, noise=noise), ".png")) for noise in (0, 5)
    )

    async def test_similarities_are_for_those_with_the_scope(self, models: Path, book: Book) -> None:
        plain, seeing = book.add("plain", "faces"), book.add("seeing", "faces", "scores")
        request = faces_pb2.CompareFacesRequest(first=self.ONE, second=self.AGAIN)
        chosen = faces_pb2.CompareFacesRequest(first=self.ONE, second=self.AGAIN, match_threshold=0.3)
        async with running("faces", models, tokens_file=book.path) as service:
            stub = faces_pb2_grpc.FaceServiceStub(service.channel)
            hidden = await stub.CompareFaces(request, metadata=plain)
            seen = await stub.CompareFaces(request, metadata=seeing)
            assert hidden.is_match and seen.is_match and hidden.match_threshold == seen.match_threshold
            assert (hidden.similarity, seen.similarity) == (0, pytest.approx(1, abs=0.1))
            answer = await refused(stub.CompareFaces, chosen, plain)
            assert (answer.code, answer.metadata["scope"]) == (DENIED, "scores")
            assert (await stub.CompareFaces(chosen, metadata=seeing)).similarity > 0.9

    async def test_without_authentication_everybody_sees_them(self, models: Path) -> None:
        async with running("faces", models) as service:
            stub = faces_pb2_grpc.FaceServiceStub(service.channel)
            answer = await stub.CompareFaces(faces_pb2.CompareFacesRequest(first=self.ONE, second=self.AGAIN))
            assert answer.similarity > 0.9


@pytest.mark.redis
class TestGalleries:
    @pytest.fixture
    async def stub(self, redis_url: str, book: Book, tmp_path: Path) -> AsyncIterator[Any]:
        async with (
            serving(FakeFaces()) as faces,
            running(
                "recognition", tmp_path, redis_url=redis_url, faces_address=faces, tokens_file=book.path
            ) as service,
        ):
            yield recognition_pb2_grpc.RecognitionServiceStub(service.channel)

    async def test_who_may_use_an_alias_alone_does_not_learn_what_it_stands_for(self, stub: Any, book: Book) -> None:
        pb = recognition_pb2
        root, guest = book.add("root", "gallery:*:admin"), book.add("guest", "gallery:door:read")
        await stub.CreateGallery(pb.CreateGalleryRequest(gallery="secret-club"), metadata=root)
        await stub.SetGalleryAlias(pb.SetGalleryAliasRequest(alias="door", gallery="secret-club"), metadata=root)
        await stub.DeleteGallery(pb.DeleteGalleryRequest(gallery="secret-club"), metadata=root)
        request = pb.GetPersonRequest(gallery="door", person_id="p")
        answer = await refused(stub.GetPerson, request, guest)
        assert (answer.reason, answer.metadata["gallery"]) == ("GALLERY_NOT_FOUND", "door")
        assert "secret-club" not in answer.message
        answer = await refused(stub.GetPerson, request, root)
        assert answer.metadata["gallery"] == "secret-club"

    async def test_levels_and_names_of_galleries(self, stub: Any, book: Book) -> None:
        pb = recognition_pb2
        root, guest = book.add("root", "gallery:*:admin"), book.add("guest", "gallery:guests:write")
        reader = book.add("reader", "gallery:staff:read")
        for name in ("staff", "guests"):
            await stub.CreateGallery(pb.CreateGalleryRequest(gallery=name), metadata=root)
        people = [
            pb.RegisterRequest(gallery=name, person_id="p1", photos=[photo_of(1)]) for name in ("staff", "guests")
        ]
        await stub.Register(people[0], metadata=root)
        await stub.Register(people[1], metadata=guest)
        search = pb.IdentifyRequest(gallery="staff", image=photo_of(1, 5))
        [face] = (await stub.Identify(search, metadata=reader)).faces
        assert face.decision == pb.DECISION_MATCH and face.matches[0].person_id == "p1"
        assert face.matches[0].similarity == 0 and face.margin == 0
        for method, request, metadata, scope in (
            (stub.Register, people[0], guest, "gallery:staff:write"),
            (stub.Register, people[0], reader, "gallery:staff:write"),
            (stub.DeleteGallery, pb.DeleteGalleryRequest(gallery="guests"), guest, "gallery:guests:admin"),
            (stub.CreateGallery, pb.CreateGalleryRequest(gallery="more"), guest, "gallery:more:admin"),
            (stub.ListGalleries, pb.ListGalleriesRequest(), reader, "gallery:*:read"),
            (stub.ListAuditEvents, pb.ListAuditEventsRequest(gallery="staff"), reader, "gallery:staff:admin"),
            (stub.Identify, pb.IdentifyRequest(gallery="guests", image=photo_of(1)), reader, "gallery:guests:read"),
            (stub.Identify, pb.IdentifyRequest(gallery="staff", match_threshold=0.9), reader, "scores"),
            (stub.Verify, pb.VerifyRequest(probe=photo_of(1), photo=photo_of(1, 2)), reader, "faces"),
        ):
            answer = await refused(method, request, metadata)
            assert (answer.code, answer.reason, answer.metadata["scope"]) == (DENIED, "SCOPE_MISSING", scope)
        events = await stub.ListAuditEvents(pb.ListAuditEventsRequest(gallery="guests"), metadata=root)
        assert [(event.actor, event.action) for event in events.events] == [
            ("guest", "Register"),
            ("root", "CreateGallery"),
        ]

    async def test_no_threshold_follows_from_what_a_caller_without_scores_chooses(self, stub: Any, book: Book) -> None:
        pb = recognition_pb2
        root = book.add("root", "gallery:*:admin", "scores")
        blind, seeing = book.add("blind", "gallery:*:admin"), book.add("seeing", "gallery:*:read", "scores")
        await stub.CreateGallery(pb.CreateGalleryRequest(gallery="staff"), metadata=root)
        for number in range(8):
            register = pb.RegisterRequest(gallery="staff", person_id=f"p{number}", photos=[photo_of(number)])
            register.tags.extend(f"t{size}" for size in range(number, 8))  # so many people have the tag
            await stub.Register(register, metadata=root)

        async def thresholds(metadata: Any) -> set[float]:
            searches = (pb.IdentifyRequest(gallery="staff", image=photo_of(0, 5), tags=[f"t{n}"]) for n in range(8))
            answers = await asyncio.gather(*(stub.Identify(search, metadata=metadata) for search in searches))
            return {face.match_threshold for answer in answers for face in answer.faces}

        assert (len(await thresholds(blind)), len(await thresholds(seeing))) == (1, 8)
        other_rates = (
            pb.UpdateGalleryRequest(
                gallery="staff", policy=pb.GalleryPolicy(false_positive_identification_rate=0.01 + n / 1000)
            )
            for n in range(TRIES_AN_HOUR + 1)
        )
        *tries, last = other_rates
        for one in tries:
            await stub.UpdateGallery(one, metadata=blind)
        answer = await refused(stub.UpdateGallery, last, blind)
        assert (answer.reason, answer.metadata["scope"]) == ("RATE_LIMITED", "scores")
        created = pb.CreateGalleryRequest(gallery="other", policy=pb.GalleryPolicy(ambiguity_margin=0.1))
        assert (await refused(stub.CreateGallery, created, blind)).reason == "RATE_LIMITED"
        reset = pb.UpdateGalleryRequest(gallery="staff", reset_policy_fields=["false_positive_identification_rate"])
        assert (await refused(stub.UpdateGallery, reset, blind)).reason == "RATE_LIMITED"
        described = pb.UpdateGalleryRequest(gallery="staff", description="decides nothing")
        assert (await stub.UpdateGallery(described, metadata=blind)).gallery.description
        await stub.UpdateGallery(last, metadata=root)

    async def test_a_stream_ends_where_it_asks_for_more_than_it_may(self, stub: Any, book: Book) -> None:
        pb = recognition_pb2
        root, reader = book.add("root", "gallery:*:admin"), book.add("reader", "gallery:staff:read")
        for name in ("staff", "guests"):
            await stub.CreateGallery(pb.CreateGalleryRequest(gallery=name), metadata=root)
        requests = (
            pb.IdentifyStreamRequest(id=name, request=pb.IdentifyRequest(gallery=name, image=photo_of(1)))
            for name in ("staff", "guests", "staff")
        )
        stream = stub.IdentifyStream(requests, metadata=reader)
        assert (await stream.read()).id == "staff"
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stream.read()
        assert read_refusal(error.value).metadata["scope"] == "gallery:guests:read"


class TestRates:
    async def test_who_is_too_fast_is_told_how_long_to_wait(self, models: Path, book: Book) -> None:
        settings = {"rate_limit": 0.01, "rate_limit_burst": 2, "tokens_file": book.path}
        async with running("classification", models, **settings) as service:
            stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)
            ada, bob = book.add("ada", "classification"), book.add("bob", "classification")
            for _ in range(2):
                await stub.Classify(CLASSIFY, metadata=ada)
            answer = await refused(stub.Classify, CLASSIFY, ada)
            assert (answer.code, answer.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED")
            assert answer.retry_delay_s is not None and 50 < answer.retry_delay_s <= 150
            await stub.Classify(CLASSIFY, metadata=bob)
            health = health_pb2_grpc.HealthStub(service.channel)
            for _ in range(5):
                await health.Check(health_pb2.HealthCheckRequest())

    async def test_without_authentication_the_address_counts(self, models: Path) -> None:
        async with running("classification", models, rate_limit=0.01, rate_limit_burst=1) as service:
            stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)
            await stub.Classify(CLASSIFY)
            async with grpc.aio.insecure_channel(f"127.0.0.1:{service.server.port}") as another:
                same_host = classification_pb2_grpc.ClassificationServiceStub(another)
                assert (await refused(same_host.Classify, CLASSIFY)).reason == "RATE_LIMITED"

    async def test_a_stream_is_slowed_down_instead_of_broken_off(self, models: Path) -> None:
        async with running("classification", models, rate_limit=100, rate_limit_burst=1) as service:
            stub = classification_pb2_grpc.ClassificationServiceStub(service.channel)
            requests = (classification_pb2.ClassifyStreamRequest(id=str(i), request=CLASSIFY) for i in range(5))
            answers = [answer async for answer in stub.ClassifyStream(requests)]
        assert [answer.id for answer in answers] == ["0", "1", "2", "3", "4"]
        assert all(answer.WhichOneof("outcome") == "response" for answer in answers)


class TestLog:
    def test_secrets_are_in_no_line(self, models: Path, book: Book, tmp_path: Path) -> None:
        book.add("ada", "classification")
        provider = Provider()
        tokens = [book.tokens["ada"], make_token(), provider.token(), provider.token(scope="faces"), "a.b.c"]
        variables = {
            "CONVOY_MODELS": str(models),
            "CONVOY_TOKENS_FILE": str(book.path),
            "CONVOY_JWKS_FILE": str(provider.write(tmp_path / "jwks")),
            "CONVOY_JWT_ISSUER": ISSUER,
            "CONVOY_JWT_AUDIENCE": AUDIENCE,
            "CONVOY_CLIENT_TOKEN": "a secret of our own",
            "CONVOY_REDIS_URL": "redis://:another secret@127.0.0.1:6379/0",
            "CONVOY_LOG_LEVEL": "debug",
        }
        with process("classification", **variables) as child:
            with grpc.insecure_channel(f"127.0.0.1:{serving_port(child)}") as channel:
                stub = classification_pb2_grpc.ClassificationServiceStub(channel)
                codes = [code_of(stub, bearer(token)) for token in tokens]
                book.path.write_text(f"{tokens[1]} faces\n")  # somebody takes the token for its hash
                codes.append(code_of(stub, bearer(tokens[0])))
            child.terminate()
            assert child.stderr is not None
            text = child.stderr.read()
        assert codes == ["OK", "UNAUTHENTICATED", "OK", "PERMISSION_DENIED", "UNAUTHENTICATED", "OK"]
        assert "line 1 of the tokens file" in text
        assert '"caller": "ada"' in text and '"reason": "SCOPE_MISSING"' in text
        for secret in (*tokens[:4], "a secret of our own", "another secret", *(t.split(".")[-1] for t in tokens[2:4])):
            assert secret not in text

    @pytest.mark.parametrize(
        ("host", "settings", "lines"),
        [("0.0.0.0", {}, 1), ("127.0.0.1", {}, 0), ("localhost", {}, 0), ("0.0.0.0", {"tokens_file": "tokens"}, 0)],
    )
    def test_open_doors_are_warned_of_when_strangers_can_reach_them(
        self, book: Book, host: str, settings: dict[str, str], lines: int
    ) -> None:
        chosen = Settings(**{name: book.path.with_name(file) for name, file in settings.items()})
        with capture_logs() as written:
            Guard("classification", chosen).warn(host)
        assert [line["log_level"] for line in written] == ["warning"] * lines


def code_of(stub: Any, metadata: Any) -> str:
    try:
        stub.Classify(CLASSIFY, metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


async def test_jwks_without_an_issuer_stops_the_start(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "jwks"
    file.write_text(json.dumps({"keys": []}))
    with pytest.raises(FailedPrecondition, match="CONVOY_JWT_ISSUER"):
        async with running("classification", models, jwks_file=file):
            await asyncio.sleep(0)
