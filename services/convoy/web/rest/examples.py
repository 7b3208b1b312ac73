"""Examples for OpenAPI: a body in JSON for each operation that takes one, and values of what stands in paths."""

from typing import Any

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAFUlEQVR42mO8IyLCgBswMeAFI1UaAEb5ARjjTHFYAAAAAElFTkSuQmCC"
"""A file of 10x10 pixels in base64."""
_ONE = {"image": PICTURE}
_SEVERAL = {"images": [PICTURE]}
_TWO = {"first": PICTURE, "second": PICTURE}

IN_PATH = {
    "gallery": "staff",
    "person_id": "ada",
    "face_id": "5f0c6a7e",
    "alias": "door",
    "service": "detection",
    "name": "bccd-yolo",
    "version": 17,
}
BODIES: dict[str, dict[str, Any]] = {
    "Classify": _SEVERAL | {"top_k": 3},
    "EmbedImages": _SEVERAL | {"model": "cifar10-embedder"},
    "ClassifySignal": {"signals": [{"samples": [0.0, 0.1, 0.9, -0.2, 0.0], "rate_hz": 100}], "resample": True},
    "Explain": _ONE | {"label": "ship", "overlay": True},
    "ExplainDetection": _ONE | {"cells": 8},
    "ExplainSegmentation": _ONE | {"cells": 8},
    "ExplainComparison": _TWO,
    "Detect": _SEVERAL | {"detection_threshold": 0.4, "labels": ["RBC"]},
    "Segment": _SEVERAL | {"mask_format": "PNG"},
    "Transform": _SEVERAL | {"format": "JPEG"},
    "DetectFaces": _SEVERAL | {"selection": "LARGEST"},
    "EmbedFaces": _SEVERAL | {"max_faces": 3},
    "CompareFaces": _TWO,
    "CreateGallery": {"gallery": "staff", "description": "who works here", "policy": {"quality_floor": 0.3}},
    "UpdateGallery": {"description": "who works here today"},
    "SetGalleryAlias": {"gallery": "staff"},
    "CreatePerson": {"display_name": "Ada Lovelace", "tags": ["night shift"], "metadata": {"badge": "17"}},
    "Register": {"photos": [PICTURE], "display_name": "Ada Lovelace", "add_faces": True},
    "UpdatePerson": {"add_tags": ["day shift"], "expire_time": "2030-01-01T00:00:00Z"},
    "RenamePerson": {"new_person_id": "ada.lovelace"},
    "MergePeople": {"merged_person_id": "ada2"},
    "Identify": _ONE | {"top_k": 3, "tags": ["day shift"]},
    "Verify": {"probe": PICTURE, "person_id": "ada"},
}
