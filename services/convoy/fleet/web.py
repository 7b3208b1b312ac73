"""The web door of a fleet on this machine: whether it can start, its process, and whether it answers."""

import http.client
import ssl
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from convoy.core.api import WEB, ServiceName
from convoy.core.errors import FailedPrecondition
from convoy.core.serving.ports import check_port
from convoy.fleet.process import Process

START_TIMEOUT_S = 60.0
LIVE_PATH = "/v2/health/live"


def check_web(host: str, port: int, metrics_port: int) -> None:
    """Raise FailedPrecondition(NOT_INSTALLED, PORT_IN_USE) if the web door cannot start."""
    if any(find_spec(name) is None for name in ("hypercorn", "starlette", "python_multipart")):
        raise FailedPrecondition("NOT_INSTALLED", "its packages are missing; pip install 'convoy-vision[web]'")
    hint = "stop what runs there, or choose other ports with --ports-from"
    check_port(host, port, WEB, hint)
    check_port(host, metrics_port, "the metrics page of the web door", hint)


def start_web(
    addresses: Mapping[ServiceName, str], host: str, port: int, metrics_port: int, log_path: Path, secret: str
) -> Process:
    """Start its process. secret: what it shares with the services."""
    environment = {
        "CONVOY_HOST": host,
        "CONVOY_PORT": str(port),
        "CONVOY_METRICS_PORT": str(metrics_port),
        "CONVOY_DOOR_SECRET": secret,
    }
    environment |= {f"CONVOY_{service.upper()}_ADDRESS": address for service, address in addresses.items()}
    return Process(WEB, [sys.executable, "-m", "convoy.cli", "serve", WEB], log_path, environment)


def wait_for_web(process: Process, port: int) -> bool:
    """Whether it answers before it ends, and in time."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.ending() is None and time.monotonic() < deadline:
        if is_web_live(port):
            return True
        time.sleep(0.1)
    return False


def is_web_live(port: int, timeout_s: float = 4.0) -> bool:
    """Whether the web door on this port of this machine answers, in clear text or with TLS."""
    if is_live("127.0.0.1", port, timeout_s):
        return True
    from convoy.core.security.tls import CERT_NAME, KEY_NAME
    from convoy.core.settings import read_settings

    # It asks this very process whether it lives, so whom the certificate names does not matter.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    settings = read_settings()
    if (own := settings.client_cert) is not None:
        key = settings.client_key or own
        context.load_cert_chain(own / CERT_NAME if own.is_dir() else own, key / KEY_NAME if key.is_dir() else key)
    return is_live("127.0.0.1", port, timeout_s, context)


def is_live(host: str, port: int, timeout_s: float = 2.0, tls: ssl.SSLContext | None = None) -> bool:
    """Whether a web door answers there, in clear text unless `tls` is given."""
    connection: http.client.HTTPConnection
    if tls is None:
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    else:
        connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=tls)
    try:
        connection.request("GET", LIVE_PATH)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
