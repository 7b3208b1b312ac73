"""A whole fleet of tiny models, as `convoy up` starts it: the services, the web door and an embedded Redis."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.client import Convoy
from convoy.fleet import Fleet, free_ports
from convoy.testing.tiny_models import write_repository


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory, tiny_repository: Path) -> Iterator[Fleet]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        web_port = free.getsockname()[1]
    folder, ports = tmp_path_factory.mktemp("data"), free_ports()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CONVOY_ADMIN", "true")
        with Fleet(folder, tiny_repository, ports, metrics=False, web_port=web_port) as running:
            yield running


@pytest.fixture
def convoy(fleet: Fleet) -> Iterator[Convoy]:
    with fleet.client(timeout_s=30) as client:
        yield client


@pytest.fixture
def gallery(convoy: Convoy, request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of a gallery of the test's own."""
    name = request.node.name.partition("[")[0].lower()[:64]
    convoy.create_gallery(name)
    yield name
    convoy.delete_gallery(name)
