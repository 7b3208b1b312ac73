"""`convoy up --redis-url` says at once what it waits for, and gives up after a time that it has named."""

import socket
import threading
from pathlib import Path

import pytest
from convoy.cli.app import app
from convoy.core.errors import Unavailable
from convoy.fleet import external_redis, free_ports
from convoy.fleet.external_redis import wait_for_redis, without_password
from convoy.testing.redis_servers import RedisServer
from typer.testing import CliRunner


@pytest.mark.redis
def test_a_redis_that_answers_is_not_spoken_of(shared_redis: RedisServer) -> None:
    said: list[str] = []
    wait_for_redis(shared_redis.url, said.append)
    assert said == []


@pytest.mark.redis
def test_a_redis_that_comes_late_is_waited_for(redis_folder: Path) -> None:
    server, said = RedisServer(redis_folder), []

    def start(sentence: str) -> None:
        said.append(sentence)
        threading.Thread(target=server.start).start()

    wait_for_redis(server.url, start)
    server.stop()
    assert len(said) == 1
    assert said[0].startswith(f"waiting up to 30 s for Redis at unix://{server.socket} (")


def test_a_redis_that_is_silent_is_waited_for_until_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_redis, "TIMEOUT_S", 2.0)
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://:secret@127.0.0.1:{silent.getsockname()[1]}/0"
        with pytest.raises(Unavailable, match=r"did not answer within 2 s") as caught:
            wait_for_redis(url, said.append)
    assert caught.value.reason == "STORE_UNAVAILABLE"
    assert len(said) == 1
    assert "secret" not in said[0] + caught.value.message


def test_up_names_what_it_waits_for_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_redis, "TIMEOUT_S", 2.0)
    port = free_ports()["faces"]
    words = ["up", "--data", str(tmp_path / "data"), "--models", str(tmp_path)]
    words += ["--ports-from", str(free_ports()["classification"]), "--redis-url", f"redis://127.0.0.1:{port}"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 3
    waiting, ended = done.stderr.splitlines()[:2]
    assert f"waiting up to 2 s for Redis at redis://127.0.0.1:{port} (Connection refused)" in waiting
    assert f"Redis at redis://127.0.0.1:{port} did not answer within 2 s (Connection refused)" in ended
    assert not (tmp_path / "data" / "logs").exists(), "a service was started for nothing"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:a@b/c@host:1/0?password=x", "redis://host:1/0"),
        ("redis+sentinel://host:1,other:2/0/people", "redis+sentinel://host:1,other:2/0/people"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
