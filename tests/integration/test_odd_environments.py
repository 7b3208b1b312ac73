"""Services where operators have run such things: behind a proxy's variables, on IPv6, without a home."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from convoy.client import Convoy
from convoy.client.proxies import is_near
from convoy.core.errors import ConvoyError, FailedPrecondition, InvalidArgument
from convoy.drawing.picture_files import write_picture
from convoy.fleet.health_check import is_serving
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository
from convoy.v1 import classification_pb2, classification_pb2_grpc, common_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tests.raw_http2 import ask
from tests.serving import refusal, running

PICTURE = pictures.encode(pictures.plain((220, 20, 20)))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("models"))


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> str:
    """A proxy that answers nobody, in the environment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, address)
    for name in ("no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    return address


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_this_machine_is_reached_without_a_proxy(models: Path, dead_proxy: str, host: str) -> None:
    async with running("classification", models) as service:
        import asyncio

        def ask() -> str:
            with Convoy(classification=f"{host}:{service.server.port}", timeout_s=20) as convoy:
                return convoy.classify(PICTURE).best.label

        assert await asyncio.to_thread(ask) == "red"
        assert await asyncio.to_thread(is_serving, "classification", service.server.port)


def test_elsewhere_the_error_names_the_proxy(dead_proxy: str) -> None:
    with Convoy(classification="192.0.2.1:50051", timeout_s=2) as convoy, pytest.raises(ConvoyError) as away:
        convoy.classify(PICTURE)
    assert dead_proxy in str(away.value) and "no_proxy" in str(away.value)


NEAR = ["127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/run/x", "dns:///localhost:1", "ipv4:127.0.0.1:1"]


@pytest.mark.parametrize("address", [*NEAR, "10.0.0.1:1", "faces:50054", "localhost.evil:1"])
def test_which_addresses_are_near(address: str) -> None:
    assert is_near(address) is (address in NEAR)


@pytest.mark.parametrize("host", ["::", "[::]", "::1"])
async def test_ipv6(models: Path, host: str) -> None:
    async with running("classification", models, host=host) as service:
        names = ["[::1]"] if host == "::1" else ["[::1]", "127.0.0.1"]
        for name in names:
            async with grpc.aio.insecure_channel(f"{name}:{service.server.port}") as channel:
                assert await channel.unary_unary("/grpc.health.v1.Health/Check")(b"") == b"\x08\x01"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_in_both_versions(models: Path, version: str) -> None:
    async with running("classification", models) as service:
        call = service.channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        said = [one async for one in call(iter([asked]))]
    names = {one.name for one in said[0].list_services_response.service}
    assert {"convoy.v1.ClassificationService", "grpc.reflection.v1.ServerReflection"} <= names


@pytest.mark.parametrize("token", ["Bearer caf\u00e9", "Bearer \U0001f511.a.b", "Basic \u00fc", b"Bearer \xff"])
async def test_a_token_that_is_not_ascii_is_a_bad_one(models: Path, tmp_path: Path, token: str | bytes) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("")
    header = token.encode() if isinstance(token, str) else token
    async with running("classification", models, tokens_file=tokens) as service:
        said = await ask(service.server.port, "/convoy.v1.ModelService/ListModels", authorization=header)
    assert b"\x0216" in said  # grpc-status: UNAUTHENTICATED


async def test_headers_that_are_not_ascii_fail_no_call(models: Path) -> None:
    odd = dict.fromkeys(("x-request-id", "x-convoy-model", "traceparent", "x-any"), b"caf\xc3\xa9")
    async with running("classification", models) as service:
        said = await ask(service.server.port, "/convoy.v1.ModelService/ListModels", **odd)
    assert b"\x010" in said  # grpc-status: OK


@pytest.mark.parametrize(
    "shape", [[1] * 65, [1] * 33, [0, 2**62, 2**62, 3], [2**62, 2**62, 0, 3], [-1, 2, 2, 3], [2**63 - 1] * 4]
)
async def test_a_shape_that_no_tensor_has_is_refused(models: Path, shape: list[int]) -> None:
    from convoy.inference import open_inference_pb2 as pb

    request = pb.ModelInferRequest(model_name="cifar10-resnet", raw_input_contents=[b""])
    request.inputs.add(name="images", datatype="UINT8", shape=shape)
    async with running("classification", models) as service:
        call = service.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        assert (await refusal(call, request.SerializeToString())).code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_process_without_a_home_reads_its_settings() -> None:
    code = "import os; os.environ.pop('HOME', None); import pwd; pwd.getpwuid = {}.__getitem__; import convoy.cli.app"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_first_process_of_a_container_obeys_at_once() -> None:
    """As process 1 it would ignore SIGTERM; here the number alone is pretended."""
    code = "import os; os.getpid = lambda: 1; import convoy.cli; print('up', flush=True); import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_picture_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(InvalidArgument, match="could not be written"):
        write_picture(place / "out.png", pictures.plain())
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    write_picture(odd, pictures.plain())
    assert odd.stat().st_size


async def test_a_unix_socket_is_served_and_taken_from_nobody(models: Path, tmp_path: Path) -> None:
    path = tmp_path / "convoy.sock"
    host = f"unix:{path}"
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(path))  # left over: nobody listens on it
    async with running("classification", models, host=host) as service:
        assert service.server.metrics_port
        async with grpc.aio.insecure_channel(host) as channel:
            stub = classification_pb2_grpc.ClassificationServiceStub(channel)
            image = common_pb2.Image(encoded=PICTURE)
            answer = await stub.Classify(classification_pb2.ClassifyRequest(images=[image]))
            assert answer.results[0].labels[0].name == "red"
        with pytest.raises(FailedPrecondition, match="another program listens there"):
            async with running("classification", models, host=host):
                pass
    for wrong, words in ((f"unix:{tmp_path}/none/x", "no folder"), (f"unix:{tmp_path}/file", "is no socket")):
        (tmp_path / "file").touch()
        with pytest.raises(FailedPrecondition, match=words):
            async with running("classification", models, host=wrong):
                pass
