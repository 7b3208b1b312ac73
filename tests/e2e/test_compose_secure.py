"""The deployment with TLS and tokens, on tiny models: compose.secure.yaml as its comment says."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.client import Convoy
from convoy.core.api import SERVICES, WEB
from convoy.core.errors import PermissionDenied, Unauthenticated, Unavailable
from convoy.core.security.tokens import make_token, write_line
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository

from tests.certificates import Authority
from tests.e2e.compose import Fleet, running_fleet

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(900)]
SCOPES = {"recognition": ["faces"], "door": ["gallery:staff:read"], "office": ["classification", "gallery:staff:admin"]}
PICTURE = pictures.encode(pictures.plain((220, 20, 20)))


@pytest.fixture(scope="module")
def tokens() -> dict[str, str]:
    return {name: make_token() for name in SCOPES}


@pytest.fixture(scope="module")
def secrets(tokens: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    authority, folder = Authority(), tmp_path_factory.mktemp("secrets")
    lines = [write_line(name, token, SCOPES[name]) for name, token in tokens.items()]
    for service in (*SERVICES, WEB):
        (folder / service).mkdir()
        authority.fill(folder / service, name=service)
        (folder / service / "tokens").write_text("\n".join(lines))
    (folder / "recognition" / "recognition.token").write_text(tokens["recognition"])
    return folder


@pytest.fixture(scope="module")
def fleet(secrets: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    models = write_repository(tmp_path_factory.mktemp("models"))
    variables = {"MODELS_FOLDER": str(models), "SECRETS_FOLDER": str(secrets), "SERVICE_USER": str(os.getuid())}
    variables["SECRETS_PER_SERVICE"] = "yes"
    with running_fleet(f"convoy-secure-{os.getpid()}", "compose.secure.yaml", **variables) as fleet:
        yield fleet


@pytest.fixture
def addresses(fleet: Fleet) -> dict[str, str]:
    return {service: fleet.environment[f"CONVOY_{service.upper()}_ADDRESS"] for service in SERVICES}


@pytest.fixture(autouse=True)
def trust(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVOY_CLIENT_CA", str(secrets / "faces"))


def test_a_caller_may_do_what_its_scopes_say(addresses: dict[str, str], tokens: dict[str, str]) -> None:
    with Convoy(**addresses, token=tokens["office"]) as office:
        assert office.classify(PICTURE).best.label == "red"
        assert office.create_gallery("staff").name == "staff"
    with Convoy(**addresses, token=tokens["door"]) as door:
        assert door.get_gallery("staff").face_count == 0
        with pytest.raises(PermissionDenied):
            door.delete_gallery("staff")


def test_nobody_gets_in_without_a_token(addresses: dict[str, str]) -> None:
    with Convoy(**addresses) as stranger, pytest.raises(Unauthenticated):
        stranger.classify(PICTURE)


def test_clear_text_is_not_answered(addresses: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONVOY_CLIENT_CA")
    with Convoy(**addresses, timeout_s=10) as clear, pytest.raises(Unavailable):
        clear.classify(PICTURE)
