"""TLS of the web door, by the services' own files, read again when they change."""

import ssl

import structlog

from convoy.core.security.files import Watched, in_folder
from convoy.core.security.tls import CERT_NAME, KEY_NAME, Pem, server_tls
from convoy.core.settings import Settings

log = structlog.get_logger()
PROTOCOLS = ["h2", "http/1.1"]


class Certificates:
    """The TLS context for each handshake. Raises FailedPrecondition(BAD_TLS, NO_FILE)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._files: Watched[Pem] | None = server_tls(settings)
        self._used: Pem | None = None
        self._newest: ssl.SSLContext | None = None

    @property
    def are_set(self) -> bool:
        """Whether TLS is on."""
        return self._files is not None

    def context(self) -> ssl.SSLContext:
        """A context that hands each handshake on to the newest one."""
        context = self._load()
        context.sni_callback = self._renew
        return context

    def _renew(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        assert self._files is not None
        if self._newest is None or self._files.current() is not self._used:
            self._used = self._files.current()
            try:
                self._newest = self._load()
            except (OSError, ssl.SSLError) as error:
                log.error("changed certificates are not usable; the last good ones stay in use", problem=str(error))
        if self._newest is not None:
            connection.context = self._newest

    def _load(self) -> ssl.SSLContext:
        assert self._files is not None and self._settings.tls_cert is not None
        chain = in_folder(self._settings.tls_cert, CERT_NAME)
        key = in_folder(self._settings.tls_key or self._settings.tls_cert, KEY_NAME)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(PROTOCOLS)
        context.load_cert_chain(chain, key, password="")
        if (authorities := self._files.current().ca) is not None:
            context.load_verify_locations(cadata=authorities.decode())
            context.verify_mode = ssl.CERT_REQUIRED
        return context
