"""The Compose files lie over each other as meant; nothing is started."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from convoy.core.api import SERVICES, WEB
from convoy.core.settings import Settings
from convoy.web.doors.opening import open_doors

from tests.e2e.compose import ROOT

pytestmark = pytest.mark.docker
OVERLAYS = sorted(path.name for path in ROOT.glob("compose.*.yaml"))


def merged(*overlays: str) -> dict[str, Any]:
    """What Compose makes of docker-compose.yml and these."""
    files = [word for file in ("docker-compose.yml", *overlays) for word in ("--file", file)]
    environment = os.environ | {"COMPOSE_PROFILES": "full,tools"}
    command = ["docker", "compose", *files, "config", "--format", "json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["services"]


@pytest.mark.parametrize("overlay", [(), *((name,) for name in OVERLAYS), tuple(OVERLAYS)], ids=str)
def test_whatever_lies_over_it_services_stay_hardened_and_limited(overlay: tuple[str, ...]) -> None:
    services = merged(*overlay)
    assert set(SERVICES) < set(services)
    for name, service in services.items():
        assert service["read_only"] and service["cap_drop"] == ["ALL"], name
        assert {"cpus", "memory", "pids"} <= set(service["deploy"]["resources"]["limits"]), name
        assert [place for place in service.get("tmpfs", []) if ":size=" not in place] == [], name


@pytest.mark.parametrize(
    ("file", "doors"), [("double-take", "compreface"), ("viseron", "compreface,deepstack")], ids=str
)
def test_programs_for_cameras_lie_beside_the_fleet(file: str, doors: str) -> None:
    services = merged(f"examples/cameras/{file}.yaml")
    assert services[file]["depends_on"]["web"]["condition"] == "service_healthy"
    given = services["web"]["environment"]
    assert (given["CONVOY_WEB_DOORS"], given["CONVOY_WEB_HOSTS"]) == (doors, "web")
    # Doors without keys are published on loopback alone; the settings are good ones.
    assert {port["host_ip"] for port in services["web"]["ports"]} == {"127.0.0.1"}
    names = {name.removeprefix("CONVOY_").lower(): value for name, value in given.items()}
    chosen = Settings(**{name: value for name, value in names.items() if name in Settings.model_fields})
    assert [door.name for door in open_doors(chosen)] == doors.split(",")


def test_with_gpus_every_service_with_a_model_asks_for_one_and_takes_nothing_else() -> None:
    services = merged("compose.gpu.yaml")
    assert services["image"]["build"]["target"] == "gpu"
    for name in SERVICES:
        assert services[name]["image"].endswith("-gpu")
        devices = services[name]["deploy"]["resources"].get("reservations", {}).get("devices", [])
        asked = [(device["driver"], device["capabilities"]) for device in devices]
        assert asked == ([] if name == "recognition" else [("nvidia", ["gpu"])]), name
        assert services[name]["environment"].get("CONVOY_DEVICE") == (None if name == "recognition" else "cuda")


@pytest.mark.parametrize("switch", ["", "yes"])
def test_each_container_gets_the_secrets_of_its_service_or_all_as_before(
    switch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRETS_FOLDER", str(tmp_path))
    monkeypatch.setenv("SECRETS_PER_SERVICE", switch)
    services = merged("compose.secure.yaml")
    found = {
        name: volume["source"]
        for name, service in services.items()
        for volume in service.get("volumes", [])
        if volume["target"] == "/run/convoy"
    }
    assert found == {name: str(tmp_path / name if switch else tmp_path) for name in (*SERVICES, WEB)}
    passwords = {
        name: {volume["source"] for volume in service.get("volumes", []) if "password" in str(volume["source"])}
        for name, service in services.items()
    }
    both = {"redis-password", "recognition-password"}
    assert {name: held for name, held in passwords.items() if held} == {
        "password": both, "redis": both, "recognition": {"recognition-password"},
    }  # fmt: skip


def test_only_the_container_that_pulls_writes_models() -> None:
    services = merged()
    writers = {
        name
        for name, service in services.items()
        for volume in service.get("volumes", [])
        if volume["target"] in ("/models", "/pulled") and not volume.get("read_only")
    }
    assert writers == {"pull"}
