"""The engine: what it refuses, how it counts cores, that both of its sessions say the same."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from convoy.core.errors import FailedPrecondition
from convoy.core.manifest import GRAPH_FILE, Task
from convoy.core.models import engine as module
from convoy.core.models.engine import Engine
from convoy.testing.tiny_models import HEADER, write_model


def graph(signature: str, body: str) -> bytes:
    return onnx.parser.parse_model(f"{HEADER}g ({signature}) {{ {body} }}").SerializeToString()


def test_one_picture_alone_and_in_a_batch_say_the_same(tmp_path: Path) -> None:
    folder = write_model(tmp_path, "tiny", Task.CLASSIFICATION)
    engine = Engine(folder / GRAPH_FILE, "cpu", threads=2)
    engine.check(Task.CLASSIFICATION)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    together = engine.run(images)["probabilities"]
    for row, image in zip(together, images, strict=True):
        assert np.allclose(engine.run(image[None], alone=True)["probabilities"][0], row, atol=1e-6)


@pytest.mark.parametrize("kind", ["uint8", "float"])
def test_a_batch_in_a_devices_memory_says_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of a GPU, with the CPU as the device: batches of changing sizes, in several threads."""
    body = "probabilities = Cast <to = 1> (images)"
    source = graph(f"{kind}[N, 8, 8, 3] images) => (float[N, 8, 8, 3] probabilities", body)
    plain = Engine(source, "cpu")
    monkeypatch.setattr(module, "_MEMORY", {"CPUExecutionProvider": "cpu"})
    bound = Engine(source, "cpu")
    assert plain._bound is None and bound._bound is not None

    def same(seed: int) -> bool:
        images = np.random.default_rng(seed).integers(0, 256, (1 + seed // 2 % 3, 8, 8, 3), np.uint8)
        answer, wanted = bound.run(images[:, :, ::-1])["probabilities"], plain.run(images[:, :, ::-1])["probabilities"]
        return bool(np.array_equal(answer, wanted))

    with ThreadPoolExecutor(3) as threads:
        assert all(threads.map(same, range(60)))


def test_cuda_and_tensorrt_are_what_keeps_batches_on_the_device() -> None:
    assert {name for name, provider in module.PROVIDERS.items() if provider in module._MEMORY} == {"cuda", "tensorrt"}


CAST = "y = Cast <to = 1> (images)"


@pytest.mark.parametrize(
    ("signature", "body", "words"),
    [
        (
            "double[N, 8, 8, 3] images) => (double[N, 8, 8, 3] probabilities",
            "probabilities = Identity (images)",
            "uint8",
        ),
        (
            "uint8[N, 3, 8, 8] images) => (float[N, 3, 8, 8] probabilities",
            CAST.replace("y", "probabilities"),
            "N, H, W",
        ),
        ("uint8[1, 8, 8, 3] images) => (float[1, 8, 8, 3] probabilities", CAST.replace("y", "probabilities"), "batch"),
        ("uint8[N, 8, 8, 3] images) => (float[N, 8, 8, 3] y", CAST, "no output named probabilities"),
        ("uint8[N, 8, 8, 3] x) => (float[N, 8, 8, 3] probabilities", "probabilities = Cast <to = 1> (x)", "inputs are"),
    ],
    ids=["double", "planes", "fixed-batch", "output", "input"],
)
def test_a_graph_that_breaks_the_contract_is_refused(signature: str, body: str, words: str) -> None:
    engine = Engine(graph(signature, body), "cpu")
    with pytest.raises(FailedPrecondition, match=words):
        engine.check(Task.CLASSIFICATION)


def test_a_graph_of_float_pixels_takes_bytes_too() -> None:
    body = "probabilities = Identity (images)"
    engine = Engine(graph("float[N, 8, 8, 3] images) => (float[N, 8, 8, 3] probabilities", body), "cpu")
    engine.check(Task.CLASSIFICATION)
    images = np.full((2, 8, 8, 3), 200, np.uint8)
    assert np.array_equal(engine.run(images)["probabilities"], images.astype(np.float32))


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(FailedPrecondition) as caught:
        Engine(b"not a graph", "cpu")
    assert caught.value.reason == "BAD_MODEL" and "\n" not in caught.value.message


@pytest.mark.parametrize("device", ["cuda", "tensorrt", "openvino"])
def test_a_named_device_that_is_not_there_is_never_replaced_by_the_cpu(
    device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(FailedPrecondition) as caught:
        Engine(b"whatever", device)
    assert caught.value.reason == "DEVICE_UNAVAILABLE" and module.PROVIDERS[device] in caught.value.message


def test_a_provider_that_does_not_start_is_passed_over_by_auto_and_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """onnxruntime drops a provider that cannot start, with no more than a log line: here CUDA is such a one."""

    class Session:
        def __init__(self, *_: object, **chosen: list[str]) -> None:
            self.wanted = chosen["providers"]

        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

        def get_inputs(self) -> list[object]:
            return []

        get_outputs = get_inputs

    monkeypatch.setattr(
        module.ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(module.ort, "InferenceSession", Session)
    assert Engine(b"graph", "auto").provider == "CPUExecutionProvider"
    with pytest.raises(FailedPrecondition, match="CUDAExecutionProvider did not start"):
        Engine(b"graph", "cuda")
