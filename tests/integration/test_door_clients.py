"""One unmodified client of each door tells the whole story; tests/slow/test_foreign_clients.py has all of them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.fleet import Fleet

from tests.door_keys import OLD_KEY, write_tokens
from tests.foreign.album import write_album
from tests.foreign.environments import CLIENTS, Client, install_python, run_story
from tests.foreign.expected import EXPECTED
from tests.web_door import web_door

pytestmark = pytest.mark.registry
GALLERY = "foreign"
CHEAP = [client for client in CLIENTS if client.name in ("deepstack-python", "compreface-sdk-python", "boto3")]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """These three get along with each other, and one installation takes less time."""
    place = tmp_path_factory.mktemp("clients")
    install_python(place, *(package for client in CHEAP for package in client.packages))
    return place


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_album(tmp_path_factory.mktemp("album"))


@pytest.fixture
def tokens(fleet: Fleet, tmp_path: Path) -> Iterator[Path]:
    """The gallery is not there: the clients' doors make it."""
    yield write_tokens(tmp_path, GALLERY)
    with fleet.client(timeout_s=30) as convoy:
        convoy.delete_gallery(GALLERY)


@pytest.mark.parametrize("client", CHEAP, ids=lambda client: client.name)
def test_a_client_needs_but_another_address(
    client: Client, fleet: Fleet, together: Path, album: Path, tokens: Path
) -> None:
    with web_door(fleet.addresses, web_doors=client.door, tokens_file=tokens) as door:
        facts = json.loads(run_story(client, together, door.url, OLD_KEY, album).splitlines()[-1])
    assert facts == EXPECTED[client.name]
