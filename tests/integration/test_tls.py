"""TLS and mTLS on real servers: who gets in, what rotation does, what half-set settings say."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from convoy.client import AsyncConvoy, Convoy
from convoy.core.errors import ConvoyError, FailedPrecondition, Unavailable
from convoy.core.settings import Settings
from convoy.recognition.faces_client import FacesClient
from convoy.testing import pictures
from convoy.testing.tiny_models import write_repository
from cryptography import x509

from tests.certificates import Authority
from tests.serving import Running, running

PICTURE = pictures.encode(pictures.plain((220, 20, 20)))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp("models"))


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def certificates(authority: Authority, tmp_path: Path) -> Path:
    return authority.fill(tmp_path / "server")


@pytest.fixture
async def secure(models: Path, certificates: Path) -> AsyncIterator[Running]:
    async with running("classification", models, tls_cert=certificates) as one:
        yield one


async def classified(server: Running, monkeypatch: pytest.MonkeyPatch, **variables: Any) -> str:
    """What the Python client is told, with these CONVOY_* variables."""
    for name, value in variables.items():
        monkeypatch.setenv(f"CONVOY_{name.upper()}", str(value))
    async with AsyncConvoy(classification=f"127.0.0.1:{server.server.port}", timeout_s=10) as convoy:
        return str((await convoy.classify(PICTURE)).best.label)


def served_certificate(port: int) -> x509.Certificate:
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode())


async def test_a_client_that_knows_the_authority_is_answered(
    secure: Running, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await classified(secure, monkeypatch, client_ca=certificates) == "red"


async def test_the_blocking_client_and_health_speak_tls(
    secure: Running, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOY_CLIENT_CA", str(certificates / "ca.crt"))

    def ask() -> str:
        with Convoy(classification=f"127.0.0.1:{secure.server.port}", timeout_s=10) as convoy:
            return convoy.check_health("classification")

    assert await asyncio.to_thread(ask) == "SERVING"


async def test_plain_text_is_not_answered(secure: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unavailable):
        await classified(secure, monkeypatch)


async def test_a_server_of_another_authority_is_not_trusted(
    secure: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = Authority("stranger").fill(tmp_path / "stranger")
    with pytest.raises(Unavailable):
        await classified(secure, monkeypatch, client_ca=stranger)


async def test_the_name_in_the_certificate_counts(
    models: Path, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = authority.fill(tmp_path / "named", "vision.example")
    async with running("classification", models, tls_cert=folder) as server:
        assert await classified(server, monkeypatch, client_ca=folder, client_server_name="vision.example") == "red"
        with pytest.raises(Unavailable):
            await classified(server, monkeypatch, client_server_name="other.example")


async def test_mtls_asks_for_a_certificate_of_its_authority(
    models: Path, certificates: Path, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running("classification", models, tls_cert=certificates, tls_client_ca=certificates) as server:
        with pytest.raises(Unavailable):
            await classified(server, monkeypatch, client_ca=certificates)
        stranger = Authority("stranger").fill(tmp_path / "stranger")
        with pytest.raises(Unavailable):
            await classified(server, monkeypatch, client_cert=stranger)
        friend = authority.fill(tmp_path / "friend", "friend")
        assert await classified(server, monkeypatch, client_cert=friend) == "red"


async def test_rotated_certificates_are_used_without_a_restart(
    secure: Running, certificates: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = secure.server.port
    before = await asyncio.to_thread(served_certificate, port)
    (certificates / "tls.key").write_bytes(authority.sign()[1])  # half of a rotation: the old pair stays in use
    assert await asyncio.to_thread(served_certificate, port) == before
    other = Authority("next year")
    other.fill(certificates)
    after = await asyncio.to_thread(served_certificate, port)
    assert after.issuer != before.issuer
    assert await classified(secure, monkeypatch, client_ca=certificates) == "red"


async def test_recognition_reaches_faces_with_rotated_client_certificates(
    models: Path, certificates: Path, authority: Authority, tmp_path: Path
) -> None:
    async with running("faces", models, tls_cert=certificates, tls_client_ca=certificates) as server:
        mine = Authority("stranger").fill(tmp_path / "mine")
        settings = Settings(
            faces_address=f"127.0.0.1:{server.server.port}", client_ca=certificates, client_cert=mine, timeout_s=10
        )
        client = FacesClient(settings)
        with pytest.raises(Unavailable):
            await client.model()
        authority.fill(mine)
        assert (await client.model()).model.name == "face-embedder"
        await client.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tls_cert": "tls.crt"}, "CONVOY_TLS_CERT is set without CONVOY_TLS_KEY"),
        ({"tls_key": "tls.key"}, "CONVOY_TLS_KEY is set without CONVOY_TLS_CERT"),
        ({"tls_client_ca": "ca.crt"}, "CONVOY_TLS_CLIENT_CA is set without CONVOY_TLS_CERT"),
        ({"tls_cert": "tls.crt", "tls_key": "ca.crt"}, "not a certificate and its unencrypted key"),
        ({"tls_cert": "tls.crt", "tls_key": "tls.key", "tls_client_ca": "tls.key"}, "no certificate in PEM"),
        ({"tls_cert": "tls.crt", "tls_key": "nothing"}, "cannot be read: No such file"),
    ],
    ids=["no-key", "no-certificate", "ca-alone", "unfit-key", "no-ca", "no-file"],
)
async def test_half_set_tls_stops_the_start(
    models: Path, certificates: Path, settings: dict[str, str], words: str
) -> None:
    chosen = {name: certificates / file for name, file in settings.items()}
    with pytest.raises(FailedPrecondition, match=words):
        async with running("classification", models, **chosen):
            pass


def test_a_key_without_its_certificate_stops_the_client(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVOY_CLIENT_KEY", str(certificates / "tls.key"))
    with pytest.raises(ConvoyError, match="CONVOY_CLIENT_KEY is set without CONVOY_CLIENT_CERT"):
        Convoy()
