"""Convoy: a fleet of CNN services. The names that everyday programs need are here; each is imported when first used."""

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convoy.client import AsyncConvoy, Convoy, fetch_picture
    from convoy.client.answers.galleries import GalleryPolicy
    from convoy.core.errors import (
        AlreadyExists,
        ConvoyError,
        DeadlineExceeded,
        FailedPrecondition,
        InvalidArgument,
        NotFound,
        PermissionDenied,
        ResourceExhausted,
        Unauthenticated,
        Unavailable,
    )

# ONNX Runtime reports its use to its maker unless it is told not to before it is imported.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = [
    "AlreadyExists",
    "AsyncConvoy",
    "Convoy",
    "ConvoyError",
    "DeadlineExceeded",
    "FailedPrecondition",
    "GalleryPolicy",
    "InvalidArgument",
    "NotFound",
    "PermissionDenied",
    "ResourceExhausted",
    "Unauthenticated",
    "Unavailable",
    "fetch_picture",
]

HOMES = {
    "AsyncConvoy": "convoy.client",
    "Convoy": "convoy.client",
    "GalleryPolicy": "convoy.client.answers.galleries",
    "fetch_picture": "convoy.client",
}


def __getattr__(name: str) -> object:
    """Import a name of `__all__` when it is first used, so that a service or `convoy --help` imports no client."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES.get(name, "convoy.core.errors")), name)
