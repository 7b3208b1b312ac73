"""Models, and the Open Inference Protocol."""

import numpy as np
from convoy.inference import open_inference_pb2 as door
from convoy.v1 import common_pb2, models_pb2

from tests.compatibility.conversations.recorder import Recorder

MODELS = "/convoy.v1.ModelService/"
DOOR = "/inference.GRPCInferenceService/"
SPARE = common_pb2.ModelRef(name="spare-classifier", version="1")
STRANGER = common_pb2.ModelRef(name="nobody-made-this")
NEW_EACH_TIME = ("ns", "last_inference", "inference_count", "execution_count", "count")


def talk(recorder: Recorder) -> None:
    """Ask it all."""
    _models(recorder)
    _tensors(recorder)
    _repository(recorder)


def _models(recorder: Recorder) -> None:
    for service in ("classification", "detection", "segmentation", "faces"):
        recorder.ask(service, f"{MODELS}ListModels", models_pb2.ListModelsRequest())
    recorder.ask("classification", f"{MODELS}UnloadModel", models_pb2.UnloadModelRequest(model=SPARE))
    recorder.ask("classification", f"{MODELS}ListModels", models_pb2.ListModelsRequest())
    recorder.ask("classification", f"{MODELS}LoadModel", models_pb2.LoadModelRequest(model=SPARE))
    default = common_pb2.ModelRef(name="tiny-classifier")
    unload = models_pb2.UnloadModelRequest(model=default)
    recorder.ask("classification", f"{MODELS}UnloadModel", unload, code="FAILED_PRECONDITION")
    load = models_pb2.LoadModelRequest(model=STRANGER)
    recorder.ask("classification", f"{MODELS}LoadModel", load, code="NOT_FOUND")
    foreign = models_pb2.LoadModelRequest(model=common_pb2.ModelRef(name="tiny-detector"))
    recorder.ask("classification", f"{MODELS}LoadModel", foreign, code="FAILED_PRECONDITION")


def _tensors(recorder: Recorder) -> None:
    ask = recorder.ask
    ask("classification", f"{DOOR}ServerLive", door.ServerLiveRequest())
    ask("classification", f"{DOOR}ServerReady", door.ServerReadyRequest())
    ask("classification", f"{DOOR}ServerMetadata", door.ServerMetadataRequest(), aside=("version",))
    ask("classification", f"{DOOR}ModelReady", door.ModelReadyRequest(name="tiny-classifier"))
    ask("classification", f"{DOOR}ModelReady", door.ModelReadyRequest(name="nobody-made-this"))
    for service, name in (("classification", "tiny-classifier"), ("faces", "tiny-face-detector")):
        ask(service, f"{DOOR}ModelMetadata", door.ModelMetadataRequest(name=name, version="1"))
        ask(service, f"{DOOR}ModelConfig", door.ModelConfigRequest(name=name, version="1"))
    unknown = door.ModelMetadataRequest(name="nobody-made-this")
    ask("classification", f"{DOOR}ModelMetadata", unknown, code="NOT_FOUND")
    pixels = np.random.default_rng(1).integers(0, 256, (1, 32, 32, 3), np.uint8)
    ask("classification", f"{DOOR}ModelInfer", _infer(pixels, raw=True))
    ask("classification", f"{DOOR}ModelInfer", _infer(pixels, raw=False))
    ask("classification", f"{DOOR}ModelInfer", _infer(pixels[:, :8], raw=True), code="INVALID_ARGUMENT")
    ask("classification", f"{DOOR}ModelStreamInfer", _infer(pixels, raw=True), _infer(pixels[:, :8], raw=True))
    statistics = door.ModelStatisticsRequest(name="tiny-classifier")
    ask("classification", f"{DOOR}ModelStatistics", statistics, aside=NEW_EACH_TIME)


def _infer(pixels: np.ndarray, raw: bool) -> door.ModelInferRequest:
    request = door.ModelInferRequest(model_name="tiny-classifier", id="seven")
    tensor = request.inputs.add(name="images", datatype="UINT8", shape=pixels.shape)
    if raw:
        request.raw_input_contents.append(pixels.tobytes())
    else:
        tensor.contents.uint_contents.extend(pixels.ravel().tolist())
    request.outputs.add(name="probabilities")
    return request


def _repository(recorder: Recorder) -> None:
    ask = recorder.ask
    ask("classification", f"{DOOR}RepositoryIndex", door.RepositoryIndexRequest())
    unload = door.RepositoryModelUnloadRequest(model_name="spare-classifier")
    ask("classification", f"{DOOR}RepositoryModelUnload", unload)
    ask("classification", f"{DOOR}RepositoryIndex", door.RepositoryIndexRequest(ready=True))
    load = door.RepositoryModelLoadRequest(model_name="spare-classifier")
    ask("classification", f"{DOOR}RepositoryModelLoad", load)
    stranger = door.RepositoryModelLoadRequest(model_name="nobody-made-this")
    ask("classification", f"{DOOR}RepositoryModelLoad", stranger, code="NOT_FOUND")
