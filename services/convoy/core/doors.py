"""What classification, detection, segmentation and faces serve beside their own API."""

import grpc

from convoy.core import model_servicer, tensor_servicer
from convoy.core.gate import Gate
from convoy.core.host import ModelHost
from convoy.inference import open_inference_pb2_grpc
from convoy.v1 import models_pb2_grpc

MODEL_DOORS = (model_servicer.NAME, tensor_servicer.NAME)


def gates(host: ModelHost, *methods: str) -> dict[str, Gate]:
    """A gate before `methods` and before the tensor door: their requests may name any of the host's models."""
    return dict.fromkeys((*methods, f"/{tensor_servicer.NAME}/ModelInfer"), Gate(host.repository.loaded))


def add_model_doors(host: ModelHost, server: grpc.aio.Server) -> None:
    """Serve ModelService and the Open Inference Protocol for a host's models."""
    models = model_servicer.ModelServicer(host)
    models_pb2_grpc.add_ModelServiceServicer_to_server(models, server)
    tensors = tensor_servicer.TensorServicer(host, models)
    # The first handler of a name is the one that answers.
    server.add_generic_rpc_handlers((tensor_servicer.infer_handlers(tensors),))
    open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(tensors, server)
