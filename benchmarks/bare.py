"""The simplest possible server: gRPC's thread pool around ONNX Runtime, without anything else that a service needs.

python -m benchmarks.bare GRAPH PORT

Two threads share a session of one thread. It has no queue, deadlines, metrics, log lines or checks. The difference
between Convoy and this server is what those cost.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import onnxruntime as ort
from convoy.inference import open_inference_pb2 as pb

SERVICE, THREADS = "inference.GRPCInferenceService", 2
_DTYPES = {"UINT8": np.uint8, "FP32": np.float32}


def handlers(graph: str) -> grpc.GenericRpcHandler:
    """Answers only ModelInfer, and only with raw contents."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def infer(request: pb.ModelInferRequest, context: grpc.ServicerContext) -> pb.ModelInferResponse:
        sent = request.inputs[0]
        values = np.frombuffer(request.raw_input_contents[0], _DTYPES[sent.datatype]).reshape(sent.shape)
        (answer,) = session.run(None, {sent.name: values})
        response = pb.ModelInferResponse(model_name=request.model_name, raw_output_contents=[answer.tobytes()])
        response.outputs.add(name="probabilities", datatype="FP32", shape=answer.shape)
        return response

    read, write = pb.ModelInferRequest.FromString, pb.ModelInferResponse.SerializeToString
    method = grpc.unary_unary_rpc_method_handler(infer, read, write)
    return grpc.method_handlers_generic_handler(SERVICE, {"ModelInfer": method})


def main() -> None:
    """Serve until somebody ends the process."""
    graph, port = sys.argv[1:]
    server = grpc.server(ThreadPoolExecutor(THREADS), [handlers(graph)])
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
