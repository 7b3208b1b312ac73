"""The Open Inference Protocol v2 over REST: /v2/health, /v2/models/..., infer with JSON and the binary extension.

The services answer it over gRPC; this turns one form into the other. Models of all services share one list of names.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf import json_format
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from convoy.core.api import TENSOR_API, ServiceName
from convoy.core.errors import ConvoyError, NotFound
from convoy.inference import open_inference_pb2 as pb
from convoy.web.calls import Backends
from convoy.web.connect import inflated
from convoy.web.json_messages import dump, read_json
from convoy.web.methods import methods, services_with_models
from convoy.web.problems import headers_of, status_of
from convoy.web.requests import body
from convoy.web.tensors import HEADER, read_infer, write_infer

MOST_NAMES = 1000
Endpoint = Callable[[Request], Awaitable[Response]]


def routes(backends: Backends) -> list[Route]:
    """The routes of the protocol."""
    door = _Door(backends)
    made = [
        Route("/v2", _told(door.server), methods=["GET"]),
        Route("/v2/health/live", _live, methods=["GET"]),
        Route("/v2/health/ready", _told(door.ready), methods=["GET"]),
        Route("/v2/repository/index", _told(door.index), methods=["POST"]),
        Route("/v2/repository/models/{model}/{change}", _told(door.change), methods=["POST"]),
    ]
    for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        made += [
            Route(model, _told(door.metadata), methods=["GET"]),
            Route(f"{model}/ready", _told(door.model_ready), methods=["GET"]),
            Route(f"{model}/config", _told(door.config), methods=["GET"]),
            Route(f"{model}/stats", _told(door.statistics), methods=["GET"]),
            Route(f"{model}/infer", _told(door.infer), methods=["POST"]),
        ]
    return made


class _Door:
    """Answers the protocol's calls."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends
        self._known: dict[str, ServiceName] = {}

    async def server(self, request: Request) -> Response:
        """Name, version and extensions."""
        await body(request, 0)
        answer = await self._ask(request, services_with_models()[0], pb.ServerMetadataRequest())
        answer.extensions.append("binary_tensor_data")
        return _json(answer)

    async def ready(self, request: Request) -> Response:
        """200 if every service with models is ready."""
        await body(request, 0)
        asked = (self._ask(request, service, pb.ServerReadyRequest()) for service in services_with_models())
        answers = await asyncio.gather(*asked, return_exceptions=True)
        is_ready = all(getattr(answer, "ready", False) for answer in answers)
        return Response(b"{}", 200 if is_ready else 503, media_type="application/json")

    async def index(self, request: Request) -> Response:
        """The models of all services that the caller may ask."""
        content = await body(request, 4096)
        wanted = read_json(content, pb.RepositoryIndexRequest)
        asked = (self._ask(request, service, wanted) for service in services_with_models())
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, BaseException)]
        if len(refused) == len(answers):
            raise refused[0]
        models = [model for answer in answers if not isinstance(answer, BaseException) for model in answer.models]
        listed = {(model.name, model.version): _plain(model) for model in models}
        return Response(dump([listed[key] for key in sorted(listed)]), media_type="application/json")

    async def change(self, request: Request) -> Response:
        """Load or unload a model."""
        await body(request, 64 * 1024)
        name, change = request.path_params["model"], request.path_params["change"]
        kinds = {"load": pb.RepositoryModelLoadRequest, "unload": pb.RepositoryModelUnloadRequest}
        if change not in kinds:
            raise NotFound("NO_SUCH_PATH", f"a model can be loaded and unloaded, not {change[:40]!r}")
        errors: list[ConvoyError] = []
        for service in services_with_models():
            try:
                return _json(await self._ask(request, service, kinds[change](model_name=name)))
            except ConvoyError as error:
                errors.append(error)
        # What a service says that has the model tells more than what the others say, who lack it.
        raise next((error for error in errors if error.reason not in ("MODEL_NOT_FOUND", "WRONG_TASK")), errors[0])

    async def metadata(self, request: Request) -> Response:
        """Inputs and outputs of a model."""
        return await self._of_model(request, pb.ModelMetadataRequest)

    async def model_ready(self, request: Request) -> Response:
        """200 if a model answers. Services are asked each time: what was ready once may be unloaded."""
        await body(request, 0)
        try:
            await self._find(request)
        except NotFound:
            return Response(b"{}", 404, media_type="application/json")
        return Response(b"{}", media_type="application/json")

    async def config(self, request: Request) -> Response:
        """A model's configuration, in Triton's words."""
        return await self._of_model(request, pb.ModelConfigRequest, "config")

    async def statistics(self, request: Request) -> Response:
        """Counts and durations of a model."""
        return await self._of_model(request, pb.ModelStatisticsRequest)

    async def infer(self, request: Request) -> Response:
        """Run tensors through a graph."""
        most = self._backends.most_bytes
        content = inflated(await body(request, most), request.headers.get("content-encoding", ""), most)
        message, binary = read_infer(content, request.headers.get(HEADER))
        message.model_name = request.path_params["model"]
        message.model_version = request.path_params.get("version", "")
        answer = await self._ask_for_model(request, message)
        answered, header_bytes = write_infer(answer, binary)
        if header_bytes is None:
            return Response(answered, media_type="application/json")
        return Response(answered, headers={HEADER: str(header_bytes)}, media_type="application/octet-stream")

    async def _of_model(self, request: Request, kind: Any, part: str = "") -> Response:
        await body(request, 0)
        name, version = request.path_params["model"], request.path_params.get("version", "")
        answer = await self._ask_for_model(request, kind(name=name, version=version))
        return _json(getattr(answer, part) if part else answer)

    async def _ask_for_model(self, request: Request, message: Any) -> Any:
        """Ask the service that has the model in the path, and forget which one that is if it has it no more."""
        service = await self._service_of(request)
        try:
            return await self._ask(request, service, message)
        except NotFound:
            self._known.pop(request.path_params["model"], None)
            raise

    async def _service_of(self, request: Request) -> ServiceName:
        """The service that answers for the model in the path. The request's body must have been read."""
        name = request.path_params["model"]
        if name not in self._known:
            found = await self._find(request)
            if len(self._known) >= MOST_NAMES:
                return found
            self._known[name] = found
        return self._known[name]

    async def _find(self, request: Request) -> ServiceName:
        """Ask all services for the model in the path. Raises NotFound(MODEL_NOT_FOUND), and what services answer."""
        name = request.path_params["model"]
        question = pb.ModelReadyRequest(name=name, version=request.path_params.get("version", ""))
        asked = (self._ask(request, service, question) for service in services_with_models())
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for service, answer in zip(services_with_models(), answers, strict=True):
            if getattr(answer, "ready", False):
                return service
        refused = [answer for answer in answers if isinstance(answer, BaseException)]
        if refused:
            raise refused[0]
        raise NotFound("MODEL_NOT_FOUND", f"no service has a model {name[:64]!r}", {"model": name[:64]})

    async def _ask(self, request: Request, service: ServiceName, message: Any) -> Any:
        method = methods()[f"/{TENSOR_API}/{message.DESCRIPTOR.name.removesuffix('Request')}"]
        return await self._backends.ask(request, method, service, message)


def _told(endpoint: Endpoint) -> Endpoint:
    """Errors in the protocol's form: an object with `error`."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ConvoyError as error:
            content = dump({"error": f"{error.reason}: {error}"})
            return Response(content, status_of(error), headers_of(error), "application/json")

    return answer


async def _live(request: Request) -> Response:
    return Response(b"{}", media_type="application/json")


def _plain(message: Any) -> dict[str, Any]:
    """As the protocol has it: names of the proto, 64-bit numbers as numbers."""
    found: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return _numbers(found, message.DESCRIPTOR)


def _numbers(value: dict[str, Any], kind: Any) -> dict[str, Any]:
    """64-bit numbers, which proto JSON writes as text, as numbers."""
    made: dict[str, Any] = {}
    for name, one in value.items():
        field = kind.fields_by_name[name]
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            inner = field.message_type
            made[name] = [_numbers(each, inner) for each in one] if isinstance(one, list) else _numbers(one, inner)
        elif field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
            made[name] = [int(each) for each in one] if isinstance(one, list) else int(one)
        else:
            made[name] = one
    return made


def _json(message: Any) -> Response:
    return Response(dump(_plain(message)), media_type="application/json")
