"""The kinds of address that a file of the catalogue can have.

https://HOST/PATH                     a plain download; http:// only on this machine
pypi:PACKAGE==VERSION/PATH/IN/WHEEL   a file inside a Python package
npm:PACKAGE@VERSION/PATH/IN/PACKAGE   a file inside a JavaScript package
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from convoy.core.errors import InvalidArgument

_PYPI = re.compile(r"pypi:([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9._+!-]*)/(.+)")
_NPM = re.compile(r"npm:((?:@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*)@([A-Za-z0-9][A-Za-z0-9._+-]*)/(.+)")
_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class PackagedFile:
    """A file inside a package. path: inside the wheel, or below npm's folder `package/`."""

    registry: Literal["pypi", "npm"]
    package: str
    version: str
    path: str


def parse_address(address: str) -> PackagedFile | str:
    """Return the packaged file, or the address itself if it is a URL. Raises InvalidArgument(BAD_ADDRESS)."""
    if match := _PYPI.fullmatch(address):
        return PackagedFile("pypi", *_checked(address, match))
    if match := _NPM.fullmatch(address):
        return PackagedFile("npm", *_checked(address, match))
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        raise _bad(address) from None
    if host and (parts.scheme == "https" or (parts.scheme == "http" and host in _THIS_MACHINE)):
        return address
    raise _bad(address)


def _checked(address: str, match: re.Match[str]) -> tuple[str, str, str]:
    package, version, path = match.groups()
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise _bad(address)
    return package, version, path


def _bad(address: str) -> InvalidArgument:
    message = f"'{address}' is not an address: give https://…, pypi:PACKAGE==VERSION/path or npm:PACKAGE@VERSION/path"
    return InvalidArgument("BAD_ADDRESS", message)
