"""Calls that every service answers: whether it is healthy, who calls, how much it has to do, and its models."""

from grpc_health.v1 import health_pb2

from convoy.client.answers.models import ModelInfo, read_model_info
from convoy.client.answers.status import CallerInfo, Load, read_caller, read_load
from convoy.client.operations.operation import Operation, plan
from convoy.client.operations.vision import write_model
from convoy.core.api import MODEL_API, STATUS_API, ServiceName
from convoy.core.errors import InvalidArgument
from convoy.v1 import models_pb2, status_pb2

HEALTH = "grpc.health.v1.Health"


def check_health(service: ServiceName) -> Operation[str]:
    """SERVING or NOT_SERVING. Unavailable(SERVICE_UNREACHABLE): nothing answers at the address."""
    request = health_pb2.HealthCheckRequest()
    return Operation(
        service,
        f"/{HEALTH}/Check",
        request,
        health_pb2.HealthCheckResponse,
        lambda reply: str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)),
    )


def get_caller(service: ServiceName) -> Operation[CallerInfo]:
    """Whom the service takes you for, and what you may do there."""
    return plan(service, status_pb2.GetCallerRequest(), status_pb2.GetCallerResponse, read_caller, STATUS_API)


def get_load(service: ServiceName) -> Operation[Load]:
    """How much the service had to do in the last minutes. Needs the scope `metrics`."""
    return plan(service, status_pb2.GetLoadRequest(), status_pb2.GetLoadResponse, read_load, STATUS_API)


def list_models(service: ServiceName) -> Operation[list[ModelInfo]]:
    """The models in a service's repository that do its tasks, loaded or not. InvalidArgument: recognition has none."""
    request = models_pb2.ListModelsRequest()
    return plan(
        _with_models(service),
        request,
        models_pb2.ListModelsResponse,
        lambda reply: [read_model_info(one) for one in reply.models],
        MODEL_API,
    )


def load_model(service: ServiceName, model: str) -> Operation[ModelInfo]:
    """Load name:version (name alone for the newest) and make it the one that answers.

    FailedPrecondition(BAD_MODEL, WRONG_TASK).
    """
    request = models_pb2.LoadModelRequest(model=write_model(model))
    return plan(
        _with_models(service),
        request,
        models_pb2.LoadModelResponse,
        lambda reply: read_model_info(reply.model),
        MODEL_API,
    )


def unload_model(service: ServiceName, model: str) -> Operation[None]:
    """Unload name:version (name alone for all) after its calls are answered. NotFound(MODEL_NOT_FOUND)."""
    request = models_pb2.UnloadModelRequest(model=write_model(model))
    return plan(_with_models(service), request, models_pb2.UnloadModelResponse, lambda _: None, MODEL_API)


def _with_models(service: ServiceName) -> ServiceName:
    if service == "recognition":
        raise InvalidArgument(
            "BAD_ARGUMENT", "recognition has no models of its own; those of the faces service are its"
        )
    return service
