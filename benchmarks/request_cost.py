"""Measures the CPU time of a call when its network does nothing: what Convoy itself costs.

It measures CPU time and not wall time, so that a busy machine changes little. `--tree DIR` measures another checkout of
the repository in the same rounds.
"""

import argparse
import os
import statistics
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
from convoy.core.manifest import GRAPH_FILE, Export, InputSpec, Manifest, Task, Training, digest

from benchmarks.conditions import write_result
from benchmarks.h2load import closed_loop, grpc_target
from benchmarks.requests import TENSOR_DOOR, tensor_request
from benchmarks.server import serving

SIDE, CLASSES = 224, 1000
GRAPH = """<ir_version: 10, opset_import: ["" : 21]>
nothing (uint8[N, 224, 224, 3] images) => (float[N, 1000] probabilities) {
    flat = Flatten <axis = 1> (images)
    start = Constant <value_ints = [0]> ()
    end = Constant <value_ints = [1000]> ()
    axis = Constant <value_ints = [1]> ()
    some = Slice (flat, start, end, axis)
    probabilities = Cast <to = 1> (some)
}"""


def write_nothing(models: Path) -> None:
    """Write a network that returns its first thousand bytes, as models/nothing/1."""
    folder = models / "nothing" / "1"
    folder.mkdir(parents=True)
    onnx.save(onnx.parser.parse_model(GRAPH), folder / GRAPH_FILE)
    Manifest(
        name="nothing",
        version="1",
        task=Task.CLASSIFICATION,
        architecture="none",
        sha256=digest(folder / GRAPH_FILE),
        input=InputSpec(height=SIDE, width=SIDE, resize="stretch"),
        labels=[f"class {index}" for index in range(CLASSES)],
        licence="none",
        training=Training(recipe="none", command="python -m benchmarks.request_cost", data=[], data_terms="none"),
        export=Export(opset=21),
    ).save(folder)


def main() -> None:
    """Measure, print, and write results/request_cost.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", type=Path, action="append", default=[], help="another checkout to measure as well")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each run")
    chosen = parser.parse_args()
    request = tensor_request("nothing", np.zeros((1, SIDE, SIDE, 3), np.uint8))
    costs: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write_nothing(Path(folder))
        trees = {"this checkout": "", **{str(tree): str(tree.resolve() / "services") for tree in chosen.tree}}
        servers = {}
        for name, path in trees.items():
            variables = {"CONVOY_MODEL": "nothing", "PYTHONPATH": path or os.environ.get("PYTHONPATH", "")}
            servers[name] = stack.enter_context(serving("classification", Path(folder), **variables))
        for number in range(chosen.repeats + 1):
            for name, served in servers.items():
                before = served.cpu_s()
                load = closed_loop(grpc_target(served.port, TENSOR_DOOR, request), 8, chosen.seconds)
                if number:  # the first round only warms up
                    costs[name].append((served.cpu_s() - before) / load.answers * 1000)
    numbers = {name: {"cpu_ms": round(statistics.median(c), 3), "least": round(min(c), 3)} for name, c in costs.items()}
    print(numbers)
    print(write_result("request_cost", " ".join(["python -m benchmarks.request_cost", *sys.argv[1:]]), numbers))


if __name__ == "__main__":
    main()
