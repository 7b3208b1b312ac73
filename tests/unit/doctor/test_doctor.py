"""The doctor names what is wrong with a machine and a deployment, and nothing else."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from convoy.cli.app import app
from convoy.client.channels import connection
from convoy.core.manifest import GRAPH_FILE
from convoy.core.settings import Settings
from convoy.doctor.certificates import look_at_certificates
from convoy.doctor.findings import Finding
from convoy.doctor.machine import look_at_disk, look_at_memory
from convoy.doctor.models import look_at_models
from convoy.doctor.redis import judge, look_at_redis
from convoy.doctor.services import compare_versions, look_at_services
from convoy.fleet.ports import free_range
from convoy.recognition.store.condition import Condition
from convoy.testing.redis_servers import RedisServer
from convoy.testing.tiny_models import write_repository
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from typer.testing import CliRunner

from tests.certificates import Authority

SOUND = Condition("8.0.1", True, "always", 100 << 20, 1 << 30, "noeviction", "master", 1, 0.01)


def levels(findings: list[Finding]) -> list[str]:
    return [one.level for one in findings]


def test_a_model_with_a_broken_digest_is_wrong(tmp_path: Path) -> None:
    models = write_repository(tmp_path)
    sound = list(look_at_models([models], ["cifar10-resnet", "cifar10-resnet:1"]))
    assert levels(sound) == ["good"]
    with next(models.glob(f"cifar10-resnet/*/{GRAPH_FILE}")).open("ab") as graph:
        graph.write(b"\0")
    broken = list(look_at_models([models, tmp_path / "not there"], ["cifar10-resnet"]))
    assert levels(broken) == ["problem", "good", "warning"]
    assert "SHA-256" in broken[0].says and "cifar10-resnet" in broken[2].says


def test_no_model_at_all_is_wrong(tmp_path: Path) -> None:
    assert levels(list(look_at_models([tmp_path], []))) == ["problem"]


@pytest.mark.parametrize(
    ("now", "level"),
    [("2030-01-01", "good"), ("2099-12-20", "warning"), ("2100-06-01", "problem"), ("2019-01-01", "problem")],
)
def test_a_certificate_is_told_before_it_ends(tmp_path: Path, now: str, level: str) -> None:
    folder = Authority().fill(tmp_path / "tls")
    (folder / "tls.key").chmod(0o600)
    settings = Settings(tls_cert=folder, tls_key=folder)
    certificate, key = look_at_certificates(settings, datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert (certificate.level, key.level) == (level, "good")


def test_a_key_that_all_may_read_and_files_that_are_not_there(tmp_path: Path) -> None:
    folder = Authority().fill(tmp_path / "tls")
    (folder / "tls.key").chmod(0o644)
    (folder / "ca.crt").write_text("no certificate")
    settings = Settings(tls_key=folder / "tls.key", client_ca=folder / "ca.crt", client_key=tmp_path / "none.key")
    authority, key, missing = look_at_certificates(settings)
    assert [authority.level, key.level, missing.level] == ["problem", "warning", "problem"]
    assert key.advice == f"chmod o-r {folder / 'tls.key'}"


def test_nothing_listens_anywhere() -> None:
    port = free_range(6)
    addresses = {f"{name}": f"127.0.0.1:{port + place}" for place, name in enumerate(connection().addresses)}
    (told,) = look_at_services(connection(**addresses))
    assert told.level == "warning" and str(port) in told.says and "convoy up" in told.advice


def test_another_version_is_told() -> None:
    assert compare_versions("faces", "there:1", "9.9.9").level == "warning"
    assert compare_versions("faces", "there:1", "").level == "good"


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({}, "good"),
        ({"version": "6.0.16"}, "problem"),
        ({"keeps_log": False}, "problem"),
        ({"fsync": "everysec"}, "warning"),
        ({"when_full": "allkeys-lru"}, "problem"),
        ({"memory": 900 << 20}, "warning"),
        ({"clock_ahead_s": -40.0}, "warning"),
    ],
)
def test_a_redis_that_may_lose_people_is_told(change: dict[str, object], level: str) -> None:
    facts = {name: getattr(SOUND, name) for name in Condition.__slots__}
    found = levels(list(judge(Condition(**facts | change))))
    assert [one for one in found if one != "good"] == ([] if level == "good" else [level])


@pytest.mark.redis
def test_a_real_redis_is_read_by_an_administrator_alone(redis_server: RedisServer) -> None:
    assert levels(list(look_at_redis(f"unix://{redis_server.socket}"))) == ["good"] * 4
    (told,) = look_at_redis(redis_server.url)
    assert told.level == "warning" and "may not ask" in told.says
    (away,) = look_at_redis("redis://127.0.0.1:1/0")
    assert away.level == "warning" and "cannot be reached" in away.says


@pytest.mark.redis
def test_a_redis_without_the_command_config_is_told(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise ResponseError("unknown command 'CONFIG'")

    monkeypatch.setattr(Redis, "config_get", unknown)
    (told,) = look_at_redis(f"unix://{redis_server.socket}")
    assert told.level == "warning" and "does not answer them" in told.says


def test_little_memory_and_a_full_disk_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (look_at_memory(1 << 30, 1).level, look_at_memory(4 << 30, 2).level) == ("warning", "good")
    assert look_at_disk(tmp_path / "not" / "there").says.endswith(str(tmp_path))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    assert look_at_disk(tmp_path).level == "problem"


def test_the_command_exits_with_one_only_where_something_is_wrong(tmp_path: Path) -> None:
    models = write_repository(tmp_path / "models")
    words = ["doctor", "--models", str(models), "--redis-url", "redis://127.0.0.1:1/0", "--json"]
    addresses = {f"CONVOY_{name.upper()}_ADDRESS": "127.0.0.1:1" for name in connection().addresses}
    done = CliRunner().invoke(app, words, env=addresses)
    told = json.loads(done.stdout)
    assert done.exit_code == 0 and {one["level"] for one in told} == {"good", "warning"}
    assert {"models", "services", "Redis", "disk"} <= {one["about"] for one in told}
    shutil.rmtree(models)
    done = CliRunner().invoke(app, words[:-1], env=addresses)
    assert done.exit_code == 1 and "WRONG" in done.stdout
