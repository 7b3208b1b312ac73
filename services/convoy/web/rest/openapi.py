"""OpenAPI 3.1 of the REST operations, made of the table and of the protos' descriptors and comments."""

import re
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from starlette.requests import Request
from starlette.responses import Response

from convoy.core.security.demands import demand_of
from convoy.core.security.scores import is_score
from convoy.web.json_messages import TIMESTAMP, Descriptor, dump, prefix_of
from convoy.web.methods import methods
from convoy.web.problems import MEDIA_TYPE
from convoy.web.rest import examples
from convoy.web.rest.openapi_beside import beside
from convoy.web.rest.operations import OPERATIONS, Operation
from convoy.web.rest.parameters import Parameter, images_of, parameters_of

Schema = dict[str, Any]
_UNSIGNED = {FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64}
_OPTIONAL = {f"convoy.v1.GalleryPolicy.{name}" for name in ("max_faces", "max_people")}
"""Written by `plain`, and still no part of the contract of a policy, whose fields are all optional."""
_DRAW = {
    "name": "draw",
    "in": "query",
    "description": "Answer with the picture, and what was found drawn into it. Takes one picture.",
    "schema": {"type": "boolean"},
}
_PICTURE = {"type": "string", "contentEncoding": "base64", "description": "A picture file in base64, or a data URL."}
_FILE = {"type": "string", "contentMediaType": "application/octet-stream", "description": "A picture file."}
_TYPES = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}


def endpoint() -> Callable[[Request], Awaitable[Response]]:
    """The route's answer; it is made once."""

    async def answer(request: Request) -> Response:
        return Response(_content(), media_type="application/json")

    return answer


@cache
def _content() -> bytes:
    return dump(describe())


def describe() -> Schema:
    """The whole document."""
    schemas: dict[str, Schema] = {"Problem": _PROBLEM}
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.verb.lower()] = _operation(operation, schemas)
    paths |= beside(lambda kind: _message(kind.DESCRIPTOR, schemas))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Convoy",
            "version": "1",
            "description": "Every operation is an RPC of proto/convoy/v1; POST /package.Service/Method takes each of "
            "them, and those that stream, by the Connect protocol.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                "Problem": {
                    "description": "What went wrong (RFC 9457), with the reason that gRPC callers get.",
                    "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}},
                    "content": {MEDIA_TYPE: {"schema": _ref("Problem")}},
                }
            },
        },
    }


def _operation(operation: Operation, schemas: dict[str, Schema]) -> Schema:
    method = methods()[operation.rpc]
    request, response = method.request.DESCRIPTOR, method.response.DESCRIPTOR
    in_path = set(re.findall(r"{(\w+)}", operation.path))
    parameters = parameters_of(request)
    described: Schema = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": _demand_of(operation.rpc),
        "tags": [operation.tag],
        "parameters": [
            _parameter(parameter, "path" if name in in_path else "query", schemas)
            for name, parameter in parameters.items()
            if parameter.kind != "image"
            and (name in in_path or operation.verb in ("GET", "DELETE") or images_of(request))
        ],
        "responses": {
            str(operation.status): {
                "description": "The answer.",
                "content": {"application/json": {"schema": _message(response, schemas)}},
            },
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }
    if operation.picture:
        described["parameters"].append(_DRAW)
        described["responses"]["200"]["content"]["image/png"] = {"schema": {}}
    if operation.name == "Transform":
        described["responses"]["200"]["content"]["image/*"] = {"schema": {}}
    if operation.verb not in ("GET", "DELETE"):
        described["requestBody"] = _body(request, in_path, schemas)
        described["requestBody"]["content"]["application/json"]["example"] = examples.BODIES[operation.name]
    return described


def _parameter(parameter: Parameter, where: str, schemas: dict[str, Schema]) -> Schema:
    schema = _input(parameter, schemas)
    described: Schema = {"name": parameter.name, "in": where, "schema": schema}
    if where == "path":
        described |= {"required": True, "example": examples.IN_PATH[parameter.name]}
    if parameter.kind in ("map", "message"):
        described = {"name": parameter.name, "in": where, "content": {"application/json": {"schema": schema}}}
    elif parameter.field.is_repeated:
        described["explode"] = True
    return described


