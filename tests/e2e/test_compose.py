"""The deployment itself: `docker compose up --wait`, the story through published ports, faults, the README's lines."""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from convoy.client import Convoy
from convoy.core.api import API, SERVICES
from convoy.core.errors import ConvoyError, DeadlineExceeded, InvalidArgument, Unavailable

from tests.e2e.compose import ROOT, Fleet, running_fleet

pytestmark = [pytest.mark.docker, pytest.mark.data, pytest.mark.slow, pytest.mark.timeout(900)]
README = (ROOT / "README.md").read_text()


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with running_fleet(f"convoy-test-{os.getpid()}") as fleet:
        yield fleet


@pytest.fixture(scope="module")
def convoy(fleet: Fleet) -> Iterator[Convoy]:
    addresses = {service: fleet.environment[f"CONVOY_{service.upper()}_ADDRESS"] for service in SERVICES}
    with Convoy(**addresses) as convoy:
        yield convoy


@pytest.fixture
def people(data: Path) -> Path:
    return data / "samples" / "people"


@pytest.fixture
def gallery(convoy: Convoy) -> Iterator[str]:
    name = f"test-{time.monotonic_ns()}"
    convoy.create_gallery(name)
    yield name
    convoy.delete_gallery(name)


def named(convoy: Convoy, gallery: str, photo: Path) -> str | None:
    """Whom the largest face of a photo is identified as."""
    person = convoy.identify(gallery, photo, largest=True).faces[0].person
    return person.person_id if person else None


def wait_until(answers: Callable[[], object], patience_s: float = 90) -> None:
    """Ask until there is an answer; until then only failures that mean "later" are allowed."""
    end = time.monotonic() + patience_s
    while True:
        try:
            answers()
            return
        except (Unavailable, DeadlineExceeded):
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def test_a_stranger_is_registered_and_then_named(convoy: Convoy, gallery: str, people: Path) -> None:
    assert named(convoy, gallery, people / "barack_obama" / "1.jpg") is None
    registration = convoy.register(gallery, "obama", [people / "barack_obama" / "1.jpg"], display_name="Barack Obama")
    assert [result.accepted for result in registration.results] == [True]
    assert named(convoy, gallery, people / "barack_obama" / "2.jpg") == "obama"
    assert named(convoy, gallery, people / "person_c" / "1.jpg") is None


def test_pictures_are_classified_detected_in_and_segmented(convoy: Convoy, data: Path) -> None:
    picture = data / "samples" / "road_cars.jpg"
    labels = convoy.classify(picture, top_k=3).labels
    assert len(labels) == 3
    assert labels[0].probability >= labels[1].probability > 0
    assert convoy.detect(picture).image_size == convoy.segment(picture).image_size
    assert sum(region.area for region in convoy.segment(picture).regions) == pytest.approx(1.0)


def test_what_is_no_picture_is_refused(convoy: Convoy) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        convoy.classify(b"this is no picture")
    assert refusal.value.reason == "NOT_AN_IMAGE"


@pytest.mark.parametrize("fault", [("restart",), ("kill",)], ids=lambda fault: fault[0])
def test_what_was_registered_survives(
    fleet: Fleet, convoy: Convoy, gallery: str, people: Path, fault: tuple[str, ...]
) -> None:
    convoy.register(gallery, "biden", [people / "joe_biden" / "1.jpg"])
    fleet.compose(*fault, "redis")
    fleet.compose("start", "redis")
    wait_until(lambda: convoy.get_gallery(gallery))
    assert [person.person_id for person in convoy.list_people(gallery)] == ["biden"]
    wait_until(lambda: named(convoy, gallery, people / "joe_biden" / "1.jpg"))
    assert named(convoy, gallery, people / "joe_biden" / "1.jpg") == "biden"


def test_while_redis_is_away_calls_say_so(fleet: Fleet, convoy: Convoy) -> None:
    fleet.compose("pause", "redis")
    with pytest.raises((Unavailable, DeadlineExceeded)):
        convoy.within(10).create_gallery("while-redis-is-away")
    fleet.compose("unpause", "redis")
    wait_until(lambda: list(convoy.list_galleries()))
    assert fleet.inspect("recognition", "{{.RestartCount}} {{.State.Running}}") == "0 true"


def test_while_faces_is_away_calls_say_so(fleet: Fleet, convoy: Convoy, gallery: str, people: Path) -> None:
    fleet.compose("kill", "faces")
    with pytest.raises(Unavailable) as refusal:
        convoy.identify(gallery, people / "person_a" / "1.jpg")
    assert refusal.value.reason == "FACES_UNAVAILABLE"
    fleet.compose("up", "--wait", "faces")
    wait_until(lambda: convoy.identify(gallery, people / "person_a" / "1.jpg"))


