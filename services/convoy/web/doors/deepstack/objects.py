"""Objects in pictures, and what a picture shows as a whole."""

from typing import Any

from convoy.core.errors import ConvoyError, InvalidArgument, NotFound, PermissionDenied
from convoy.v1 import classification_pb2, common_pb2, detection_pb2, models_pb2
from convoy.web.doors.calls import Caller
from convoy.web.doors.deepstack.answers import NO_PICTURE, place
from convoy.web.doors.given import Given

LEAST_CONFIDENCE = 0.4
DETECTION = "detection"
MOST_PREDICTIONS = 20
"""Frigate's detector fails on more."""


def picture_of(given: Given) -> bytes:
    """The picture: under `image`, or the first file. Raises InvalidArgument(BAD_ARGUMENT)."""
    content = given.picture("image") or next((file for _, file in given.files), None)
    if not content:
        raise InvalidArgument("BAD_ARGUMENT", NO_PICTURE)
    return content


async def detect(caller: Caller, given: Given, model: str = "") -> dict[str, object]:
    """Objects, the surest first."""
    request = detection_pb2.DetectRequest(
        images=[common_pb2.Image(encoded=picture_of(given))],
        model=common_pb2.ModelRef(name=model),
        detection_threshold=given.number("min_confidence", LEAST_CONFIDENCE),
        max_detections=given.whole("max_predictions", MOST_PREDICTIONS, low=1, high=300),
    )
    found = (await caller.ask("DetectionService/Detect", request)).results[0].detections
    labels = ", ".join(dict.fromkeys(one.label for one in found))
    predictions = [{"label": one.label, "confidence": one.score} | place(one.box) for one in found]
    return {
        "predictions": predictions,
        "count": len(found),
        "message": f"Found {labels}" if found else "No objects found",
    }


async def detect_by(caller: Caller, given: Given, model: str) -> dict[str, object]:
    """Objects by a model of the caller's choice, whose name may be written in capitals or not, with .pt or without."""
    try:
        return await detect(caller, given, model)
    except NotFound as error:
        if error.reason != "MODEL_NOT_FOUND":
            raise
        models = await _models(caller)
        wanted = model.casefold().rpartition(".")[0] or model.casefold()
        named = next((name for name in models if name.casefold() in (model.casefold(), wanted)), None)
        if named is None:
            message = f"there is no model of this name; there are {', '.join(models)}"
            raise NotFound("MODEL_NOT_FOUND", message) from None
    return await detect(caller, given, named)


async def list_models(caller: Caller, given: Given) -> dict[str, object]:
    """The names of the models that find objects."""
    return {"models": await _models(caller)}


async def scene(caller: Caller, given: Given) -> dict[str, object]:
    """What the picture shows, by the classification service's default model."""
    images = [common_pb2.Image(encoded=picture_of(given))]
    request = classification_pb2.ClassifyRequest(images=images, top_k=1)
    try:
        (label,) = (await caller.ask("ClassificationService/Classify", request)).results[0].labels
    except ConvoyError as error:
        if error.reason not in ("SERVICE_UNREACHABLE", "MODEL_NOT_FOUND"):
            raise
        raise PermissionDenied("NOT_OFFERED", "Scene endpoint not activated: no classification service runs") from None
    return {"label": label.name, "confidence": label.probability}


async def _models(caller: Caller) -> list[str]:
    answer: Any = await caller.ask_service("detection", "ListModels", models_pb2.ListModelsRequest())
    there = (one for one in answer.models if one.task == DETECTION and one.state == models_pb2.MODEL_STATE_READY)
    return sorted({one.model.name for one in there})
