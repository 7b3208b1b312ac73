"""The services: their names, what gRPC calls them, and their ports.

Everything else imports this table. To add a service, add its name and its row. The command line reads this file first,
so it imports nothing heavy.
"""

from typing import Literal, NamedTuple, get_args

ServiceName = Literal["classification", "detection", "segmentation", "faces", "recognition", "imaging"]
SERVICES: tuple[ServiceName, ...] = get_args(ServiceName)
"""The order of their ports, in which a fleet also starts them."""


class ServiceApi(NamedTuple):
    """What callers must know of a service: the full name of its gRPC API, and the port that it has by default."""

    grpc_name: str
    port: int


API: dict[ServiceName, ServiceApi] = {
    "classification": ServiceApi("convoy.v1.ClassificationService", 50051),
    "detection": ServiceApi("convoy.v1.DetectionService", 50052),
    "segmentation": ServiceApi("convoy.v1.SegmentationService", 50053),
    "faces": ServiceApi("convoy.v1.FaceService", 50054),
    "recognition": ServiceApi("convoy.v1.RecognitionService", 50055),
    "imaging": ServiceApi("convoy.v1.ImagingService", 50056),
}
FIRST_PORT = API[SERVICES[0]].port

MODEL_API = "convoy.v1.ModelService"
"""Lists, loads and unloads models; every service that has models answers it beside its own API."""
STATUS_API = "convoy.v1.StatusService"
"""Tells what the caller may do and how much a service has to do; every service answers it."""
TENSOR_API = "inference.GRPCInferenceService"
"""The Open Inference Protocol, which every service that has models answers too."""

ProcessName = Literal[ServiceName, "web"]
"""What runs as a process: the services, and the web door, which asks them for those who speak HTTP."""
WEB: Literal["web"] = "web"
WEB_PORT = 8080

METRICS_PORT_OFFSET = 1000
"""A service's metrics page is at its own port plus this, unless a setting says otherwise."""

MODEL_KEY = "convoy-model"
"""Metadata key for a call's model, as name or name:version. By it a service can refuse before the message arrives."""


def split_model(name_and_version: str) -> tuple[str, str]:
    """Split name or name:version into (name, version); an empty version means the newest."""
    name, _, version = name_and_version.partition(":")
    return name, version


def split_models(names: str) -> list[str]:
    """Split "name, name:version" into its models; an empty text has none."""
    return [name.strip() for name in names.split(",") if name.strip()]
