"""A fleet knows that its web door answers, in clear text and with TLS."""

from pathlib import Path

import pytest
from convoy.core.errors import FailedPrecondition
from convoy.fleet.web import check_web, is_web_live

from tests.certificates import Authority
from tests.web_door import HOST, web_door


@pytest.mark.parametrize("demands_certificates", [False, True])
def test_a_door_with_tls_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demands_certificates: bool) -> None:
    folder = Authority().fill(tmp_path / "server")
    demanded = {"tls_client_ca": folder} if demands_certificates else {}
    with web_door({}, tls_cert=folder, **demanded) as door:
        assert is_web_live(door.port) is not demands_certificates
        monkeypatch.setenv("CONVOY_CLIENT_CERT", str(folder))
        assert is_web_live(door.port)


def test_a_door_in_clear_text_answers_and_its_port_is_told_to_be_in_use() -> None:
    with web_door({}) as door:
        assert is_web_live(door.port)
        with pytest.raises(FailedPrecondition, match="in use; stop what runs there, or choose other ports") as caught:
            check_web(HOST, door.port, 0)
    assert caught.value.reason == "PORT_IN_USE"
    assert not is_web_live(door.port)
