"""What `convoy up` looks at before it starts anything."""

import socket
from pathlib import Path

import pytest
from convoy.core.errors import FailedPrecondition, NotFound
from convoy.fleet import Fleet, free_ports


def test_a_port_that_somebody_listens_on_is_named(tmp_path: Path) -> None:
    ports = free_ports()
    data = tmp_path / "data"
    with socket.create_server(("127.0.0.1", ports["faces"])), pytest.raises(FailedPrecondition) as caught:
        Fleet(data, tmp_path, ports).__enter__()
    assert caught.value.reason == "PORT_IN_USE"
    assert f"faces cannot listen on 127.0.0.1:{ports['faces']}" in caught.value.message
    assert not data.exists()


def test_a_metrics_port_that_somebody_listens_on_is_named(tmp_path: Path) -> None:
    ports = free_ports()
    data, port = tmp_path / "data", ports["segmentation"] + 1000
    with socket.create_server(("127.0.0.1", port)), pytest.raises(FailedPrecondition) as caught:
        Fleet(data, tmp_path, ports).__enter__()
    assert caught.value.reason == "PORT_IN_USE"
    assert f"the metrics page of segmentation cannot listen on 127.0.0.1:{port}" in caught.value.message
    assert not data.exists()


def test_a_missing_model_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no model repository") as caught:
        Fleet(tmp_path / "data", tmp_path / "nowhere", free_ports()).__enter__()
    assert caught.value.reason == "NO_REPOSITORY"
