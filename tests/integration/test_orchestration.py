"""What an orchestrator relies on: liveness apart from readiness, connections that end, and the KServe example."""

import asyncio
import json
import sys
from pathlib import Path

import grpc
import yaml
from convoy.client.retries import SERVICE_CONFIG
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository
from convoy.v1 import classification_pb2, classification_pb2_grpc, common_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.serving import running

ROOT = Path(__file__).resolve().parents[2]
KSERVE = ROOT / "deploy" / "kubernetes" / "kserve"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
RED = common_pb2.Image(encoded=pictures.encode(pictures.plain((220, 20, 20))))
INFER = """
import json, sys
import numpy as np
from tritonclient.grpc import InferenceServerClient, InferInput
client = InferenceServerClient(sys.argv[1])
name = sys.argv[2]
image = np.zeros((1, 32, 32, 3), np.uint8)
image[..., 0] = 220
tensor = InferInput("images", image.shape, "UINT8")
tensor.set_data_from_numpy(image)
answer = client.infer(name, [tensor]).as_numpy("probabilities")
print(json.dumps([client.is_model_ready(name), int(answer.argmax())]))
"""


async def test_a_service_without_its_store_is_alive_and_not_ready(tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/redis.sock"
    async with running("recognition", tmp_path, redis_url=nowhere) as service:
        health = health_pb2_grpc.HealthStub(service.channel)
        said = {
            name: (await health.Check(health_pb2.HealthCheckRequest(service=name))).status for name in ("", "liveness")
        }
    assert said == {"": NOT_SERVING, "liveness": SERVING}


async def test_connections_end_by_age_and_no_call_with_them(tmp_path: Path) -> None:
    async with running("classification", write_repository(tmp_path), max_connection_age_s=1) as service:
        address = f"dns:///127.0.0.1:{service.server.port}"
        channel = grpc.aio.insecure_channel(address, [("grpc.service_config", SERVICE_CONFIG)])
        stub = classification_pb2_grpc.ClassificationServiceStub(channel)
        states: list[grpc.ChannelConnectivity] = []

        async def watch() -> None:
            state = channel.get_state()
            while True:
                await channel.wait_for_state_change(state)
                states.append(state := channel.get_state())

        watcher = asyncio.create_task(watch())
        end = asyncio.get_running_loop().time() + 5
        while asyncio.get_running_loop().time() < end:
            assert (await stub.Classify(classification_pb2.ClassifyRequest(images=[RED]))).results
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        await channel.close()
    assert states.count(grpc.ChannelConnectivity.READY) >= 2, states


async def test_the_kserve_example_serves_its_model_through_the_tensor_door(tmp_path: Path) -> None:
    runtime = yaml.safe_load((KSERVE / "serving-runtime.yaml").read_text())
    example = yaml.safe_load((KSERVE / "inference-service.yaml").read_text())["spec"]["predictor"]["model"]
    (container,) = runtime["spec"]["containers"]
    assert example["runtime"] == runtime["metadata"]["name"]
    assert example["modelFormat"].items() <= runtime["spec"]["supportedModelFormats"][0].items()
    assert example["protocolVersion"] in runtime["spec"]["protocolVersions"]
    assert [port["containerPort"] for port in container["ports"]] == [container["readinessProbe"]["grpc"]["port"]]
    environment = {variable["name"]: variable["value"] for variable in container["env"] + example["env"]}
    assert environment.pop("CONVOY_MODELS") == "/mnt/models"  # where KServe puts them, in here a folder of the test's
    assert int(environment.pop("CONVOY_PORT")) == container["ports"][0]["containerPort"]
    settings = {name.removeprefix("CONVOY_").lower(): value for name, value in environment.items()}
    verb, service_name = container["args"]
    assert verb == "serve"
    assert (ROOT / "exported_models" / settings["classification_model"]).is_dir()
    async with running(service_name, write_repository(tmp_path), **settings) as service:
        command = [sys.executable, "-c", INFER, f"127.0.0.1:{service.server.port}", settings["classification_model"]]
        child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await asyncio.wait_for(child.communicate(), 60)
    assert json.loads(output) == [True, 0]
