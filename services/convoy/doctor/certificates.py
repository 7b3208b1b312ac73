"""Looks at the certificates of the settings: how long they hold, and who may read the keys."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from convoy.core.security.tls import CA_NAME, CERT_NAME, KEY_NAME
from convoy.core.settings import Settings
from convoy.doctor.findings import Finding, good, problem, warning

SOON = timedelta(days=21)
ROTATE = "put new files at the same place: services read them again without a restart"


def look_at_certificates(settings: Settings, now: datetime | None = None) -> Iterator[Finding]:
    """Look at the files that the settings name; nothing where TLS is off."""
    now = now or datetime.now(UTC)
    certificates = {
        "CONVOY_TLS_CERT": (settings.tls_cert, CERT_NAME),
        "CONVOY_TLS_CLIENT_CA": (settings.tls_client_ca, CA_NAME),
        "CONVOY_CLIENT_CERT": (settings.client_cert, CERT_NAME),
        "CONVOY_CLIENT_CA": (settings.client_ca, CA_NAME),
    }
    for setting, (path, name) in certificates.items():
        if path is not None:
            yield look_at_certificate(setting, path / name if path.is_dir() else path, now)
    for setting, path in (("CONVOY_TLS_KEY", settings.tls_key), ("CONVOY_CLIENT_KEY", settings.client_key)):
        if path is not None:
            yield look_at_key(setting, path / KEY_NAME if path.is_dir() else path)


def look_at_certificate(setting: str, path: Path, now: datetime) -> Finding:
    """Look at the certificate in a PEM file that ends first."""
    from cryptography import x509

    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no certificate in PEM"
        return problem(setting, f"{path}: {reason}", "docs/how-to/tls-from-nothing.md makes certificates")
    ends = min(one.not_valid_after_utc for one in chain)
    if max(one.not_valid_before_utc for one in chain) > now:
        return problem(setting, f"{path} does not hold yet", "look at the clocks of both machines")
    if ends <= now:
        return problem(setting, f"{path} ended on {ends:%Y-%m-%d}", ROTATE)
    says = f"{path} holds until {ends:%Y-%m-%d}"
    return warning(setting, says, ROTATE) if ends - now < SOON else good(setting, says)


def look_at_key(setting: str, path: Path) -> Finding:
    """Look at who may read a private key."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return problem(setting, f"{path}: {error.strerror}", "the service does not start without it")
    if mode & 0o004:
        return warning(setting, f"everybody on this machine may read {path}", f"chmod o-r {path}")
    return good(setting, f"{path} is not for everybody to read")
