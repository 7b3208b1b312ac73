"""What operators do: scale and watch, back galleries up and restore them, upgrade and roll back."""

import json
import os
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from convoy.client import Convoy
from convoy.core.api import SERVICES, WEB
from convoy.testing import pictures

from tests.e2e.compose import ROOT, Fleet, neighbours, running_fleet

pytestmark = [pytest.mark.docker, pytest.mark.data, pytest.mark.slow, pytest.mark.timeout(900)]
REPLICAS = {"faces": 3, "recognition": 2}
SCALE = tuple(f"{service}={count}" for service, count in REPLICAS.items())
SCALES = [word for pair in SCALE for word in ("--scale", pair)]
CALLS = 24
DASHBOARD = json.loads((ROOT / "observability" / "grafana" / "convoy.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
# A client inside the network, as any service of one's own is: it knows nothing but the service's name.
CALLER = """
from convoy.client import Convoy
from convoy.core.errors import FailedPrecondition
with Convoy(recognition="recognition:50055") as convoy:
    convoy.create_gallery("replicas")
    for _ in range({calls}):
        try:
            convoy.identify("replicas", {picture!r})
        except FailedPrecondition:
            pass
    convoy.delete_gallery("replicas")
"""


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Compose file whose Prometheus looks three times as often and calls a service down after five seconds."""
    place = tmp_path_factory.mktemp("hasty")
    shutil.copytree(ROOT / "observability", place / "observability")
    for name, usual, hasty in (("prometheus.yml", "15s", "5s"), ("rules.yml", "for: 1m", "for: 5s")):
        file = place / "observability" / name
        assert usual in file.read_text()
        file.write_text(file.read_text().replace(usual, hasty))
    volumes = [f"{place}/observability:/etc/convoy:ro"]
    (place / "hasty.yaml").write_text(json.dumps({"services": {"prometheus": {"volumes": volumes}}}))
    return place / "hasty.yaml"


@pytest.fixture(scope="module")
def fleet(hasty: Path) -> Iterator[Fleet]:
    variables = {"PROMETHEUS_IMAGE": "prom/prometheus:latest"}  # the one that test machines have
    for service, count in REPLICAS.items():
        variables[f"{service.upper()}_PORT"] = neighbours(count)
        variables[f"{service.upper()}_METRICS_PORT"] = neighbours(count)
    name = f"convoy-operation-{os.getpid()}"
    with running_fleet(name, "compose.observability.yaml", str(hasty), scale=SCALE, **variables) as fleet:
        yield fleet


def ask_prometheus(fleet: Fleet, path: str) -> Any:
    url = f"http://127.0.0.1:{fleet.environment['PROMETHEUS_PORT']}/api/v1/{path}"
    return json.load(urllib.request.urlopen(url))["data"]


def wait_for(look: Callable[[], Any], wanted: Any, patience_s: float = 90) -> None:
    end = time.monotonic() + patience_s
    while (seen := look()) != wanted:
        assert time.monotonic() < end, seen
        time.sleep(1)


def firing(fleet: Fleet) -> list[tuple[str, str | None]]:
    """Alerts that fire now, with the service where they name one."""
    alerts = ask_prometheus(fleet, "alerts")["alerts"]
    return [(one["labels"]["alertname"], one["labels"].get("job")) for one in alerts if one["state"] == "firing"]


def calls_of_each(fleet: Fleet, service: str, method: str) -> list[float]:
    """How many calls each replica has answered, by its own page."""
    page = f"http://127.0.0.1:{51054 if service == 'faces' else 51055}/metrics"
    read = f"import urllib.request; print(urllib.request.urlopen('{page}').read().decode())"
    counts = []
    for index in range(1, REPLICAS[service] + 1):
        text = fleet.compose("exec", "-T", "--index", str(index), service, "python", "-c", read)
        lines = [line for line in text.splitlines() if line.startswith("convoy_requests_total") and method in line]
        counts.append(sum(float(line.split()[-1]) for line in lines))
    return counts


def test_prometheus_finds_every_replica_and_has_no_alert(fleet: Fleet) -> None:
    def up() -> Counter[str]:
        targets = ask_prometheus(fleet, "targets?state=active")["activeTargets"]
        return Counter(target["labels"]["job"] for target in targets if target["health"] == "up")

    wait_for(up, Counter({service: REPLICAS.get(service, 1) for service in (*SERVICES, WEB)}))
    rules = ask_prometheus(fleet, "rules")["groups"][0]["rules"]
    assert {rule["health"] for rule in rules} == {"ok"}
    written = yaml.safe_load((ROOT / "observability" / "rules.yml").read_text())["groups"][0]["rules"]
    assert {rule["name"] for rule in rules} == {rule["alert"] for rule in written}
    wait_for(lambda: firing(fleet), [])  # services that took their time to start had one


def test_the_alerts_keep_what_promtool_is_told_of_them(fleet: Fleet) -> None:
    words = ("promtool", "test", "rules", "/etc/convoy/rules_test.yml")
    done = fleet.run_inside("prometheus", "env", "TMPDIR=/prometheus", *words)  # the root is read-only
    assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stdout + done.stderr


def test_calls_are_spread_over_all_replicas(fleet: Fleet) -> None:
    picture = pictures.encode(pictures.plain((220, 20, 20)))
    done = fleet.run_inside("recognition", "python", "-c", CALLER.format(calls=CALLS, picture=picture))
    assert done.returncode == 0, done.stderr
    for service, method in (("recognition", "Identify"), ("faces", "EmbedFaces")):
        counts = calls_of_each(fleet, service, method)
        assert sum(counts) >= CALLS
        assert min(counts) >= CALLS / REPLICAS[service] / 2, (service, counts)


def test_every_query_of_the_dashboard_has_an_answer(fleet: Fleet) -> None:
    """After the calls above, some of which found no face."""

    def unanswered() -> list[str]:
        asked = {query: urllib.parse.quote(query.replace("$__rate_interval", "5m")) for query in QUERIES}
        return [query for query, words in asked.items() if not ask_prometheus(fleet, f"query?query={words}")["result"]]

    assert len(QUERIES) == 8
    wait_for(unanswered, [])


def test_an_alert_fires_while_a_service_is_away(fleet: Fleet) -> None:
    fleet.compose("stop", "segmentation")
    wait_for(lambda: firing(fleet), [("ServiceDown", "segmentation")], patience_s=240)
    fleet.compose("start", "segmentation")
    wait_for(lambda: firing(fleet), [])


def test_the_image_is_small_and_has_no_build_tools(fleet: Fleet) -> None:
    image = f"convoy:{fleet.environment['IMAGE_TAG']}"
    command = ["docker", "image", "inspect", "--format", "{{.Size}}", image]
    assert int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) < 750e6
    for tool in ("gcc", "cc", "make", "git"):
        assert fleet.run_inside("faces", "which", tool).returncode == 1, tool


def layers(image: str) -> list[str]:
    command = ["docker", "image", "inspect", "--format", "{{json .RootFS.Layers}}", image]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_a_change_of_code_makes_the_last_layer_anew_and_no_other(fleet: Fleet, tmp_path: Path) -> None:
    image = f"convoy:{fleet.environment['IMAGE_TAG']}"
    changed = shutil.copytree(ROOT / "services", tmp_path / "services")
    with (changed / "convoy" / "server.py").open("a") as code:
        code.write("# changed\n")
    base = [f"--build-arg=PYTHON_IMAGE={chosen}"] if (chosen := os.environ.get("PYTHON_IMAGE")) else []
    command = ["docker", "build", "--quiet", "--target", "cpu", *base, "--tag", f"{image}-changed", str(changed)]
    subprocess.run(command, capture_output=True, check=True)
    try:
        before, after = layers(image), layers(f"{image}-changed")
    finally:
        subprocess.run(["docker", "image", "rm", f"{image}-changed"], capture_output=True)
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


@contextmanager
def client(fleet: Fleet) -> Iterator[Convoy]:
    """A client of one replica, by whichever port of the range it has."""
    lines = fleet.compose("port", "--index", "1", "recognition", "50055")
    with Convoy(recognition=lines.strip()) as convoy:
        yield convoy


def who_is_there(fleet: Fleet, photo: Path) -> list[str]:
    with client(fleet) as convoy:
        return [face.person.person_id for face in convoy.identify("staff", photo, largest=True).faces if face.person]


@pytest.fixture(scope="module")
def staff(fleet: Fleet, data: Path) -> Path:
    """A gallery `staff` with one person; gives another photo of them."""
    photos = data / "samples" / "people" / "joe_biden"
    with client(fleet) as convoy:
        convoy.create_gallery("staff")
        convoy.register("staff", "biden", [photos / "1.jpg"])
    return photos / "2.jpg"


def run_script(fleet: Fleet, name: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run([ROOT / "scripts" / name], env=fleet.environment, input=stdin, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_a_backup_taken_while_people_are_registered_is_restored(fleet: Fleet, staff: Path) -> None:
    with client(fleet) as convoy, ThreadPoolExecutor(1) as pool:
        going_on = pool.submit(lambda: [convoy.create_gallery(f"later-{i}") for i in range(50)])
        backup = run_script(fleet, "backup.sh")
        going_on.result()
        convoy.delete_gallery("staff")
        convoy.create_gallery("after-the-backup")
    run_script(fleet, "restore.sh", backup)
    assert who_is_there(fleet, staff) == ["biden"]
    with client(fleet) as convoy:
        names = [gallery.name for gallery in convoy.list_galleries()]
        assert "after-the-backup" not in names
        later = [name for name in names if name.startswith("later-")]
        assert set(later) == {f"later-{i}" for i in range(len(later))}  # a beginning of the log, without holes


def test_an_upgrade_and_its_rollback_keep_galleries(fleet: Fleet, staff: Path) -> None:
    old = fleet.environment["IMAGE_TAG"]
    recipe = f"FROM convoy:{old}\nLABEL release=next\n"
    build = ["docker", "build", "--quiet", "--tag", f"convoy:{old}-next", "-"]
    subprocess.run(build, input=recipe, text=True, capture_output=True, check=True)
    try:
        for tag in (f"{old}-next", old):
            other = Fleet(fleet.environment | {"IMAGE_TAG": tag})
            other.compose("up", "--wait", "--wait-timeout", "300", *SCALES, "recognition")
            images = other.compose("ps", "--format", "{{.Image}}", *REPLICAS).split()
            assert Counter(images) == {f"convoy:{tag}": sum(REPLICAS.values())}
            assert who_is_there(other, staff) == ["biden"]
    finally:
        subprocess.run(["docker", "image", "rm", f"convoy:{old}-next"], capture_output=True)


def test_what_goes_down_comes_up_with_its_galleries(fleet: Fleet, staff: Path) -> None:
    fleet.compose("down")
    fleet.compose("up", "--wait", "--wait-timeout", "300", *SCALES, "recognition")
    assert who_is_there(fleet, staff) == ["biden"]
