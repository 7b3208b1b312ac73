"""The healthcheck of containers, against real servers."""

import asyncio
import socket
from pathlib import Path

import pytest
from convoy.fleet.health_check import is_serving

from tests.certificates import Authority
from tests.serving import running
from tests.tiny_models import write_repository


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


def test_where_nobody_listens_nothing_is_healthy() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert not is_serving("faces", bound.getsockname()[1])
