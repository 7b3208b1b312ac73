"""Whose request it is: the address that limits count, through the proxies that the settings name."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address, ip_network

from starlette.requests import Request

from convoy.core.errors import InvalidArgument

FORWARDED_HEADER = "x-forwarded-for"


class Clients:
    """Finds the client's address. proxies: addresses or networks (10.0.0.0/8) whose X-Forwarded-For is believed.

    secret: CONVOY_DOOR_SECRET, with which services believe the address that this door names; empty for none.
    Raises InvalidArgument(BAD_ARGUMENT).
    """

    def __init__(self, proxies: Sequence[str], secret: str = "") -> None:
        try:
            self._proxies = [ip_network(proxy, strict=False) for proxy in proxies]
        except ValueError as error:
            raise InvalidArgument("BAD_ARGUMENT", f"CONVOY_WEB_PROXIES: {error}") from None
        self.secret = secret

    def address_of(self, request: Request) -> str:
        """The client's address: the last in X-Forwarded-For that is no proxy of ours, or the peer's own."""
        address = _plain(request.client.host if request.client else "")
        # Some proxies add a line of their own instead of writing on in the caller's, so all lines count.
        forwarded = ",".join(request.headers.getlist(FORWARDED_HEADER)).split(",") if self._is_proxy(address) else []
        for hop in reversed(forwarded):
            if not _is_address(hop.strip()):
                break
            address = _plain(hop.strip())
            if not self._is_proxy(address):
                break
        return address

    def _is_proxy(self, address: str) -> bool:
        return bool(self._proxies) and _is_address(address) and any(ip_address(address) in n for n in self._proxies)


@lru_cache(maxsize=4096)
def _plain(address: str) -> str:
    """An IPv4 address as itself, also where a socket for both kinds writes ::ffff:192.0.2.1."""
    mapped = getattr(ip_address(address), "ipv4_mapped", None) if _is_address(address) else None
    return str(mapped or address)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
