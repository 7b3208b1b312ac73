"""What a client reads of the environment, without pydantic: its import takes longer than a call.

core/settings.py judges every value that is not plain, and says what is wrong with it.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from convoy.core.api import API

PREFIX = "CONVOY_"


@dataclass(frozen=True)
class ClientSettings:
    """The settings of a client and their defaults. setting_groups.py says what each one means."""

    classification_address: str = f"127.0.0.1:{API['classification'].port}"
    detection_address: str = f"127.0.0.1:{API['detection'].port}"
    segmentation_address: str = f"127.0.0.1:{API['segmentation'].port}"
    faces_address: str = f"127.0.0.1:{API['faces'].port}"
    recognition_address: str = f"127.0.0.1:{API['recognition'].port}"
    imaging_address: str = f"127.0.0.1:{API['imaging'].port}"
    timeout_s: float = 30.0
    max_message_mb: int = 64
    client_tls: bool = False
    client_ca: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    client_server_name: str = ""
    client_token: str = field(default="", repr=False)
    client_token_file: Path | None = None


VARIABLES = frozenset(PREFIX + one.name.upper() for one in fields(ClientSettings))


def read_plain() -> ClientSettings | None:
    """The client's settings; None if a value is not plain, so that core/settings.py must judge it."""
    given = {name.upper(): value for name, value in os.environ.items()}
    try:
        return ClientSettings(
            **{
                one.name: READERS[one.type](_text(given[PREFIX + one.name.upper()]))
                for one in fields(ClientSettings)
                if PREFIX + one.name.upper() in given
            }
        )
    except ValueError:
        return None


def proxy() -> str:
    """The proxy of the environment that gRPC uses for calls beyond this machine; empty for none."""
    names = ("grpc_proxy", "https_proxy", "http_proxy")
    return next((value for name in names if (value := os.environ.get(name, ""))), "")


def _text(value: str) -> str:
    value.encode()  # UnicodeEncodeError is a ValueError: the variable holds bytes that are no UTF-8.
    return value


def _plain_number(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value) or not float(value):
        raise ValueError(value)
    return float(value)


def _megabytes(value: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", value) or not 1 <= int(value) <= 1024:
        raise ValueError(value)
    return int(value)


def _switch(value: str) -> bool:
    if value.lower() not in ("0", "1", "false", "true"):
        raise ValueError(value)
    return value.lower() in ("1", "true")


READERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    float: _plain_number,
    int: _megabytes,
    bool: _switch,
    Path | None: Path,
}
