"""Which doors are open, on which ports of their own, and when one is refused."""

from collections.abc import Sequence

from convoy.core.errors import InvalidArgument
from convoy.core.security.guard import LOOPBACK
from convoy.core.setting_groups import DoorName
from convoy.core.settings import Settings
from convoy.web.doors.compreface import COMPREFACE
from convoy.web.doors.deepstack import deepstack
from convoy.web.doors.frame import ForeignDoor
from convoy.web.doors.keys import read_token
from convoy.web.doors.rekognition import REKOGNITION


def open_doors(settings: Settings) -> Sequence[ForeignDoor]:
    """The doors that the settings name. Raises InvalidArgument(BAD_ARGUMENT)."""
    check_keys(settings)
    made = {
        "compreface": lambda: COMPREFACE,
        "deepstack": lambda: deepstack(read_token(settings)),
        "rekognition": lambda: REKOGNITION,
    }
    return [made[name]() for name in dict.fromkeys(settings.web_doors)]


def own_ports(settings: Settings) -> dict[DoorName, int]:
    """The ports of their own. Raises InvalidArgument(BAD_ARGUMENT) for one of a door that is not open."""
    wanted: dict[DoorName, int | None] = {
        "compreface": settings.compreface_port,
        "deepstack": settings.deepstack_port,
        "rekognition": settings.rekognition_port,
    }
    for name, port in wanted.items():
        if port is not None and name not in settings.web_doors:
            message = f"CONVOY_{name.upper()}_PORT is set, but CONVOY_WEB_DOORS does not name {name}"
            raise InvalidArgument("BAD_ARGUMENT", message)
    return {name: port for name, port in wanted.items() if port is not None}


def check_keys(settings: Settings) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) if a door that needs no key would listen beyond loopback."""
    if not settings.web_doors or settings.host in LOOPBACK or settings.doors_without_keys:
        return
    without = ""
    if settings.tokens_file is None:
        without = "CONVOY_WEB_DOORS opens doors that check no key, since CONVOY_TOKENS_FILE is not set"
    elif settings.deepstack_token_file is not None and "deepstack" in settings.web_doors:
        without = "CONVOY_DEEPSTACK_TOKEN_FILE lets DeepStack's clients in without a key"
    if without:
        hint = (
            f"listen on loopback, not {settings.host}, or set CONVOY_DOORS_WITHOUT_KEYS=true if that is what you want"
        )
        raise InvalidArgument("BAD_ARGUMENT", without, hint=hint)
