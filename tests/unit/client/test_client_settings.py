"""The client's settings: what is read without pydantic is what pydantic reads."""

from dataclasses import fields

import pytest
from convoy.client.settings import read_client_settings
from convoy.core import client_settings
from convoy.core.client_settings import ClientSettings, read_plain
from convoy.core.errors import InvalidArgument
from convoy.core.settings import Settings

PLAIN = {
    "CONVOY_FACES_ADDRESS": "faces.example:7",
    "CONVOY_TIMEOUT_S": "2.5",
    "CONVOY_MAX_MESSAGE_MB": "128",
    "CONVOY_CLIENT_TLS": "True",
    "CONVOY_CLIENT_CA": "a folder/ca.crt",
    "CONVOY_CLIENT_TOKEN": "secret",
    "convoy_client_server_name": "vision.example",
}


def test_defaults_are_those_of_the_settings() -> None:
    assert read_plain() == Settings().of_client == ClientSettings()


def test_plain_values_are_read_as_pydantic_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PLAIN.items():
        monkeypatch.setenv(name, value)
    read = read_plain()
    assert read is not None and read == Settings().of_client
    changed = {one.name for one in fields(read) if getattr(read, one.name) != one.default}
    assert changed == {name.lower().removeprefix("convoy_") for name in PLAIN}
    assert "secret" not in repr(read)


@pytest.mark.parametrize(
    ("name", "value"),
    [("TIMEOUT_S", "1e1"), ("TIMEOUT_S", " 5 "), ("TIMEOUT_S", "inf"), ("MAX_MESSAGE_MB", "+8"), ("CLIENT_TLS", "yes")],
)
def test_other_values_are_left_to_pydantic(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"CONVOY_{name}", value)
    assert read_plain() is None and read_client_settings() == Settings().of_client != ClientSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("TIMEOUT_S", "0"), ("TIMEOUT_S", "0.0"), ("TIMEOUT_S", ""), ("MAX_MESSAGE_MB", "1025"), ("MAX_MESSAGE_MB", "0")],
)
def test_wrong_values_are_told(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"CONVOY_{name}", value)
    with pytest.raises(InvalidArgument) as refused:
        read_client_settings()
    assert f"CONVOY_{name}={value!r}" in refused.value.message


def test_every_variable_is_a_setting() -> None:
    assert {f"CONVOY_{field.upper()}" for field in Settings.model_fields} >= client_settings.VARIABLES
