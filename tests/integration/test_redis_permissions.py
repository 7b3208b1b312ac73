"""Recognition's own user of Redis, as whom every test with a Redis works: here it is refused all the rest."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from convoy.fleet.embedded_redis import find_redis_server
from convoy.recognition.domain.records import Gallery, Model, Note, Person
from convoy.recognition.store.base import Idempotency, PersonChange
from convoy.recognition.store.permissions import commands, rule
from convoy.recognition.store.redis import RedisStore
from convoy.testing.redis_servers import PASSWORD, USER, find_binary, user_options, version_of

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OTHERS = (
    ("FLUSHALL",), ("FLUSHDB",), ("KEYS", "*"), ("SCAN", "0"), ("DBSIZE",), ("RANDOMKEY",), ("CONFIG", "GET", "*"),
    ("CONFIG", "SET", "appendonly", "no"), ("ACL", "LIST"), ("ACL", "SETUSER", "eve", "on"), ("CLIENT", "LIST"),
    ("CLIENT", "KILL", "ID", "1"), ("SHUTDOWN", "NOSAVE"), ("REPLICAOF", "NO", "ONE"),
    ("SAVE",), ("BGREWRITEAOF",), ("SCRIPT", "FLUSH"), ("MONITOR",), ("INFO",), ("SLOWLOG", "GET"), ("PSUBSCRIBE", "*"),
    ("RENAME", "convoy:a", "convoy:b"), ("DUMP", "convoy:a"), ("COPY", "convoy:a", "convoy:b"), ("SWAPDB", "0", "1"),
    ("GET", "others"), ("SET", "others", "x"), ("HSET", "conv", "a", "b"), ("UNLINK", "convoyx"),
    ("SUBSCRIBE", "others"),
    ("EVAL", "return redis.call('KEYS', '*')", "0"), ("EVAL", "return redis.call('GET', 'others')", "0"),
    ("EVAL", "return redis.call('FLUSHALL')", "0"),
)  # fmt: skip

pytestmark = pytest.mark.redis


@contextmanager
def started(folder: Path, *command: str, content: str = "") -> Iterator[Any]:
    """A server on the socket redis.sock of a folder; gives a client who may do everything."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=folder, text=True) as server:
        assert server.stdin is not None
        server.stdin.write(content)
        server.stdin.close()
        again = redis.retry.Retry(redis.backoff.ConstantBackoff(0.05), 400)
        admin = redis.Redis(
            unix_socket_path=f"{folder}/redis.sock", retry=again, retry_on_error=[redis.ConnectionError], password=None
        )
        try:
            yield admin
        finally:
            server.terminate()


def binaries() -> dict[tuple[int, int], str]:
    """The servers of this machine and of the package that `convoy up` brings along, by version."""
    found = [binary for binary in (find_binary(), str(find_redis_server())) if binary]
    return {version_of(binary): binary for binary in found}


@pytest.fixture(params=["installed", "embedded"])
def server(request: pytest.FixtureRequest, redis_folder: Path) -> Iterator[tuple[tuple[int, int], Any, str]]:
    """Its version, a client who may do everything, and the URL of recognition's user."""
    binary = find_binary() if request.param == "installed" else str(find_redis_server())
    assert binary is not None
    version = version_of(binary)
    options = ["--port", "0", "--unixsocket", "redis.sock", "--save", "", *user_options(version)]
    with started(redis_folder, binary, *options) as admin:
        admin.ping()
        yield version, admin, f"unix://{USER}:{PASSWORD}@{redis_folder}/redis.sock"


def test_the_user_has_these_commands_and_no_other(server: tuple[tuple[int, int], Any, str]) -> None:
    version, admin, _ = server
    asked = admin.execute_command("ACL", "GETUSER", USER)
    facts = asked if isinstance(asked, dict) else dict(zip(asked[::2], asked[1::2], strict=True))
    said = {(k.decode() if isinstance(k, bytes) else k): v for k, v in facts.items()}
    words = said["commands"]
    allowed = set((words.decode() if isinstance(words, bytes) else words).split())
    if "+@scripting" in allowed:
        # That is how Redis 6.2 says it.
        allowed = (allowed - {"+@scripting", "-script"}) | {"+eval", "+evalsha"}
    assert {word[1:] for word in allowed if word.startswith("+")} == set(commands(version))
    assert {word for word in allowed if word.startswith("-")} == {"-@all"}
    assert allowed >= {"-@all"} and rule(version).startswith("resetkeys ~convoy:* resetchannels &convoy:* -@all ")


def test_everything_else_is_refused(server: tuple[tuple[int, int], Any, str]) -> None:
    _, admin, url = server
    admin.set("others", "theirs")
    with redis.Redis.from_url(url) as user:
        for words in OTHERS:
            with pytest.raises(redis.ResponseError, match=r"(?i)permission|can't (run|access)"):
                user.execute_command(*words)
    assert admin.get("others") == b"theirs"


async def test_a_store_works_as_that_user(server: tuple[tuple[int, int], Any, str]) -> None:
    await use(server[2])


