"""What classification, detection, segmentation and faces serve beside their own API."""

from collections.abc import Iterable

import grpc

from convoy.core.api import MODEL_API, TENSOR_API
from convoy.core.errors import ConvoyError
from convoy.core.models.host import ModelHost
from convoy.core.models.loaded_model import LoadedModel
from convoy.core.serving import model_servicer, tensor_servicer
from convoy.core.serving.admission import Gate
from convoy.inference import open_inference_pb2_grpc
from convoy.v1 import models_pb2_grpc

MODEL_APIS = (MODEL_API, TENSOR_API)


def gates(host: ModelHost, *methods: str) -> dict[str, Gate]:
    """A gate before `methods` and before the tensor door: their requests may go to any of the host's models.

    To the one that the headers name (name, name:version, empty for the default); to any that is loaded, if they name
    none, or one that is not loaded, which is answered when the message says so too.
    """

    def models(named: str | None) -> Iterable[LoadedModel]:
        try:
            return host.repository.loaded() if named is None else [host.named(named or host.default)]
        except ConvoyError:
            return host.repository.loaded()

    return dict.fromkeys((*methods, f"/{TENSOR_API}/ModelInfer"), Gate(models))


def add_model_doors(host: ModelHost, server: grpc.aio.Server) -> None:
    """Serve ModelService and the Open Inference Protocol for a host's models."""
    models = model_servicer.ModelServicer(host)
    models_pb2_grpc.add_ModelServiceServicer_to_server(models, server)
    tensors = tensor_servicer.TensorServicer(host, models)
    # The first handler of a name is the one that answers.
    server.add_generic_rpc_handlers((tensor_servicer.infer_handlers(tensors),))
    open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(tensors, server)
