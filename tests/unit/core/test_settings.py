"""What the environment says, and what is said of it."""

import pytest
from convoy.core.api import API, SERVICES
from convoy.core.errors import InvalidArgument
from convoy.core.settings import Settings, misspelt_variables, outdated_variables, read_settings

VISION = ("classification", "detection", "segmentation")
PUBLISHED = {"classification": "cifar10-resnet", "detection": "bccd-yolo", "segmentation": "camvid-unet"}


@pytest.mark.parametrize("service", VISION)
def test_each_service_has_its_model(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_settings().model_of(service) == PUBLISHED[service]
    monkeypatch.setenv(f"CONVOY_{service.upper()}_MODEL", "mine:2")
    assert read_settings().model_of(service) == "mine:2"
    others = set(VISION) - {service}
    assert {read_settings().model_of(other) for other in others} == {PUBLISHED[other] for other in others}


@pytest.mark.parametrize("service", VISION)
def test_the_old_name_reaches_every_service_and_the_services_own_comes_first(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVOY_MODEL", "old")
    assert read_settings().model_of(service) == "old"
    for own in (PUBLISHED[service], "mine"):  # Even where it says what is the default anyway.
        monkeypatch.setenv(f"CONVOY_{service.upper()}_MODEL", own)
        assert read_settings().model_of(service) == own
    monkeypatch.setenv(f"CONVOY_{service.upper()}_MODEL", "")
    assert read_settings().model_of(service) == "old"


def test_the_old_name_is_told_to_services_that_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [outdated_variables(service) for service in SERVICES] == [{}] * len(SERVICES)
    monkeypatch.setenv("CONVOY_MODEL", "old")
    told = {service: outdated_variables(service) for service in SERVICES}
    assert {service for service in SERVICES if told[service]} == set(VISION)
    assert told["detection"] == {"CONVOY_MODEL": "CONVOY_DETECTION_MODEL"}


@pytest.mark.parametrize("service", SERVICES)
def test_clients_look_for_a_service_at_the_port_where_it_listens(service: str) -> None:
    assert getattr(Settings(), f"{service}_address") == f"127.0.0.1:{API[service].port}"


def test_every_variable_that_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVOY_PORT", "1x")
    monkeypatch.setenv("CONVOY_DEVICE", "abacus")
    with pytest.raises(InvalidArgument) as refused:
        read_settings()
    assert "CONVOY_PORT='1x': " in refused.value.message and "CONVOY_DEVICE='abacus': " in refused.value.message


def test_a_misspelt_variable_is_told_with_the_one_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVOY_CLASIFICATION_MODEL", "net")
    monkeypatch.setenv("CONVOY_FACES_SERVICE_HOST", "10.0.0.1")
    assert misspelt_variables() == {"CONVOY_CLASIFICATION_MODEL": "CONVOY_CLASSIFICATION_MODEL"}
