"""Brings a picture from the web, when you ask for it. No other part of the client follows a URL."""

from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from convoy.core.errors import InvalidArgument, Unavailable

MAX_BYTES = 16 * 2**20


def fetch_picture(url: str, *, max_bytes: int = MAX_BYTES, timeout_s: float = 10.0) -> bytes:
    """The bytes at an http or https address, for example of a picture file. Redirects to other schemes are refused.

    An address comes from somebody: fetch none that a stranger chose from a machine that reaches more than the stranger.
    InvalidArgument: it is no such address (BAD_ARGUMENT), or there is more than max_bytes (IMAGE_TOO_LARGE).
    Unavailable(FETCH_FAILED): it could not be brought.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise InvalidArgument("BAD_ARGUMENT", "give an address that begins with http:// or https://")
    opener = OpenerDirector()
    # No handler of files or FTP is among them, unlike in urllib's usual opener.
    for handler in (ProxyHandler, HTTPHandler, HTTPSHandler, HTTPErrorProcessor, HTTPDefaultErrorHandler, _Redirects):
        opener.add_handler(handler())
    try:
        with opener.open(Request(url, headers={"User-Agent": "convoy"}), timeout=timeout_s) as response:
            data: bytes = response.read(max_bytes + 1)
    except (URLError, OSError, ValueError) as error:
        status = getattr(error, "code", None)
        if isinstance(error, HTTPError):
            error.close()
        cause = (
            f"the server answered with status {status}" if status else type(getattr(error, "reason", error)).__name__
        )
        raise Unavailable("FETCH_FAILED", f"the picture could not be fetched: {cause}") from None
    if len(data) > max_bytes:
        facts = {"max_bytes": max_bytes}
        raise InvalidArgument("IMAGE_TOO_LARGE", f"there are more than {max_bytes:,} bytes at the address", facts)
    return data


class _Redirects(HTTPRedirectHandler):
    """Follows redirects within http and https alone; urllib's own would go to FTP too."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        """The request to follow with. Raises URLError if it leads elsewhere."""
        if urlsplit(newurl).scheme not in ("http", "https"):
            fp.close()
            raise URLError("a redirect leads out of the web")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
