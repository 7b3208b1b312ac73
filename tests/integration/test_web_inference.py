"""The Open Inference Protocol over REST, asked by NVIDIA's own client and by hand."""

import json
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import tritonclient.http as triton
from convoy.client import Convoy
from convoy.fleet import Fleet
from tritonclient.utils import InferenceServerException

from tests.web_door import Door


@pytest.fixture
def door(fleet: Fleet) -> Door:
    return Door(urlsplit(fleet.web_url).port or 0)


@pytest.fixture
def client(door: Door) -> Any:
    return triton.InferenceServerClient(f"127.0.0.1:{door.port}")


@pytest.fixture
def classifier(convoy: Convoy) -> str:
    return next(model.model.name for model in convoy.list_models("classification") if model.is_default)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("binary_answer", [False, True])
def test_tritonclient_infers(client: Any, classifier: str, binary: bool, binary_answer: bool) -> None:
    metadata = client.get_model_metadata(classifier)
    shape = [side if side > 0 else 32 for side in metadata["inputs"][0]["shape"]]
    pixels = triton.InferInput("images", [1, *shape[1:]], "UINT8")
    given = np.random.default_rng(1).integers(0, 255, pixels.shape(), np.uint8)
    pixels.set_data_from_numpy(given, binary_data=binary)
    output = metadata["outputs"][0]["name"]
    wanted = [triton.InferRequestedOutput(output, binary_data=binary_answer)]
    answer = client.infer(classifier, [pixels], outputs=wanted, request_id="mine")
    assert answer.get_response()["id"] == "mine"
    np.testing.assert_allclose(answer.as_numpy(output).sum(), 1.0, atol=1e-3)
    top = client.infer(classifier, [pixels], outputs=[triton.InferRequestedOutput(output, class_count=2)])
    assert top.as_numpy(output).shape == (1, 2)


def test_tritonclient_finds_its_way(client: Any, classifier: str) -> None:
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(classifier) and not client.is_model_ready("nothing")
    assert client.get_server_metadata()["name"] == "convoy"
    assert classifier in {model["name"] for model in client.get_model_repository_index()}
    assert client.get_model_config(classifier)["name"] == classifier
    assert client.get_inference_statistics(classifier)["model_stats"][0]["name"] == classifier
    client.load_model(classifier)
    with pytest.raises(InferenceServerException, match="MODEL_NOT_FOUND"):
        client.get_model_metadata("nothing")


def test_readiness_is_asked_anew_although_the_door_knows_who_has_the_model(client: Any, classifier: str) -> None:
    client.get_model_metadata(classifier)
    assert client.is_model_ready(classifier) and not client.is_model_ready(classifier, "999")


@pytest.mark.parametrize(
    ("body", "headers", "word"),
    [
        (b"{", {}, "JSON"),
        (b"[]", {}, "JSON"),
        (b'{"inputs": 1}', {}, "inputs"),
        (b'{"inputs": [{"name": "images", "datatype": "UINT8", "shape": [1], "data": [300]}]}', {}, "UINT8"),
        (b'{"inputs": [{"name": "images", "datatype": "UINT8", "shape": [2], "data": [3]}]}', {}, "fill"),
        (b'{"inputs": [{"name": "images", "datatype": "X", "shape": [1], "data": [3]}]}', {}, "datatype"),
        (b'{"inputs": [{"name": "images", "datatype": "UINT8", "shape": [-1], "data": []}]}', {}, "shape"),
        (b'{"inputs": []}tail', {"Inference-Header-Content-Length": "14"}, "belong to no input"),
        (b"{}", {"Inference-Header-Content-Length": "9"}, "shorter"),
        (b"{}", {"Inference-Header-Content-Length": "x"}, "shorter"),
        (
            b'{"inputs": [{"name": "i", "datatype": "UINT8", "shape": [1], "parameters": {"binary_data_size": 9}}]}',
            {},
            "binary_data_size",
        ),
        (b'{"inputs": [{"name": "pixels", "datatype": "UINT8", "shape": [1], "data": [3]}]}', {}, "images"),
    ],
)
def test_what_is_no_infer_request_is_refused(
    door: Door, classifier: str, body: bytes, headers: dict[str, str], word: str
) -> None:
    answer = door.ask("POST", f"/v2/models/{classifier}/infer", body, headers)
    assert answer.status == 400
    assert word in json.loads(answer.content)["error"]
