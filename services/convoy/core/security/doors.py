"""For whom a web door calls: the client's address, believed only with the secret that door and services share.

Limits count callers by their tokens, and those without by their addresses. All who come through the web door have its
address, so the door names the client's in the metadata.
"""

import hmac
from collections.abc import Iterable
from ipaddress import ip_address

CLIENT_KEY = "convoy-client"
SECRET_KEY = "convoy-door"


class Doors:
    """Tells whose call it is. secret: CONVOY_DOOR_SECRET; with an empty one no door is believed."""

    def __init__(self, secret: str = "") -> None:
        self._secret = secret.encode()

    @property
    def are_believed(self) -> bool:
        """Whether there is a secret."""
        return bool(self._secret)

    def client_of(self, peer: str, metadata: Iterable[tuple[str, str | bytes]]) -> str:
        """The peer, as gRPC names it; or in the same form the client for whom a door calls."""
        said = {key: value for key, value in metadata if key in (CLIENT_KEY, SECRET_KEY) and isinstance(value, str)}
        if not self._secret or not hmac.compare_digest(said.get(SECRET_KEY, "").encode(), self._secret):
            return peer
        try:
            address = ip_address(said.get(CLIENT_KEY, ""))
        except ValueError:
            return peer
        return f"ipv4:{address}:0" if address.version == 4 else f"ipv6:[{address}]:0"