async def use(url: str) -> None:
    store = RedisStore(url)
    await store.ping()
    await store.create_gallery(Gallery("staff", Model("m", "1", "ab" * 32, 4)), Note("CreateGallery", 1), Idempotency())
    gallery = await store.get_gallery("staff")
    change = PersonChange("ada", None, Person("ada"))
    await store.change_person(gallery, change, Note("Register", 1, "ada"), Idempotency("once", b"yes"))
    hints = store.hints()
    assert await anext(hints) is None
    await store.delete_gallery("staff", Note("DeleteGallery", 1))
    assert await anext(hints) == "staff"
    await hints.aclose()  # type: ignore[attr-defined]
    await store.close()


# What follows runs Redis as docker-compose.yml does.


@pytest.fixture
def composed(redis_folder: Path) -> Iterator[tuple[Any, str]]:
    """Redis by the very script of docker-compose.yml, with a client who may do everything, and the user's URL."""
    [script] = COMPOSE["redis"]["command"]
    for name in ("redis-password", "recognition-password"):
        (redis_folder / name).mkdir()
        (redis_folder / name / "password").write_text(f"{name}-1\n")
    script = script.replace("$$", "$").replace("/data", str(redis_folder)).replace("/run", str(redis_folder))
    script = script.replace("${REDIS_MAXMEMORY:-1gb}", "128mb")
    script = script.replace("appendonly yes", f"appendonly yes\nport 0\nunixsocket {redis_folder}/redis.sock")
    with started(redis_folder, "sh", "-euc", script) as admin:
        admin.connection_pool.connection_kwargs["password"] = "redis-password-1"
        admin.ping()
        yield admin, f"unix://{USER}:recognition-password-1@{redis_folder}/redis.sock"


@pytest.mark.redis7
async def test_recognition_works_on_redis_as_compose_runs_it(composed: tuple[Any, str]) -> None:
    admin, url = composed
    await use(url)
    words = admin.acl_getuser(USER)["commands"]
    assert {word[1:] for word in words if word.startswith("+")} == set(commands(version_of(str(find_binary()))))
    other = redis.Redis.from_url(url.replace("recognition-password-1", "redis-password-1"))
    with other, pytest.raises(redis.AuthenticationError):
        other.ping()


def scripts() -> dict[str, str]:
    """How Compose and Kubernetes start Redis."""
    found = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "base" / "redis.yaml").read_text())
    [pod] = [one["spec"]["template"]["spec"] for one in found if one["kind"] == "StatefulSet"]
    return {"compose": COMPOSE["redis"]["command"][0].replace("$$", "$"), "kubernetes": pod["containers"][0]["args"][0]}


@pytest.mark.parametrize("where", ["compose", "kubernetes"])
def test_what_is_allowed_follows_the_version_of_redis(where: str) -> None:
    script = scripts()[where]
    allowed = {0: " ".join(re.findall(r'^ *may="(?:\$may )?(.*)"$', script, re.MULTILINE)).split()}
    for since in (72, 80):
        [more] = re.findall(rf'-lt {since} \] \|\| may="\$may (.*)"', script)
        allowed[since] = more.split()
    for version, parts in (((7, 0), [0]), ((7, 2), [0, 72]), ((8, 0), [0, 72, 80])):
        assert sorted(word for part in parts for word in allowed[part]) == [f"+{name}" for name in commands(version)]
    assert "user recognition on >$(cat /run/recognition-password/password)" in script
    assert f"{rule((7, 0)).partition(' +')[0]} $may\n" in script


@pytest.mark.redis7
def test_clients_who_ask_and_do_not_read_leave_memory_to_others(composed: tuple[Any, str]) -> None:
    """A hundred ask for 16 MiB at once and read nothing: 1.6 GB would wait for them."""
    admin, url = composed
    with redis.Redis.from_url(url) as user:
        user.hset("convoy:{g}:people", mapping={str(i): b"x" * 2**20 for i in range(16)})
        silent = [redis.Redis.from_url(url).connection_pool.get_connection() for _ in range(100)]
        with suppress(redis.ConnectionError):
            for connection in silent:
                connection.send_command("HGETALL", "convoy:{g}:people")
        admin.ping()
        # A quarter of 128 MiB is theirs, but for the answer that is being written.
        assert admin.info("memory")["used_memory"] < 110 * 2**20
        assert user.set("convoy:others", "write") is True
        for connection in silent:
            connection.disconnect()


@pytest.mark.parametrize("where", ["compose", "kubernetes"])
@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc bits=64", (7, 0)),
        ("Redis server v=8.2.1 sha=00000000:0 malloc=jemalloc bits=64", (8, 2)),
        ("Valkey server v=7.2.5 sha=00000000:0 malloc=jemalloc bits=64", (7, 2)),
        ("Valkey server v=9.0.1 sha=00000000:0 malloc=jemalloc bits=64", (7, 2)),
    ],
)
def test_valkey_is_given_no_command_that_it_does_not_know(
    where: str, says: str, version: tuple[int, int], tmp_path: Path
) -> None:
    """The lines of the script that make the rule, with a server that says only what it is."""
    server = tmp_path / "redis-server"
    server.write_text(f"#!/bin/sh\necho '{says}'\n")
    server.chmod(0o755)
    begin, _, _ = scripts()[where].partition("exec redis-server")
    lines = begin[begin.index('may="') :] + 'echo "$may"\n'
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-euc", lines], env=path, capture_output=True, text=True, check=True, timeout=30)
    assert sorted(done.stdout.split()) == [f"+{name}" for name in commands(version)]
