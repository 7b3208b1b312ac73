"""OpenAPI of the operations that are no single RPC: services and their callers, galleries as files, receipts."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from convoy.core.api import SERVICES
from convoy.v1 import models_pb2, recognition_pb2, status_pb2
from convoy.web.methods import services_with_models
from convoy.web.rest.examples import IN_PATH
from convoy.web.rest.transfer import MEDIA_TYPE, PASSPHRASE_HEADER

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}


def _in_path(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema, "example": IN_PATH[name]}


SERVICE = _in_path("service", {"enum": list(SERVICES)})
WITH_MODELS = SERVICE | {"schema": {"enum": list(services_with_models())}}
GALLERY = _in_path("gallery", TEXT)


def beside(schema_of: Callable[[type[Message]], Schema]) -> dict[str, Any]:
    """Path -> verb -> operation. schema_of: adds the schema of a message and gives a reference to it."""
    return _fleet(schema_of) | _galleries(schema_of)


def _fleet(schema_of: Callable[[type[Message]], Schema]) -> dict[str, Any]:
    name = _in_path("name", TEXT)
    version = {"name": "version", "in": "query", "schema": TEXT}
    service = {"service": {"enum": list(SERVICES)}}
    states = _object(service | {"status": TEXT})
    caller = _object(
        service | {"name": TEXT, "is_limited": {"type": "boolean"}, "scopes": {"type": "array", "items": TEXT}}
    )
    models, loaded = schema_of(models_pb2.ListModelsResponse), schema_of(models_pb2.LoadModelResponse)
    base = "/v1/services/{service}/models"
    return {
        "/v1/services": {"get": _one("ListServices", "List services and whether they serve", [], _list(states))},
        "/v1/caller": {"get": _one("GetCaller", "Tell whom services take you for, and your scopes", [], _list(caller))},
        "/v1/services/{service}/load": {
            "get": _one(
                "GetLoad", "Tell what a service had to do lately", [SERVICE], schema_of(status_pb2.GetLoadResponse)
            )
        },
        base: {"get": _one("ListModels", "List the models of a service", [WITH_MODELS], models)},
        f"{base}/{{name}}/load": {"post": _one("LoadModel", "Load a model", [WITH_MODELS, name, version], loaded)},
        f"{base}/{{name}}/unload": {
            "post": _one("UnloadModel", "Unload a model", [WITH_MODELS, name, version], {"type": "object"})
        },
    }


def _galleries(schema_of: Callable[[type[Message]], Schema]) -> dict[str, Any]:
    event = schema_of(recognition_pb2.AuditEvent)
    receipt = _object({"gallery": TEXT, "erasure": event, "hashed": TEXT, "sha256": TEXT})
    version = _in_path("version", {"type": "integer", "minimum": 1})
    passphrase = {
        "name": PASSPHRASE_HEADER,
        "in": "header",
        "description": "Encrypts the file, or opens it; UTF-8 in base64.",
        "schema": TEXT,
    }
    taken = _one(
        "ImportGallery",
        "Add the people of a file",
        [GALLERY, passphrase],
        schema_of(recognition_pb2.ImportGalleryResponse),
        "Galleries",
    )
    taken["requestBody"] = {"required": True, "content": {MEDIA_TYPE: {"schema": {}}}}
    exported = _one("ExportGallery", "Get a gallery as a file", [GALLERY, passphrase], {}, "Galleries")
    exported["responses"]["200"]["content"] = {MEDIA_TYPE: {"schema": {}}}
    return {
        "/v1/galleries/{gallery}/export": {"post": exported},
        "/v1/galleries/{gallery}/import": {"post": taken},
        "/v1/galleries/{gallery}/erasures/{version}": {
            "get": _one("GetErasure", "Get the receipt of an erasure", [GALLERY, version], receipt, "Galleries")
        },
    }


def _one(name: str, summary: str, parameters: list[Schema], answer: Schema, tag: str = "Fleet") -> Schema:
    return {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "parameters": parameters,
        "responses": {
            "200": {"description": "The answer.", "content": {"application/json": {"schema": answer}}},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def _list(schema: Schema) -> Schema:
    return _object({"services": _many(schema)})
