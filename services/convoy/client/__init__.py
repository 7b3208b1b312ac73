"""The Python client of Convoy.

    from convoy.client import Convoy

    with Convoy() as convoy:
        print(convoy.classify("photo.jpg").best)

`AsyncConvoy` is the same for asyncio. Calls return the frozen values of convoy.client.answers and raise the errors of
convoy.core.errors. If a call ends with UNAVAILABLE, the client repeats it up to four times within its time limit.

blocking.py     Convoy, the client for ordinary code
awaiting.py     AsyncConvoy, the client for asyncio
plans.py        the calls that you can stream
operations/     one function for each call: from arguments to a request, from a response to an answer
answers/        what calls return
pictures.py     turns paths, bytes, files, arrays and Pillow images into messages
signal_files.py  reads signals: .npy, .csv, .wav
films.py        reads films, by the extra `film`
fetching.py     brings a picture from the web, when asked
gallery_format.py  the format of an exported gallery
notebooks.py    shows answers in notebooks
channels.py     opens connections: addresses and limits
proxies.py      which calls may go through a proxy of the environment
retries.py      which failed calls are repeated
credentials.py  tokens and TLS
settings.py     addresses, limits, tokens and TLS of the environment
failures.py     turns a failed call into an error
reachability.py  who listens at an address, asked once a call has failed
__main__.py, fleet.py, probe.py   old names that work for one version more
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convoy.client.awaiting import AsyncConvoy
    from convoy.client.blocking import Convoy
    from convoy.client.fetching import fetch_picture

__all__ = ["AsyncConvoy", "Convoy", "fetch_picture"]

HOMES = {
    "AsyncConvoy": "convoy.client.awaiting",
    "Convoy": "convoy.client.blocking",
    "fetch_picture": "convoy.client.fetching",
}


def __getattr__(name: str) -> object:
    """Import a client when it is first used, so that `convoy --help` waits for neither gRPC nor NumPy."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
