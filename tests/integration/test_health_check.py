"""The health check of containers, against real servers."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest
from convoy.fleet.health_check import is_serving
from convoy.testing.tiny_models import write_repository

from tests.certificates import Authority
from tests.serving import running


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("models"))


async def test_a_serving_service_is_healthy(models: Path) -> None:
    async with running("classification", models) as one:
        assert await asyncio.to_thread(is_serving, "classification", one.server.port)


async def test_behind_tls_it_asks_as_the_client_does(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = Authority().fill(tmp_path / "server")
    monkeypatch.setenv("CONVOY_CLIENT_CA", str(certificates))
    async with running("classification", models, tls_cert=certificates) as one:
        assert await asyncio.to_thread(is_serving, "classification", one.server.port)


async def test_its_former_name_goes_on_working(models: Path) -> None:
    async with running("classification", models) as one:
        code, said = await run("convoy.client.probe", "classification", one.server.port)
    assert code == 0
    assert "convoy.fleet.health_check" in said


async def test_it_exits_with_1_where_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        for module in ("convoy.fleet.health_check", "convoy.client.probe"):
            code, said = await run(module, "faces", bound.getsockname()[1])
            assert code == 1 and "Traceback" not in said


async def run(module: str, *words: object) -> tuple[int | None, str]:
    """The exit code of `python -m MODULE WORDS`, and what it says on standard error."""
    command = [sys.executable, "-m", module, *map(str, words)]
    child = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await child.communicate()
    return child.returncode, said.decode()


def test_where_nobody_listens_nothing_is_healthy() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert not is_serving("faces", bound.getsockname()[1])
