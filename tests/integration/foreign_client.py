"""What a user of tritonclient does, in a process that knows nothing of Convoy: argument PORT, prints JSON."""

import json
import queue
import sys
from collections.abc import Callable

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

MODEL = "cifar10-resnet"


def main(port: str) -> dict[str, object]:
    client = triton.InferenceServerClient(f"127.0.0.1:{port}")
    said: dict[str, object] = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": [client.is_model_ready(MODEL), client.is_model_ready(MODEL, "7"), client.is_model_ready("x")],
        "server": client.get_server_metadata(as_json=True),
        "metadata": client.get_model_metadata(MODEL, as_json=True),
        "config": client.get_model_config(MODEL, as_json=True),
    }
    images = np.zeros((3, 32, 32, 3), np.uint8)
    for row in range(3):
        images[row, :, :, row] = 200
    said["raw"] = infer(client, images)
    said["stream"] = stream(client, images)
    said["classes"] = classes(client, images)
    said["errors"] = [refused(client, bad) for bad in (images[:, :5], images.astype(np.float32), images[0])]
    said["in_memory"] = in_shared_memory(client, images)
    said["index"] = client.get_model_repository_index(as_json=True)
    client.load_model(MODEL)
    said["with_config"] = reason(lambda: client.load_model(MODEL, config="{}"))
    said["statistics"] = client.get_inference_statistics(MODEL, as_json=True)
    return said


def inputs(images: np.ndarray) -> list[triton.InferInput]:
    datatype = "FP32" if images.dtype == np.float32 else "UINT8"
    tensor = triton.InferInput("images", images.shape, datatype)
    tensor.set_data_from_numpy(images)
    return [tensor]


def infer(client: triton.InferenceServerClient, images: np.ndarray) -> list[int]:
    outputs = [triton.InferRequestedOutput("probabilities")]
    result = client.infer(MODEL, inputs(images), outputs=outputs, request_id="r1", priority=1, timeout=5_000_000)
    assert result.get_response().id == "r1"
    return result.as_numpy("probabilities").argmax(axis=1).tolist()


def stream(client: triton.InferenceServerClient, images: np.ndarray) -> list[object]:
    answers: queue.Queue[tuple[object, object]] = queue.Queue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for row in (images[:1], images[:1, :5], images[2:]):
        client.async_stream_infer(MODEL, inputs(row), enable_empty_final_response=True)
    said: list[object] = []
    for _ in range(3):
        result, error = answers.get(timeout=20)
        assert error or result.get_response().parameters["triton_final_response"].bool_param
        said.append(str(error) if error else int(result.as_numpy("probabilities").argmax()))
    client.stop_stream()
    return said


def classes(client: triton.InferenceServerClient, images: np.ndarray) -> list[list[str]]:
    outputs = [triton.InferRequestedOutput("probabilities", class_count=2)]
    found = client.infer(MODEL, inputs(images), outputs=outputs).as_numpy("probabilities")
    return [[text.decode() for text in row] for row in found]


def in_shared_memory(client: triton.InferenceServerClient, images: np.ndarray) -> list[str]:
    tensor = triton.InferInput("images", images.shape, "UINT8")
    tensor.set_shared_memory("region", images.nbytes)
    output = triton.InferRequestedOutput("probabilities")
    output.set_shared_memory("region", 36)
    return [
        reason(lambda: client.infer(MODEL, [tensor])),
        reason(lambda: client.infer(MODEL, inputs(images), outputs=[output])),
    ]


def refused(client: triton.InferenceServerClient, images: np.ndarray) -> str:
    return reason(lambda: client.infer(MODEL, inputs(images)))


def reason(call: Callable[[], object]) -> str:
    try:
        call()
    except InferenceServerException as error:
        return f"{error.status()} {error.message()}"
    return "answered"


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
