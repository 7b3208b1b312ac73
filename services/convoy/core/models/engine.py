"""Runs graphs on ONNX Runtime; the only file that imports onnxruntime.

On a CPU, two runs of one thread each beat one run of two threads, but a single request is quickest on all cores. So a
graph has two sessions: a narrow one that several threads run at once, and a wide one for when nothing else runs.
Threads do not spin while they wait, since decoding needs the cores too. On a GPU, the engine copies a batch once, into
memory that it keeps on the device, and copies only the outputs back.
"""

import functools
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from convoy.core.errors import FailedPrecondition
from convoy.core.machine import available_cores
from convoy.core.manifest import INPUT_NAME, OUTPUT_NAMES, Task

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
_BYTES: np.dtype[np.generic] = np.dtype(np.uint8)
PIXEL_TYPES = {"tensor(uint8)": _BYTES, "tensor(float)": np.dtype(np.float32)}
_BEST_FIRST = ("tensorrt", "cuda", "openvino", "cpu")
_AS_REQUESTED = 1
# onnxruntime's names for the memory of the providers that keep batches on a device; the others use NumPy's memory.
_MEMORY = {PROVIDERS["cuda"]: "cuda", PROVIDERS["tensorrt"]: "cuda"}

Outputs = dict[str, npt.NDArray[np.generic]]


class Engine:
    """One graph, loaded and ready to run.

    graph: path of model.onnx, or its bytes. device: auto, or a key of PROVIDERS. If a named device is missing or cannot
    run the graph, this raises FailedPrecondition(DEVICE_UNAVAILABLE) and does not fall back to another.
    threads: intra-op threads of the wide session. quiet: onnxruntime only raises failures, and does not also write them
    to standard error.
    """

    def __init__(self, graph: Path | bytes, device: str = "auto", threads: int = 1, quiet: bool = False) -> None:
        source = graph if isinstance(graph, bytes) else str(graph)
        self._narrow = _open_session(source, device, 1, quiet)
        self.provider: str = self._narrow.get_providers()[0]
        wanted = threads > 1 and self.provider == PROVIDERS["cpu"]
        self._wide = _open_session(source, "cpu", threads, quiet) if wanted else self._narrow
        self.output_names = [output.name for output in self._narrow.get_outputs()]
        self.inputs = {i.name: (str(i.type), list(i.shape)) for i in self._narrow.get_inputs()}
        self.outputs = {o.name: (str(o.type), list(o.shape)) for o in self._narrow.get_outputs()}
        memory = _MEMORY.get(self.provider, "")
        self._bound = _BoundSession(self._narrow, self.output_names, memory) if memory else None
        self._pixel_type = PIXEL_TYPES.get(self.inputs.get(INPUT_NAME, ("", []))[0], _BYTES)

    @property
    def on_gpu(self) -> bool:
        """Whether the graph runs on a GPU, where large batches pay."""
        return self.provider in (PROVIDERS["cuda"], PROVIDERS["tensorrt"])

    def run(self, images: npt.NDArray[np.generic], alone: bool = False) -> Outputs:
        """Run the graph on a batch [N, H, W, 3] of pixels, 0 to 255; several threads may call this at once.

        alone: nothing else runs now, so this run may use all threads.
        """
        if images.dtype != self._pixel_type or not images.flags.aligned:
            # Numbers inside a message may start at any byte; ONNX Runtime needs them aligned.
            images = images.astype(self._pixel_type)
        if self._bound is not None:
            results = self._bound.run(images)
        else:
            session = self._wide if alone else self._narrow
            results = session.run(self.output_names, {INPUT_NAME: images})
        return dict(zip(self.output_names, results, strict=True))

    def check(self, task: Task, channels: int = 3, outputs: Sequence[str] = ()) -> None:
        """Prove that the graph keeps the contract of its task. outputs: those it must have, by default the task's.

        Raises FailedPrecondition(BAD_MODEL).
        """
        problem = _contract_problem(self.inputs, self.output_names, task, channels, outputs or OUTPUT_NAMES[task])
        if problem:
            raise FailedPrecondition("BAD_MODEL", problem)

    def warm_up(self, shape: tuple[int, int, int], batch_sizes: Iterable[int]) -> None:
        """Run grey pictures of (height, width, channels), so that the first caller does not pay for allocations."""
        for size in batch_sizes:
            images = np.full((size, *shape), 114, np.uint8)
            self.run(images)
            if self._wide is not self._narrow:
                self.run(images, alone=True)


