"""Backup and restore by the scripts, on a Redis of the test's own; tests/e2e does the same with Compose."""

import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

pytestmark = [pytest.mark.redis7, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]
PERSON = '{"faces":[],"metadata":{},"name":"","times":[1,1,null]}'


class Deployment:
    """A folder with a Redis in it, and the scripts."""

    def __init__(self, data: Path, tools: Path) -> None:
        self.data = data
        (data / "recognition").write_text("healthy\n")
        (data / "password").write_text("secret")
        tools.mkdir()
        (tools / "docker").symlink_to(ROOT / "tests" / "fake_docker.sh")
        self.environment = os.environ | {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHON": sys.executable,
            "DATA": str(data),
            "LIVE": f"-s {data}/redis.sock",
            "PASSWORD_FILE": f"{data}/password",
            "HEALTHY_WITHIN_S": "2",
            "CONVOY_REDIS_URL": f"unix://:secret@{data}/redis.sock",
        }

    def docker(self, *words: str) -> None:
        subprocess.run(["docker", *words], env=self.environment, check=True)

    def start(self) -> None:
        self.docker("start", "redis")
        with self.client() as client:
            client.ping()

    def client(self) -> "redis.Redis":
        retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 200)
        return redis.Redis(
            unix_socket_path=f"{self.data}/redis.sock",
            password="secret",
            retry=retry,
            retry_on_error=[redis.ConnectionError],
        )

    def run(self, name: str, content: bytes = b"", *words: str) -> subprocess.CompletedProcess[bytes]:
        command = [ROOT / "scripts" / name, *words]
        return subprocess.run(command, env=self.environment, input=content, capture_output=True)

    def people(self) -> list[str]:
        with self.client() as client:
            return sorted(person.decode() for person in client.hkeys("convoy:{g}:people"))

    def files(self) -> set[str]:
        return {path.name for path in self.data.iterdir()} - {"redis.sock", "pid", "password", "recognition"}


@pytest.fixture
def deployment(redis_folder: Path, tmp_path: Path) -> Iterator[Deployment]:
    deployment = Deployment(redis_folder, tmp_path / "tools")
    deployment.start()
    with deployment.client() as client:
        client.zadd("convoy:galleries", {"g": 0})
        client.hset("convoy:{g}:meta", mapping={"people": 0, "faces": 0, "born": 1, "info": "{}"})
        add(client, 0)
    yield deployment
    deployment.docker("compose", "stop", "redis")


def add(client: "redis.Redis", number: int) -> None:
    """A person more, in one step as a script of Convoy's."""
    with client.pipeline() as pipe:
        pipe.hset("convoy:{g}:people", f"p{number:06}", PERSON)
        pipe.hincrby("convoy:{g}:meta", "people", 1)
        pipe.execute()


@pytest.mark.slow
def test_backups_beside_writes_and_log_rewrites_are_whole(deployment: Deployment) -> None:
    ended = threading.Event()

    def write() -> None:
        with deployment.client() as client:
            number = 1
            while not ended.is_set():
                add(client, number)
                number += 1

    def rewrite() -> None:
        with deployment.client() as client:
            while not ended.wait(0.02):
                try:
                    client.bgrewriteaof()
                except redis.ResponseError:
                    continue

    threads = [threading.Thread(target=work) for work in (write, rewrite)]
    for thread in threads:
        thread.start()
    try:
        backups = [deployment.run("backup.sh") for _ in range(4)]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    for backup in backups:
        assert backup.returncode == 0, backup.stderr.decode()
        restored = deployment.run("restore.sh", backup.stdout)
        assert restored.returncode == 0, restored.stderr.decode()
        people = deployment.people()
        assert people == [f"p{number:06}" for number in range(len(people))]
        assert f"1 galleries, {len(people)} people, 0 faces" in restored.stderr.decode()
        assert "were not right" not in restored.stderr.decode()
    assert deployment.files() == {"appendonlydir"}