def _body(request: Descriptor, in_path: set[str], schemas: dict[str, Schema]) -> Schema:
    """The body in each form that it may have."""
    values = {
        name: _input(parameter, schemas)
        for name, parameter in parameters_of(request).items()
        if parameter.kind != "image" and name not in in_path
    }
    pictures = {parameter.name: parameter for parameter in images_of(request).values()}
    several = {name: parameter.field.is_repeated for name, parameter in pictures.items()}
    json = {name: _many(_PICTURE) if many else _PICTURE for name, many in several.items()}
    content: Schema = {"application/json": {"schema": _closed(json | values)}}
    if pictures:
        form = {name: _many(_FILE) if many else _FILE for name, many in several.items()}
        content["multipart/form-data"] = {"schema": _closed(form | values)}
        content["image/*"] = {"schema": {}}
    return {"required": True, "content": content}


def _input(parameter: Parameter, schemas: dict[str, Schema]) -> Schema:
    if parameter.kind == "model":
        return {"type": "string", "description": "name, or name:version"}
    return _field(parameter.field, schemas, sent=True)


def _message(kind: Descriptor, schemas: dict[str, Schema], *, sent: bool = False) -> Schema:
    """A reference to the schema of a message, which is added; of one that is sent, no field is required."""
    if kind.full_name == TIMESTAMP:
        return {"type": "string", "format": "date-time"}
    name = f"{kind.name}Input" if sent else kind.name
    if name not in schemas:
        sent = sent or name.endswith("Request")
        schemas[name] = {}
        schemas[name] = {
            "type": "object",
            "properties": {field.name: _field(field, schemas, sent=sent) for field in kind.fields},
        }
        required = [field.name for field in kind.fields if _is_always_there(field)]
        if required and not sent:
            schemas[name]["required"] = required
    return _ref(name)


def _is_always_there(field: FieldDescriptor) -> bool:
    """Whether every answer has the field; as json_messages.plain writes it."""
    if field.is_repeated:
        return True
    optional = field.has_presence or is_score(field) or field.enum_type is not None
    return not optional and field.type != field.TYPE_BYTES and field.full_name not in _OPTIONAL


def _field(field: FieldDescriptor, schemas: dict[str, Schema], *, sent: bool) -> Schema:
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        return {"type": "object", "additionalProperties": _scalar(inner.fields_by_name["value"])}
    schema = _scalar(field) if inner is None else _message(inner, schemas, sent=sent)
    return _many(schema) if field.is_repeated else schema


def _scalar(field: FieldDescriptor) -> Schema:
    if field.enum_type is not None:
        prefix = prefix_of(field.enum_type)
        return {
            "type": "string",
            "enum": [one.name.removeprefix(prefix) for one in field.enum_type.values if one.number],
        }
    if field.type in _TYPES:
        return dict(_TYPES[field.type])
    return {"type": "integer"} | ({"minimum": 0} if field.type in _UNSIGNED else {})


def _demand_of(rpc: str) -> str:
    demand = demand_of(rpc)
    scope = demand.scope if demand else None
    text = f"{scope.before}{{{'.'.join(scope.path)}}}{scope.after}" if scope and scope.path else scope and scope.before
    return f"With tokens on, it needs the scope `{text}`." if text else ""


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _closed(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


_PROBLEM: Schema = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "reason", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "urn:convoy:REASON"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for people."},
        "code": {"type": "string", "description": "The gRPC status code."},
        "reason": {"type": "string", "description": "A stable word for programs; docs/errors.md lists them."},
        "request_id": {"type": "string", "description": "The id of the request in the logs."},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "hint": {"type": "string", "description": "What to do about it."},
        "details": _many({"type": "object"}),
    },
}
