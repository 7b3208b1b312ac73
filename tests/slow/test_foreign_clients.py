"""`pytest tests/slow/test_foreign_clients.py`: every client, unmodified from its registry, tells the whole story."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.fleet import Fleet, free_ports
from convoy.testing.tiny_models import write_repository

from tests.door_keys import OLD_KEY, write_tokens
from tests.foreign.album import write_album
from tests.foreign.environments import CLIENTS, Client, install, run_story
from tests.foreign.expected import EXPECTED
from tests.web_door import web_door

pytestmark = [pytest.mark.redis, pytest.mark.timeout(900)]
GALLERY = "foreign"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    models = write_repository(tmp_path_factory.mktemp("models"))
    with Fleet(tmp_path_factory.mktemp("data"), models, free_ports(), metrics=False) as running:
        yield running


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_album(tmp_path_factory.mktemp("album"))


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_client_needs_but_another_address(client: Client, fleet: Fleet, album: Path, tmp_path: Path) -> None:
    if client.node and shutil.which("npm") is None:
        pytest.fail("node and npm are needed")
    place = install(client, tmp_path)
    (tmp_path / "key").write_text(OLD_KEY)
    settings: dict[str, object] = {"web_doors": client.door, "tokens_file": write_tokens(tmp_path, GALLERY)}
    if client.door == "deepstack" and client.name == "codeproject-ai-api":
        settings["deepstack_token_file"] = tmp_path / "key"
    try:
        with web_door(fleet.addresses, **settings) as door:
            facts = json.loads(run_story(client, place, door.url, OLD_KEY, album).splitlines()[-1])
    finally:
        with fleet.client(timeout_s=30) as convoy:
            convoy.delete_gallery(GALLERY)
    assert facts == EXPECTED[client.name]
