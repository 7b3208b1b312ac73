"""The one table of services agrees with the protos and with what is deployed."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from convoy.core.api import API, METRICS_PORT_OFFSET, MODEL_API, SERVICES, STATUS_API, TENSOR_API
from convoy.inference import open_inference_pb2
from convoy.v1 import (
    classification_pb2,
    detection_pb2,
    faces_pb2,
    imaging_pb2,
    models_pb2,
    recognition_pb2,
    segmentation_pb2,
    status_pb2,
)

ROOT = Path(__file__).resolve().parents[3]
PROTOS: dict[str, Any] = {
    "classification": classification_pb2,
    "detection": detection_pb2,
    "segmentation": segmentation_pb2,
    "faces": faces_pb2,
    "recognition": recognition_pb2,
    "imaging": imaging_pb2,
}


def api_of(proto: Any) -> str:
    """The full name of the one API that a proto defines."""
    (api,) = proto.DESCRIPTOR.services_by_name.values()
    return api.full_name


def test_every_service_has_a_row() -> None:
    assert tuple(API) == SERVICES == tuple(PROTOS)


def test_names_are_those_of_the_protos() -> None:
    assert {service: api.grpc_name for service, api in API.items()} == {s: api_of(p) for s, p in PROTOS.items()}
    assert (api_of(models_pb2), api_of(open_inference_pb2)) == (MODEL_API, TENSOR_API)
    assert api_of(status_pb2) == STATUS_API


@pytest.mark.parametrize("service", SERVICES)
def test_compose_publishes_the_ports_of_the_table(service: str) -> None:
    deployed = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][service]
    port = API[service].port
    assert [published.rpartition(":")[2] for published in deployed["ports"]] == [
        str(port),
        str(port + METRICS_PORT_OFFSET),
    ]
    assert deployed["healthcheck"]["test"][-2:] == [service, str(port)]


def test_the_table_imports_nothing_heavy() -> None:
    code = "import sys, convoy.core.api; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"grpc", "google.protobuf", "numpy", "pydantic", "pydantic_settings"} & set(loaded) == set()
