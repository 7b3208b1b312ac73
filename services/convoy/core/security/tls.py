"""Certificates and keys: checked before they are used, and read again when you rotate their files."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from convoy.core.errors import FailedPrecondition
from convoy.core.security.files import Watched, in_folder, read_file

if TYPE_CHECKING:
    from convoy.core.client_settings import ClientSettings
    from convoy.core.settings import Settings

CERT_NAME, KEY_NAME, CA_NAME = "tls.crt", "tls.key", "ca.crt"


@dataclass(frozen=True, slots=True)
class Pem:
    """The contents of the files; None for a file that is not set. The representation hides the key."""

    chain: bytes | None
    key: bytes | None
    ca: bytes | None

    def __repr__(self) -> str:
        return "Pem(...)"


def server_tls(settings: "Settings") -> Watched[Pem] | None:
    """The files of a server's TLS; None when TLS is off. Raises FailedPrecondition(BAD_TLS, NO_FILE)."""
    if settings.tls_cert is None and (settings.tls_key or settings.tls_client_ca):
        named = "CONVOY_TLS_KEY" if settings.tls_key else "CONVOY_TLS_CLIENT_CA"
        raise _bad(f"{named} is set without CONVOY_TLS_CERT")
    if settings.tls_cert is None:
        return None
    return _watch("CONVOY_TLS", settings.tls_cert, settings.tls_key, settings.tls_client_ca)


def client_tls(settings: "ClientSettings") -> Watched[Pem] | None:
    """The files of a client's TLS; None when TLS is off. Raises FailedPrecondition(BAD_TLS, NO_FILE)."""
    if settings.client_key is not None and settings.client_cert is None:
        raise _bad("CONVOY_CLIENT_KEY is set without CONVOY_CLIENT_CERT")
    if not (settings.client_tls or settings.client_ca or settings.client_cert):
        return None
    return _watch("CONVOY_CLIENT", settings.client_cert, settings.client_key, settings.client_ca)


def _watch(prefix: str, cert: Path | None, key: Path | None, ca: Path | None) -> Watched[Pem]:
    if cert is not None and key is None:
        if not cert.is_dir():
            raise _bad(f"{prefix}_CERT is set without {prefix}_KEY")
        key = cert
    chain_file = None if cert is None else in_folder(cert, CERT_NAME)
    key_file = None if key is None else in_folder(key, KEY_NAME)
    ca_file = None if ca is None else in_folder(ca, CA_NAME)
    paths = [path for path in (chain_file, key_file, ca_file) if path is not None]
    return Watched(paths, lambda: _read(chain_file, key_file, ca_file))


def _read(chain: Path | None, key: Path | None, ca: Path | None) -> Pem:
    pem = Pem(*(None if path is None else read_file(path) for path in (chain, key, ca)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if chain is not None:
        try:
            # For an encrypted key OpenSSL would ask at the terminal; with an empty password it fails instead.
            context.load_cert_chain(chain, key, password="")
        except ssl.SSLError:
            raise _bad(f"{chain} and {key} are not a certificate and its unencrypted key in PEM") from None
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except ssl.SSLError:
            raise _bad(f"{ca} holds no certificate in PEM") from None
    return pem


def _bad(problem: str) -> FailedPrecondition:
    return FailedPrecondition("BAD_TLS", problem)