class PlainGraph:
    """Any ONNX graph on the CPU, with its own names of inputs and outputs, without Convoy's contract."""

    def __init__(self, graph: Path | bytes) -> None:
        """graph: a path with its external weights beside it, or bytes. Raises FailedPrecondition(BAD_MODEL)."""
        self._session = _open_session(graph if isinstance(graph, bytes) else str(graph), "cpu", available_cores(), True)

    @property
    def input_names(self) -> list[str]:
        """What the graph calls its inputs, in its order."""
        return [one.name for one in self._session.get_inputs()]

    def run(self, inputs: Mapping[str, npt.NDArray[np.generic]]) -> Outputs:
        """Run the graph and return every output by name. Raises what onnxruntime raises."""
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, dict(inputs)), strict=True))


class _BoundSession:
    """A session whose batches live in a device's memory: one copy in, one run, one copy out.

    Each thread keeps the memory of its last batch, and uses it again as long as the shape stays the same.
    """

    def __init__(self, session: ort.InferenceSession, output_names: list[str], memory: str) -> None:
        self._session = session
        self._output_names = output_names
        self._memory = memory
        self._kept = threading.local()

    def run(self, images: npt.NDArray[np.generic]) -> list[npt.NDArray[np.generic]]:
        """Run a batch and return every output, in order."""
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(INPUT_NAME, self._place(np.ascontiguousarray(images)))
        for name in self._output_names:
            binding.bind_output(name, self._memory)
        self._session.run_with_iobinding(binding)
        outputs: list[npt.NDArray[np.generic]] = binding.copy_outputs_to_cpu()
        return outputs

    def _place(self, images: npt.NDArray[np.generic]) -> ort.OrtValue:
        kept: tuple[tuple[int, ...], ort.OrtValue] | None = getattr(self._kept, "batch", None)
        if kept is not None and kept[0] == images.shape:
            kept[1].update_inplace(images)
            return kept[1]
        placed = ort.OrtValue.ortvalue_from_numpy(images, self._memory)
        self._kept.batch = (images.shape, placed)
        return placed


@functools.cache
def _share_memory() -> None:
    """Let all sessions on the CPU share one arena that grows as needed; otherwise each doubles an arena of its own."""
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg({"arena_extend_strategy": _AS_REQUESTED}))


def present_devices() -> list[str]:
    """What this onnxruntime can compute on, best first, such as ["cuda", "cpu"]. Whether it starts is not tried."""
    present = ort.get_available_providers()
    return [name for name in _BEST_FIRST if PROVIDERS[name] in present]


def _open_session(source: str | bytes, device: str, threads: int, quiet: bool) -> ort.InferenceSession:
    present = ort.get_available_providers()
    wanted = present_devices() if device == "auto" else [device]
    problems = []
    for name in wanted:
        provider = PROVIDERS[name]
        if provider not in present:
            problems.append(f"this onnxruntime has no {provider}")
            continue
        try:
            session = ort.InferenceSession(source, _options(threads, quiet), providers=[provider])
        except Exception as error:  # onnxruntime raises bare exceptions of its own hierarchy
            problems.append(f"{provider}: {_first_line(error)}")
            continue
        # If a provider cannot start, onnxruntime only logs that and runs without it.
        if session.get_providers()[0] == provider:
            return session
        problems.append(f"{provider} did not start")
    reason = "BAD_MODEL" if wanted == ["cpu"] else "DEVICE_UNAVAILABLE"
    raise FailedPrecondition(reason, f"no device runs the graph (device={device}): {'; '.join(problems)}")


def _options(threads: int, quiet: bool) -> ort.SessionOptions:
    _share_memory()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4 if quiet else 3
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _contract_problem(
    inputs: dict[str, tuple[str, list[object]]], outputs: list[str], task: Task, channels: int, wanted: Sequence[str]
) -> str:
    if list(inputs) != [INPUT_NAME]:
        return f"the graph's inputs are {list(inputs)}, not ['{INPUT_NAME}']"
    dtype, shape = inputs[INPUT_NAME]
    if dtype not in PIXEL_TYPES or len(shape) != 4 or shape[3] != channels:
        return f"the graph's input is {dtype} {shape}, not {' or '.join(PIXEL_TYPES)} [N, H, W, {channels}]"
    if isinstance(shape[0], int):
        return f"the graph's batch is fixed at {shape[0]}; it must be dynamic"
    missing = [name for name in wanted if name not in outputs]
    return f"the graph has no output named {', '.join(missing)}, which {task} needs" if missing else ""


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
