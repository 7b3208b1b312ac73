"""Adds ModelService and the Open Inference Protocol to every service that has models."""

from collections.abc import Iterable

import grpc

from convoy.core.api import MODEL_API, TENSOR_API, split_model
from convoy.core.errors import ConvoyError
from convoy.core.models.host import ModelHost
from convoy.core.serving import model_servicer, tensor_servicer
from convoy.core.serving.admission import EmptyQueue, Gate, Queue
from convoy.inference import open_inference_pb2_grpc
from convoy.v1 import models_pb2_grpc

MODEL_APIS = (MODEL_API, TENSOR_API)


def gates(host: ModelHost, *methods: str) -> dict[str, Gate]:
    """Make the gate before `methods` and ModelInfer, whose requests may go to any of the host's models.

    The headers name a model (name, name:version, empty for the default). If they name none, or none in memory, the
    message may be for any model, even one that is not loaded yet.
    """
    not_loaded: dict[str, Queue] = {}

    def empty(name: str) -> Queue:
        return not_loaded.setdefault(name, EmptyQueue(host.settings.queue_size))

    def any_of_them() -> Iterable[Queue]:
        loaded = [model.batcher for model in host.repository.loaded()]
        return [*loaded, empty("")] if host.repository.idle else loaded

    def queues(named: str | None) -> Iterable[Queue]:
        if named is None:
            return any_of_them()
        try:
            return [host.named(named or host.default).batcher]
        except ConvoyError:
            name, _ = split_model(named)
            return [empty(name)] if name in host.repository.idle else any_of_them()

    return dict.fromkeys((*methods, f"/{TENSOR_API}/ModelInfer"), Gate(queues))


def add_model_doors(host: ModelHost, server: grpc.aio.Server) -> None:
    """Serve ModelService and the Open Inference Protocol for a host's models."""
    models = model_servicer.ModelServicer(host)
    models_pb2_grpc.add_ModelServiceServicer_to_server(models, server)
    tensors = tensor_servicer.TensorServicer(host, models)
    # If two handlers have the same name, the first one answers.
    server.add_generic_rpc_handlers((tensor_servicer.infer_handlers(tensors),))
    open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(tensors, server)
