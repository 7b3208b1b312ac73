"""Adds ModelService and the Open Inference Protocol to every service that has models."""

from collections.abc import Collection, Iterable, Mapping

import grpc

from convoy.core.api import MODEL_API, TENSOR_API, split_model
from convoy.core.errors import ConvoyError
from convoy.core.manifest import Task
from convoy.core.models.host import ModelHost
from convoy.core.serving import model_servicer, tensor_servicer
from convoy.core.serving.admission import Arriving, EmptyQueue, Gate, Queue
from convoy.inference import open_inference_pb2_grpc
from convoy.v1 import models_pb2_grpc

MODEL_APIS = (MODEL_API, TENSOR_API)


def gates(host: ModelHost, methods: Mapping[str, Collection[Task]]) -> dict[str, Gate]:
    """Make the gates before `methods`, each with what its models do, and before ModelInfer, which takes any model.

    The headers name a model (name, name:version, empty for the default). If they name none, or none that is known, the
    message may be for any model that the method takes, even one that is not loaded yet.
    """
    not_loaded: dict[str, Queue] = {}
    arriving: Arriving = {}

    def empty(name: str) -> Queue:
        return not_loaded.setdefault(name, EmptyQueue(host.settings.queue_size))

    def gate(tasks: Collection[Task]) -> Gate:
        def any_of_them() -> Iterable[Queue]:
            loaded = [model.batcher for model in host.repository.loaded() if model.manifest.task in tasks]
            has_idle = any(not does.isdisjoint(tasks) for does in host.repository.idle.values())
            return [*loaded, empty("")] if has_idle else loaded

        def queues(named: str | None) -> Iterable[Queue]:
            if named is None:
                return any_of_them()
            try:
                model = host.named(named or host.default)
            except ConvoyError:
                name, _ = split_model(named)
                return [empty(name)] if name in host.repository.idle else any_of_them()
            return [model.batcher] if model.manifest.task in tasks else any_of_them()

        return Gate(queues, arriving)

    return {method: gate(tasks) for method, tasks in methods.items()} | {f"/{TENSOR_API}/ModelInfer": gate(tuple(Task))}


def add_model_doors(host: ModelHost, server: grpc.aio.Server) -> None:
    """Serve ModelService and the Open Inference Protocol for a host's models."""
    models = model_servicer.ModelServicer(host)
    models_pb2_grpc.add_ModelServiceServicer_to_server(models, server)
    tensors = tensor_servicer.TensorServicer(host, models)
    # If two handlers have the same name, the first one answers.
    server.add_generic_rpc_handlers((tensor_servicer.infer_handlers(tensors),))
    open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(tensors, server)