def test_sigterm_finishes_what_is_in_flight(fleet: Fleet, convoy: Convoy, data: Path) -> None:
    picture = (data / "samples" / "road_cars.jpg").read_bytes()
    page = f"http://127.0.0.1:{fleet.environment['DETECTION_METRICS_PORT']}/metrics"

    def in_flight() -> bool:
        found = re.search(
            r"^convoy_requests_in_flight\{.*\} (\S+)$", urllib.request.urlopen(page).read().decode(), re.M
        )
        return found is not None and float(found[1]) >= 3

    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(convoy.detect_many, [picture] * 24) for _ in range(4)]
        while not in_flight():
            assert not all(call.done() for call in calls), "the calls were over before the signal"
        fleet.compose("kill", "--signal", "SIGTERM", "detection")
        answers = [call.result() for call in calls]
    assert [len(answer) for answer in answers] == [24] * 4
    subprocess.run(["docker", "wait", fleet.container("detection")], check=True, capture_output=True, timeout=60)
    assert fleet.inspect("detection", "{{.State.ExitCode}}") == "0"
    fleet.compose("up", "--wait", "detection")


@pytest.mark.parametrize("module", ["convoy.fleet.health_check", "convoy.client.probe"])
def test_the_health_check_of_the_image_tells_who_serves(fleet: Fleet, module: str) -> None:
    """The second is its name of 0.1, which Compose files of users still say."""
    for service in SERVICES:
        assert fleet.run_inside(service, "python", "-m", module, service, str(API[service].port)).returncode == 0
        assert fleet.run_inside(service, "python", "-m", module, service, "50099").returncode == 1


@pytest.mark.parametrize("service", SERVICES)
def test_containers_are_hardened(fleet: Fleet, service: str) -> None:
    assert fleet.inspect(service, "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}") == "true [ALL]"
    assert fleet.run_inside(service, "id", "-u").stdout.strip() != "0"
    assert fleet.run_inside(service, "touch", "/opt/convoy/file").returncode != 0
    missing = "import importlib.util as u; print([m for m in ('torch', 'pip', 'setuptools') if u.find_spec(m)])"
    assert fleet.run_inside(service, "python", "-c", missing).stdout.strip() == "[]"


def test_the_password_of_redis_is_in_no_listing(fleet: Fleet) -> None:
    password = fleet.run_inside("redis", "cat", "/run/redis-password/password").stdout.strip()
    assert len(password) == 64
    listings = [fleet.inspect(service, "{{json .}}") for service in ("redis", "recognition")]
    arguments = fleet.run_inside("redis", "cat", "/proc/1/cmdline").stdout
    assert [text for text in [*listings, arguments, fleet.compose("logs")] if password in text] == []
    assert "NOAUTH" in fleet.run_inside("redis", "redis-cli", "get", "x").stdout


@pytest.fixture
def photos(people: Path, data: Path, tmp_path: Path) -> Path:
    """A folder with the files that the README's examples name."""
    for name, source in {
        "ada_1.jpg": people / "person_a" / "1.jpg",
        "ada_2.jpg": people / "person_a" / "2.jpg",
        "group.jpg": people / "person_a" / "3.jpg",
        "photo.jpg": people / "person_a" / "4.jpg",
        "street.png": data / "samples" / "road_cars.jpg",
    }.items():
        shutil.copy(source, tmp_path / name)
    return tmp_path


def test_the_readme_s_python_example(fleet: Fleet, convoy: Convoy, photos: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    command = [sys.executable, "-c", example]
    runs = [
        subprocess.run(command, cwd=photos, env=fleet.environment, capture_output=True, text=True) for _ in range(2)
    ]
    convoy.delete_gallery("friends")
    assert [(done.returncode, done.stdout.strip()) for done in runs] == [(0, "Ada Lovelace")] * 2, runs[-1].stderr


def test_the_readme_s_commands(fleet: Fleet, convoy: Convoy, photos: Path) -> None:
    lines = [line.split("  #")[0] for line in re.findall(r"^convoy .*$", README, re.MULTILINE)]
    lines = [line for line in lines if not re.match(r"convoy (up|serve)", line)]
    assert len(lines) >= 8
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = "set -e\n" + "\n".join(lines)
    done = subprocess.run(
        ["bash", "-c", script], cwd=photos, env=fleet.environment | path, capture_output=True, text=True
    )
    convoy.delete_gallery("staff")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Ada Lovelace" in done.stdout
    assert (photos / "found.png").exists()


def test_a_gallery_that_is_not_there_is_named_in_the_error(convoy: Convoy) -> None:
    with pytest.raises(ConvoyError, match="nobody-has-this"):
        convoy.get_gallery("nobody-has-this")


@pytest.mark.foreign
def test_a_pulled_network_answers_beside_the_published_ones(
    fleet: Fleet, convoy: Convoy, foreign_networks: Path, data: Path
) -> None:
    """One container writes the volume, the services read it; no restart, no rights but those of any service."""
    mount = f"{foreign_networks.resolve()}:/files:ro"
    fleet.compose("run", "--rm", "--volume", mount, "pull", "yolox-nano", "--from", "/files")
    end = time.monotonic() + 60
    while "yolox-nano" not in {one.model.name for one in convoy.list_models("detection")} and time.monotonic() < end:
        time.sleep(0.5)  # The service looks at its folders every few seconds.
    picture = data / "samples" / "zebra.jpg"
    assert [found.label for found in convoy.detect(picture, model="yolox-nano")] == ["zebra"]
