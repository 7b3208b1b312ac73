"""Fleets by name: `convoy up --name lab` notes where its services are, and `convoy --fleet lab ...` finds them.

A note is a file of the user's own, with the addresses and the process that keeps the fleet. A note whose process has
ended counts for nothing, so that no command asks a stranger who has the port now.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from convoy.core.api import FIRST_PORT, SERVICES, ServiceName
from convoy.core.errors import AlreadyExists, InvalidArgument, NotFound

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
USUAL = "convoy"
_SPOILT = (OSError, OverflowError, ValueError, KeyError, TypeError)
"""What a note raises that is none, or is of no process."""


def notes_folder() -> Path:
    """Where the notes are: beside the galleries of the user; in a container, a user may have no home."""
    try:
        return Path.home() / ".local" / "share" / "convoy" / "fleets"
    except RuntimeError:
        return Path("convoy-data") / "fleets"


def usual_name(first_port: int) -> str:
    """The name of a fleet that nobody named: convoy on the usual ports, else by its first port."""
    return USUAL if first_port == FIRST_PORT else f"{USUAL}-{first_port}"


def check_free(name: str) -> None:
    """Raise InvalidArgument(BAD_ARGUMENT) for a name that is none, AlreadyExists(FLEET_RUNS) if such a fleet runs."""
    if not NAME.fullmatch(name):
        raise InvalidArgument("BAD_ARGUMENT", f"{name!r} is no name of a fleet: up to 32 of a-z, 0-9 and -")
    if name in running():
        raise AlreadyExists("FLEET_RUNS", f"a fleet {name} runs already", hint="give another --name, or stop it first")


@contextmanager
def noted(name: str, addresses: Mapping[ServiceName, str]) -> Iterator[None]:
    """Keep a note of a fleet while it runs. Where nobody may write, there is none."""
    path = notes_folder() / f"{name}.json"
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps({"process": os.getpid(), "addresses": dict(addresses)}, indent=2) + "\n")
        fresh.replace(path)
    try:
        yield
    finally:
        with suppress(*_SPOILT):
            # Another fleet of this name may have begun at the same moment, and the note be its own.
            if json.loads(path.read_text())["process"] == os.getpid():
                path.unlink()


def running() -> dict[str, dict[ServiceName, str]]:
    """The addresses of every fleet that runs, by name."""
    found = {}
    for path in sorted(notes_folder().glob("*.json")):
        with suppress(*_SPOILT):
            note = json.loads(path.read_text())
            os.kill(int(note["process"]), 0)
            found[path.stem] = {one: str(note["addresses"][one]) for one in SERVICES if one in note["addresses"]}
    return found


def variables(name: str) -> dict[str, str]:
    """What a command's environment says of a named fleet. Raises NotFound(NO_SUCH_FLEET)."""
    fleets = running()
    if name not in fleets:
        known = f"there are: {', '.join(fleets)}" if fleets else "none runs"
        raise NotFound("NO_SUCH_FLEET", f"no fleet named {name!r} runs here; {known}", hint="`convoy up --name NAME`")
    return as_variables(fleets[name])


def as_variables(addresses: Mapping[ServiceName, str]) -> dict[str, str]:
    """Addresses as settings of a client."""
    return {f"CONVOY_{service.upper()}_ADDRESS": address for service, address in addresses.items()}
