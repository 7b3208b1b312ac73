"""The Python client of Convoy.

    from convoy.client import Convoy

    with Convoy() as convoy:
        print(convoy.classify("photo.jpg").best)

`AsyncConvoy` is the same for asyncio. Answers are the frozen values of convoy.client.answers, failures the errors of
convoy.core.errors. A call that ends with UNAVAILABLE is tried up to four more times inside its time limit.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convoy.client.awaiting import AsyncConvoy
    from convoy.client.blocking import Convoy

__all__ = ["AsyncConvoy", "Convoy"]

HOMES = {"AsyncConvoy": "convoy.client.awaiting", "Convoy": "convoy.client.blocking"}


def __getattr__(name: str) -> object:
    """Import a client when it is first used, so that `convoy --help` waits for neither gRPC nor NumPy."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
