"""/v1/services: which services are there, whether they serve, and with which models."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from grpc_health.v1 import health_pb2
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from convoy.core.api import MODEL_API, SERVICES, ServiceName
from convoy.core.errors import ConvoyError, InvalidArgument, NotFound
from convoy.v1 import models_pb2
from convoy.web.calls import Backends
from convoy.web.json_messages import dump, plain
from convoy.web.methods import Method, methods, services_with_models
from convoy.web.requests import body
from convoy.web.rest.inputs import read_input
from convoy.web.rest.parameters import fill

HEALTH = Method(
    "/grpc.health.v1.Health/Check",
    health_pb2.HealthCheckRequest,
    health_pb2.HealthCheckResponse,
    False,
    False,
    SERVICES,
)
Endpoint = Callable[[Request], Awaitable[Response]]


def routes(backends: Backends) -> list[Route]:
    """The routes of the fleet."""
    model = "/v1/services/{service}/models/{name}"
    return [
        Route("/v1/services", _services(backends), methods=["GET"]),
        Route("/v1/services/{service}/models", _models(backends, "ListModels"), methods=["GET"]),
        Route(f"{model}/load", _models(backends, "LoadModel"), methods=["POST"]),
        Route(f"{model}/unload", _models(backends, "UnloadModel"), methods=["POST"]),
    ]


async def state_of(backends: Backends, request: Request, service: ServiceName) -> str:
    """SERVING, NOT_SERVING, or the reason why there is no answer. The request's body must have been read."""
    try:
        answer = await backends.ask(request, HEALTH, service, health_pb2.HealthCheckRequest())
    except ConvoyError as error:
        return error.reason
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def _services(backends: Backends) -> Endpoint:
    async def answer(request: Request) -> Response:
        await body(request, 0)
        states = await asyncio.gather(*(state_of(backends, request, service) for service in SERVICES))
        listed = [{"service": service, "status": state} for service, state in zip(SERVICES, states, strict=True)]
        return Response(dump({"services": listed}), media_type="application/json")

    return answer


def _models(backends: Backends, call: str) -> Endpoint:
    method = methods()[f"/{MODEL_API}/{call}"]

    async def answer(request: Request) -> Response:
        found = await read_input(request, models_pb2.LoadModelRequest.DESCRIPTOR, backends.most_bytes)
        service = _service_of(found.values.pop("service", [""])[0])
        message: Any = fill(method.request(), {}, {})
        if call != "ListModels":
            message.model.name = found.values.pop("name")[0]
            message.model.version = _version(found.values.pop("version", ""))
        fill(method.request(), found.values, {})
        return Response(
            dump(plain(await backends.ask(request, method, service, message))), media_type="application/json"
        )

    return answer


def _version(value: object) -> str:
    """One text, which in a query or a form comes as a list of one."""
    text = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(text, str):
        raise InvalidArgument("BAD_ARGUMENT", "version is one text")
    return text


def _service_of(name: str) -> ServiceName:
    for service in services_with_models():
        if service == name:
            return service
    raise NotFound("NO_SUCH_PATH", f"there is no service {name[:40]!r} with models")
