"""Faults on the real stack, under load: who notices, what callers are told, how soon it is over, and nothing is lost.

docs/faults.md has the same table for operators. FAULTS=all runs every row and a rolling restart of every service;
without it those of QUICK run. SLOWNESS=3 allows three times as long.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import docker
import grpc
import pytest
from convoy.client import Convoy
from convoy.core.api import SERVICES
from convoy.fleet.health_check import says_serving
from convoy.fleet.ports import free_range
from convoy.testing.tiny_models import write_repository

from tests.e2e import faults
from tests.e2e.compose import running_fleet
from tests.e2e.faults import Fault, Rig, cut, kill, pause, restart, tmp_full, together, wait_until, without_names
from tests.e2e.load import KNOWN, Load, under_load

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1800)]
ALL = os.environ.get("FAULTS") == "all"
# On a machine that is slower, or busy with other work, everything may take so many times as long.
SLOWNESS = float(os.environ.get("SLOWNESS", "1"))
WORK_OF = {"classification": "classify", "detection": "detect", "segmentation": "segment", "imaging": "transform"}
AWAY = {"SERVICE_UNREACHABLE", "DEADLINE_EXCEEDED"}
NO_FACES = {"FACES_UNAVAILABLE", "DEADLINE_EXCEEDED"}
NO_STORE = {"STORE_UNAVAILABLE", "DEADLINE_EXCEEDED"}
HEALTH = {"NOT_SERVING"}
# What callers of each kind may be told while a container is away; nobody else notices.
TOLD: dict[str, dict[str, set[str]]] = {
    **{service: {work: AWAY} for service, work in WORK_OF.items()},
    "faces": {"embed": AWAY, "identify": NO_FACES, "register": NO_FACES},
    "recognition": {
        "identify": AWAY | NO_STORE | NO_FACES,
        "register": AWAY | NO_STORE | NO_FACES,
        "health": AWAY | HEALTH,
    },
    "redis": {"identify": NO_STORE, "register": NO_STORE, "health": HEALTH},
}
NO_NEIGHBOUR = {"identify": NO_FACES | NO_STORE, "register": NO_FACES | NO_STORE, "health": HEALTH}
NO_FACES_AND_STORE = NO_NEIGHBOUR | {"embed": AWAY}


@dataclass(frozen=True)
class Row:
    """hold_s: how long it is broken; recovery_s: how soon after that everybody is answered again; told: what callers
    may be told, by kind of call; must_notice: kinds of call of which at least one has to fail, lest nothing was tried.
    """

    name: str
    fault: Fault
    told: dict[str, set[str]]
    recovery_s: float
    hold_s: float = 0.0
    must_notice: tuple[str, ...] = ()


CRASH_S, RESTART_S, PAUSE_S, CUT_S = 45.0, 30.0, 10.0, 30.0
EVERYBODY = (*SERVICES, "redis")
ROWS = [
    *(Row(f"kill-{s}", kill(s), TOLD[s], CRASH_S) for s in EVERYBODY),
    *(Row(f"restart-{s}", restart(s), TOLD[s], RESTART_S) for s in EVERYBODY),
    *(Row(f"pause-{s}", pause(s), TOLD[s], PAUSE_S, hold_s=12.0) for s in EVERYBODY),
    *(Row(f"cut-{s}", cut(s, "default"), TOLD[s], CUT_S, hold_s=12.0) for s in SERVICES),
    Row("cut-redis", cut("redis", "store"), TOLD["redis"], CUT_S, 12.0, ("register", "identify", "health")),
    Row("redis-full", faults.redis_full, {"register": NO_STORE}, PAUSE_S, 10.0, ("register",)),
    Row("redis-read-only", faults.redis_read_only, {"register": NO_STORE}, PAUSE_S, 10.0, ("register",)),
    Row("redis-stutters", faults.redis_stutters, TOLD["redis"], PAUSE_S),
    Row("redis-password-changed", faults.password_changed, TOLD["redis"], RESTART_S),
    Row("kill-redis-and-faces", together(kill("redis"), kill("faces")), NO_FACES_AND_STORE, CRASH_S),
    Row("pause-redis-and-faces", together(pause("redis"), pause("faces")), NO_FACES_AND_STORE, CUT_S, hold_s=12.0),
    Row("no-names", without_names("recognition"), NO_NEIGHBOUR, PAUSE_S, hold_s=10.0),
    Row("tmp-full", together(*map(tmp_full, SERVICES)), {}, PAUSE_S, hold_s=10.0),
    Row("disk-full", faults.disk_full, TOLD["redis"], 75.0, 10.0, ("register",)),
]

# What `make test` has four minutes for.
QUICK = {
    *("kill-faces", "kill-recognition", "kill-redis", "kill-redis-and-faces", "restart-recognition"),
    *("pause-faces", "cut-redis", "redis-full", "redis-read-only", "redis-stutters", "redis-password-changed"),
    *("no-names", "tmp-full", "disk-full"),
}
assert {row.name for row in ROWS} >= QUICK
ROLLED = SERVICES if ALL else ("classification", "recognition")


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A fleet of tiny models; each port a range of two, so that there is room for a second replica."""
    models = write_repository(tmp_path_factory.mktemp("models"))
    models.chmod(0o755)
    variables = {"MODELS_FOLDER": str(models)} | ranges()
    with running_fleet(f"convoy-faults-{os.getpid()}", "tests/e2e/faults.yaml", **variables) as fleet:
        engine = docker.from_env()
        yield Rig(fleet, engine)
        engine.close()


