"""What a client shows of itself, and how it makes sure of the other side: TLS and tokens."""

import grpc

from convoy.core.errors import InvalidArgument
from convoy.core.security.files import Watched, read_file
from convoy.core.security.tls import Pem, client_tls
from convoy.core.settings import Settings


class Credentials:
    """By CONVOY_CLIENT_* variables; `token` goes before theirs. Never shown: it has no fields in its representation."""

    def __init__(self, settings: Settings, token: str | None = None) -> None:
        """Raises FailedPrecondition(BAD_TLS, NO_FILE)."""
        self._tls = client_tls(settings)
        self._server_name = settings.client_server_name
        self._token = token or settings.client_token.get_secret_value()
        file = settings.client_token_file
        self._token_file = (
            Watched([file], lambda: read_file(file).decode().strip()) if file and not self._token else None
        )

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Goes along with every call."""
        token = self._token_file.current() if self._token_file else self._token
        if not (token.isascii() and token.isprintable()):
            message = "the token of CONVOY_CLIENT_TOKEN or its file is no line of printable ASCII"
            raise InvalidArgument("BAD_ARGUMENT", message)
        return (("authorization", f"Bearer {token}"),) if token else ()

    def pem(self) -> Pem | None:
        """Certificates as they are now, None for plain text; another object once a file has changed."""
        return None if self._tls is None else self._tls.current()

    def of_channel(self) -> grpc.ChannelCredentials | None:
        """What gRPC needs for a channel, None for plain text."""
        pem = self.pem()
        return None if pem is None else grpc.ssl_channel_credentials(pem.ca, pem.key, pem.chain)

    def options(self) -> list[tuple[str, str | int]]:
        """Arguments of a channel."""
        return [("grpc.ssl_target_name_override", self._server_name)] if self._server_name else []
