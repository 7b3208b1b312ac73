"""How a client proves who it is and checks the server: token and TLS."""

from collections.abc import Callable
from pathlib import Path

import grpc

from convoy.core.client_settings import ClientSettings
from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.core.security.files import Watched, read_file
from convoy.core.security.tls import Pem, client_tls


class Credentials:
    """Token and TLS by CONVOY_CLIENT_* variables; the argument `token` replaces theirs. `repr` hides both."""

    def __init__(self, settings: ClientSettings, token: str | None = None) -> None:
        """Raises FailedPrecondition(BAD_TLS, NO_FILE)."""
        self._tls = client_tls(settings)
        self._server_name = settings.client_server_name
        self._token = token or settings.client_token
        file = settings.client_token_file
        self._token_file = Watched([file], _reader(file)) if file and not self._token else None

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata that every call carries."""
        token = self._token_file.current() if self._token_file else self._token
        if not (token.isascii() and token.isprintable()):
            message = "the token of CONVOY_CLIENT_TOKEN or its file must be one line of printable ASCII"
            raise InvalidArgument("BAD_ARGUMENT", message)
        return (("authorization", f"Bearer {token}"),) if token else ()

    def pem(self) -> Pem | None:
        """The certificates as they are now, None without TLS. After a file has changed this is a new object."""
        return None if self._tls is None else self._tls.current()

    def of_channel(self) -> grpc.ChannelCredentials | None:
        """What gRPC needs for a channel; None without TLS."""
        pem = self.pem()
        return None if pem is None else grpc.ssl_channel_credentials(pem.ca, pem.key, pem.chain)

    def options(self) -> list[tuple[str, str | int]]:
        """Options of a channel."""
        return [("grpc.ssl_target_name_override", self._server_name)] if self._server_name else []


def _reader(file: Path) -> Callable[[], str]:
    """Make a function that reads the token.

    Somebody may be writing the file in place: then it is empty for a moment, and the last token stays in use.
    """
    last = ""

    def read() -> str:
        nonlocal last
        token = read_file(file).decode(errors="replace").strip()
        if last and not token:
            raise FailedPrecondition("NO_FILE", f"{file} is empty")
        last = token
        return token

    return read