def test_an_archive_can_be_read_by_its_owner_alone(deployment: Deployment, tmp_path: Path) -> None:
    archive = tmp_path / "galleries.tar.gz"
    with archive.open("wb") as file:
        os.chmod(archive, 0o644)
        subprocess.run([ROOT / "scripts" / "backup.sh"], env=deployment.environment, stdout=file, check=True)
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as tar:
        assert {member.mode & 0o077 for member in tar} == {0}


def test_no_templates_stay_behind_a_backup_that_is_interrupted(deployment: Deployment, tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    environment = deployment.environment | {"TMPDIR": str(copies)}
    with subprocess.Popen([ROOT / "scripts" / "backup.sh"], env=environment, stdout=subprocess.PIPE) as backup:
        while not list(copies.iterdir()):
            assert backup.poll() is None
        backup.terminate()
        assert backup.communicate() == (b"", None)
    assert backup.returncode != 0
    assert list(copies.iterdir()) == []
    assert deployment.files() == {"appendonlydir"}


def test_nothing_is_written_of_a_copy_that_cannot_be_made(deployment: Deployment) -> None:
    deployment.docker("compose", "stop", "redis")
    backup = deployment.run("backup.sh")
    assert backup.returncode != 0 and backup.stdout == b""
    assert deployment.files() == {"appendonlydir"}


def test_a_spoilt_gallery_is_told_of_and_a_spoilt_store_is_no_backup(deployment: Deployment) -> None:
    with deployment.client() as client:
        client.zadd("convoy:galleries", {"b": 0, "c": 0})
        client.set("convoy:{b}:meta", "x")
        client.hset("convoy:{c}:meta", mapping={"people": 0, "faces": 0})
        client.set("convoy:{c}:people", "x")
    backup = deployment.run("backup.sh")
    assert backup.returncode == 0
    assert b"2 galleries, 1 people, 0 faces; the counters of b, c were not right" in backup.stderr
    with deployment.client() as client:
        client.set("convoy:galleries", "x")
    backup = deployment.run("backup.sh")
    assert backup.returncode != 0 and backup.stdout == b""
    assert deployment.files() == {"appendonlydir"}


def spoilt(backup: bytes, how: str) -> bytes:
    middle = len(backup) // 2
    return {"cut": backup[:middle], "changed": backup[:middle] + b"\0" * 64 + backup[middle + 64 :], "empty": b""}[how]


@pytest.mark.parametrize("how", ["cut", "changed", "empty"])
def test_an_archive_that_is_spoilt_is_refused_and_the_data_runs_on(deployment: Deployment, how: str) -> None:
    with deployment.client() as client:
        for number in range(1, 200):
            add(client, number)
    backup = deployment.run("backup.sh").stdout
    with deployment.client() as client:
        add(client, 200)
        run_id = client.info("server")["run_id"]
    restored = deployment.run("restore.sh", spoilt(backup, how))
    assert restored.returncode != 0
    assert len(deployment.people()) == 201
    with deployment.client() as client:
        assert client.info("server")["run_id"] == run_id
    assert deployment.files() == {"appendonlydir"}


@pytest.mark.parametrize("how", ["unhealthy", "broken"])
def test_data_that_recognition_cannot_serve_are_put_back(deployment: Deployment, how: str) -> None:
    backup = deployment.run("backup.sh").stdout
    with deployment.client() as client:
        add(client, 1)
    (deployment.data / "recognition").write_text(f"{how}\n")
    restored = deployment.run("restore.sh", backup)
    assert restored.returncode != 0
    assert b"the data from before is put back" in restored.stderr
    assert deployment.people() == ["p000000", "p000001"]
    assert deployment.files() == {"appendonlydir"}


def test_data_stay_where_the_archive_cannot_be_put_in_their_place(deployment: Deployment) -> None:
    backup = deployment.run("backup.sh").stdout
    with deployment.client() as client:
        add(client, 1)
    # The folder for the data from before comes into being while the archive is loaded, and cannot be made again.
    (deployment.data / "at_stop").write_text('mkdir "$DATA/replaced"; rm "$DATA/at_stop"')
    restored = deployment.run("restore.sh", backup)
    assert restored.returncode != 0
    assert b"the data from before is put back" in restored.stderr
    assert deployment.people() == ["p000000", "p000001"]
    assert deployment.files() == {"appendonlydir"}


def test_data_from_before_an_interrupted_restore_are_not_lost_by_the_next(deployment: Deployment) -> None:
    (deployment.data / "replaced").mkdir()
    restored = deployment.run("restore.sh")
    assert restored.returncode != 0
    assert b"a restore that was interrupted" in restored.stderr
    assert deployment.files() == {"appendonlydir", "replaced"}


def test_who_is_erased_until_recognition_stops_is_listed(deployment: Deployment) -> None:
    meta = {"model": {"name": "m", "version": "1", "sha256": "00", "embedding_size": 4}, "create_time_ms": 1}
    with deployment.client() as client:
        client.hset("convoy:{g}:meta", "info", json.dumps(meta))
    backup = deployment.run("backup.sh").stdout
    erase = "XADD 'convoy:{g}:changes' 7-0 token t parent '' action DeletePerson time_ms 7000 person_id p000000"
    cli = f"REDISCLI_AUTH=secret redis-cli -s {deployment.data}/redis.sock"
    (deployment.data / "at_stop").write_text(f'{cli} {erase}; rm "$DATA/at_stop"')
    restored = deployment.run("restore.sh", backup, "--erase-again")
    assert restored.returncode == 0, restored.stderr.decode()
    assert deployment.people() == []


def test_a_damaged_end_of_the_log_is_cut_off_and_told_of(deployment: Deployment) -> None:
    with deployment.client() as client:
        for number in range(1, 50):
            add(client, number)
        client.hset("convoy:{g}:head", mapping={"version": 1, "token": "t", "epoch": "before"})
        note = {"token": "t", "parent": "", "action": "Register", "time_ms": "1000"}
        client.xadd("convoy:{g}:changes", note, id="1-0")
    deployment.docker("compose", "stop", "redis")
    [log] = (deployment.data / "appendonlydir").glob("*.incr.aof")
    with log.open("ab") as file:
        file.write(b"\0" * 100 + b"garbage")
    repaired = deployment.run("repair.sh")
    told = repaired.stderr.decode()
    assert repaired.returncode == 0, told
    assert "107 bytes at the end of the log could not be read" in told
    assert "gallery g: the last change that is left is Register, made at 1970-01-01T00:00:01.000+00:00" in told
    assert len(deployment.people()) == 50
    with deployment.client() as client:
        assert client.hget("convoy:{g}:head", "epoch") not in (None, b"before")
    assert deployment.files() == {"appendonlydir", "damaged"}


@pytest.mark.parametrize("how", ["unhealthy", "broken"])
def test_a_repair_does_not_wait_for_ever(deployment: Deployment, how: str) -> None:
    deployment.docker("compose", "stop", "redis")
    (deployment.data / "recognition").write_text(f"{how}\n")
    repaired = deployment.run("repair.sh")
    assert repaired.returncode != 0
    assert deployment.people() == ["p000000"]


def test_who_was_erased_since_the_backup_is_listed(deployment: Deployment, tmp_path: Path) -> None:
    meta = {"model": {"name": "m", "version": "1", "sha256": "00", "embedding_size": 4}, "create_time_ms": 1}
    with deployment.client() as client:
        client.hset("convoy:{g}:meta", "info", json.dumps(meta))
    backup = deployment.run("backup.sh").stdout
    journal = tmp_path / "journal"
    journal.write_text('{"gallery": "g", "time_ms": 5000, "person_id": "p000000"}\n')
    restored = deployment.run("restore.sh", backup, "--journal", str(journal))
    assert restored.returncode == 0, restored.stderr.decode()
    assert b"erased since the backup: gallery g, person p000000" in restored.stderr
    assert deployment.people() == ["p000000"]
    restored = deployment.run("restore.sh", backup, "--journal", str(journal), "--erase-again")
    assert restored.returncode == 0, restored.stderr.decode()
    assert deployment.people() == []
