"""A whole fleet of tiny models, as `convoy up` starts it: the services, the web door and an embedded Redis."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from convoy.client import Convoy
from convoy.fleet import Fleet, free_ports
from convoy.fleet.ports import free_range
from convoy.testing.tiny_models import write_repository

from tests.fake_faces import FakeFaces, serving
from tests.serving import running


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory, tiny_repository: Path) -> Iterator[Fleet]:
    folder, ports = tmp_path_factory.mktemp("data"), free_ports()
    with ExitStack() as stack:
        # Only the fleet's processes have the setting: the services that tests run beside it have the default.
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("CONVOY_ADMIN", "true")
            started = stack.enter_context(Fleet(folder, tiny_repository, ports, metrics=False, web_port=free_range(1)))
        yield started


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


@pytest.fixture
async def recognition_address(redis_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """Where a recognition service of the test's own listens, with faces that the test draws."""
    async with (
        serving(FakeFaces()) as faces,
        running("recognition", tmp_path, redis_url=redis_url, faces_address=faces) as server,
    ):
        yield f"127.0.0.1:{server.server.port}"