def ranges() -> dict[str, str]:
    """Two neighbouring free ports for every published one."""
    names = [f"{service.upper()}{kind}_PORT" for service in SERVICES for kind in ("", "_METRICS")]
    start = free_range(2 * len(names))
    return {name: f"{start + 2 * place}-{start + 2 * place + 1}" for place, name in enumerate(names)}


@pytest.fixture(scope="module")
def convoy(rig: Rig) -> Iterator[Convoy]:
    def both(service: str) -> str:
        first, last = rig.fleet.environment[f"{service.upper()}_PORT"].split("-")
        return f"ipv4:127.0.0.1:{first},127.0.0.1:{last}"

    addresses = {service: both(service) for service in SERVICES}
    with Convoy(**addresses) as convoy:
        yield convoy


@pytest.fixture
def gallery(convoy: Convoy) -> Iterator[str]:
    name = f"load-{time.monotonic_ns()}"
    convoy.create_gallery(name)
    convoy.register(name, "known", [KNOWN])
    yield name
    convoy.delete_gallery(name)


def recover(load: Load, patience_s: float) -> float:
    """Seconds until calls of every kind are answered again, one after the other."""
    over = time.monotonic()

    def is_over() -> bool:
        return all(load.is_steady(work, over) for work in load.outcomes)

    return wait_until(
        is_over, SLOWNESS * patience_s, f"{ {work: calls[-3:] for work, calls in load.outcomes.items()} }"
    )


def check_nothing_is_lost(convoy: Convoy, load: Load) -> None:
    """Everybody whose registration was acknowledged is there, with the face; index and store agree."""
    faces = {person.person_id: len(person.faces) for person in convoy.list_people(load.gallery)}
    assert load.acknowledged
    assert [who for who in load.acknowledged if faces.get(who) != 1] == []
    assert set(faces.values()) == {1}


@pytest.mark.parametrize("row", [row for row in ROWS if ALL or row.name in QUICK], ids=lambda row: row.name)
def test_a_fault_passes(rig: Rig, convoy: Convoy, gallery: str, row: Row) -> None:
    with under_load(convoy, gallery) as load:
        recover(load, 60)
        began = time.monotonic()
        with row.fault(rig):
            time.sleep(row.hold_s)
        seconds = recover(load, row.recovery_s)
    print(f"\n{row.name}: recovered in {seconds:.1f} s")
    for work in load.outcomes:
        told = set(load.failures(work, began))
        assert told <= row.told.get(work, set()), work
        assert told or work not in row.must_notice, f"{work} noticed nothing"
    check_nothing_is_lost(convoy, load)


@pytest.mark.parametrize("service", ROLLED)
def test_a_rolling_restart_loses_no_request(rig: Rig, convoy: Convoy, gallery: str, service: str) -> None:
    rig.fleet.compose("up", "--no-recreate", "--wait", "--scale", f"{service}=2")
    with under_load(convoy, gallery) as load:
        recover(load, 60)
        began = time.monotonic()
        for replica in rig.containers(service):
            replica.restart(timeout=30)
            wait_until(
                lambda replica=replica: is_serving(rig, service, replica.id),
                SLOWNESS * 60,
                "it does not serve again",
            )
        recover(load, 30)
    rig.fleet.compose("up", "--no-recreate", "--wait", "--scale", f"{service}=1")
    failures = {work: set(load.failures(work, began)) for work in load.outcomes}
    if service == "recognition":
        failures["health"] -= HEALTH  # of the replica that goes it is true
    assert failures == {work: set() for work in load.outcomes}
    check_nothing_is_lost(convoy, load)


def is_serving(rig: Rig, service: str, replica: str) -> bool:
    """Whether a replica says so on the port that it has now."""
    published = rig.engine.containers.get(replica).ports
    doors = [door for port, door in published.items() if door and port == f"5005{SERVICES.index(service) + 1}/tcp"]
    if not doors:
        return False
    with grpc.insecure_channel(f"127.0.0.1:{doors[0][0]['HostPort']}") as channel:
        return says_serving(channel)
