"""/v1/services: which services are there, whether they serve, with which models, and how much they have to do."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from grpc_health.v1 import health_pb2
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from convoy.core.api import MODEL_API, SERVICES, STATUS_API, ServiceName
from convoy.core.errors import ConvoyError, InvalidArgument, NotFound
from convoy.v1 import models_pb2, status_pb2
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
        Route("/v1/caller", _caller(backends), methods=["GET"]),
        Route("/v1/services/{service}/load", _load(backends), methods=["GET"]),
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


def _caller(backends: Backends) -> Endpoint:
    """Whom each service takes the caller for. Raises what the first service says if none of them answers."""
    method = methods()[f"/{STATUS_API}/GetCaller"]

    async def answer(request: Request) -> Response:
        await body(request, 0)
        asked = (backends.ask(request, method, service, status_pb2.GetCallerRequest()) for service in SERVICES)
        said = await asyncio.gather(*asked, return_exceptions=True)
        known = [
            {"service": service} | plain(one)
            for service, one in zip(SERVICES, said, strict=True)
            if not isinstance(one, BaseException)
        ]
        if not known and isinstance(said[0], BaseException):
            raise said[0]
        return Response(dump({"services": known}), media_type="application/json")

    return answer


def _load(backends: Backends) -> Endpoint:
    method = methods()[f"/{STATUS_API}/GetLoad"]

    async def answer(request: Request) -> Response:
        await body(request, 0)
        service = _one_of(SERVICES, request.path_params["service"])
        load = await backends.ask(request, method, service, status_pb2.GetLoadRequest())
        return Response(dump(plain(load)), media_type="application/json")

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
    return _one_of(services_with_models(), name)


def _one_of(services: tuple[ServiceName, ...], name: str) -> ServiceName:
    for service in services:
        if service == name:
            return service
    raise NotFound("NO_SUCH_PATH", f"no service {name[:40]!r} answers this; those that do: {', '.join(services)}")
