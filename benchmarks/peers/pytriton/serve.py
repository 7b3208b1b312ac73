"""PyTriton: two instances of one single-threaded session each, with default dynamic batching; gRPC."""

import sys

import numpy as np
import onnxruntime as ort
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

graph, port, second_port, third_port = sys.argv[1], *map(int, sys.argv[2:5])


def instance():
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    @batch
    def infer(images):
        return {"probabilities": session.run(["probabilities"], {"images": images})[0]}

    return infer


config = TritonConfig(http_port=second_port, grpc_port=port, metrics_port=third_port, log_verbose=0)
with Triton(config=config) as triton:
    triton.bind(
        model_name="network",
        infer_func=[instance(), instance()],
        inputs=[Tensor(name="images", dtype=np.float32, shape=(224, 224, 3))],
        outputs=[Tensor(name="probabilities", dtype=np.float32, shape=(1000,))],
        config=ModelConfig(max_batch_size=4, batcher=DynamicBatcher()),
    )
    triton.serve()
