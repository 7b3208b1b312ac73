"""The project's own Compose deployment under a name and ports of its own."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from convoy.core.api import SERVICES
from convoy.fleet.ports import free_range

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Fleet:
    """A running deployment. environment: what the `docker compose` and the `convoy` of this fleet need."""

    environment: dict[str, str]

    def compose(self, *words: str, check: bool = True) -> str:
        """What `docker compose WORDS` prints."""
        command = ["docker", "compose", *words]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def container(self, service: str) -> str:
        """The id of a service's container, running or not."""
        return self.compose("ps", "--all", "--quiet", service).strip()

    def inspect(self, service: str, template: str) -> str:
        """A fact about a service's container."""
        command = ["docker", "inspect", "--format", template, self.container(service)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def run_inside(self, service: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a service's container."""
        command = ["docker", "compose", "exec", "-T", service, *words]
        return subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True)


def neighbours(count: int) -> str:
    """Neighbouring free ports, as Compose takes them for replicas."""
    first = free_range(count)
    return f"{first}-{first + count - 1}"


def published_ports(*files: str) -> dict[str, str]:
    """A free port for every *_PORT variable of the Compose files."""
    texts = [(ROOT / file).read_text() for file in ("docker-compose.yml", *files)]
    names = [name for text in texts for name in re.findall(r"\$\{([A-Z_]+_PORT):-", text)]
    first = free_range(len(names))
    return {name: str(first + place) for place, name in enumerate(names)}


@contextmanager
def running_fleet(name: str, *files: str, scale: tuple[str, ...] = (), **variables: str) -> Iterator[Fleet]:
    """Build and start everything, wait until it is healthy; in the end nothing is left, volumes included.

    files: what lies over docker-compose.yml; scale: SERVICE=REPLICAS; variables: more of the environment.
    """
    ports = published_ports(*files)
    addresses = {f"CONVOY_{s.upper()}_ADDRESS": f"127.0.0.1:{ports[f'{s.upper()}_PORT']}" for s in SERVICES}
    project = {
        "COMPOSE_PROJECT_NAME": name,
        "IMAGE_TAG": name,
        "COMPOSE_FILE": ":".join(("docker-compose.yml", *files)),
    }
    fleet = Fleet(os.environ | ports | addresses | project | variables)
    try:
        scales = [word for pair in scale for word in ("--scale", pair)]
        fleet.compose("up", "--build", "--wait", "--wait-timeout", "300", *scales)
        yield fleet
    except AssertionError:
        print(fleet.compose("logs", "--tail", "40", check=False))
        raise
    finally:
        fleet.compose("down", "--volumes", "--timeout", "30")
        subprocess.run(["docker", "image", "rm", f"convoy:{name}"], capture_output=True)
