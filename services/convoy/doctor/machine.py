"""Looks at this machine: memory, disk, GPU, installed distributions, settings that nothing reads."""

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from convoy.core.machine import available_cores, memory_limit
from convoy.core.settings import misspelt_variables
from convoy.core.versions import convoy_version, shadowing_distribution
from convoy.doctor.findings import Finding, good, problem, warning

GIB = 1 << 30
# All services with the published models take about 1.5 GiB.
LEAST_MEMORY = 2 * GIB
LEAST_DISK = 1 * GIB
EXTRAS = {"redis": "recognition", "onnxruntime": "runtime", "starlette": "web"}
"""A module -> the extra of convoy-vision that brings it."""


def look_at_machine(data: Path) -> Iterator[Finding]:
    """Look at what this machine has. data: the folder of galleries and logs, which may not exist yet."""
    yield good("version", f"convoy-vision {convoy_version()}")
    if told := shadowing_distribution():
        yield problem("version", "another distribution owns the same files", told)
    for variable, meant in misspelt_variables().items():
        yield warning("settings", f"{variable} is not a setting", f"did you mean {meant}?")
    missing = [module for module in EXTRAS if find_spec(module) is None]
    for module in missing:
        extra = EXTRAS[module]
        yield warning("packages", f"{module} is not installed", f"pip install 'convoy-vision[{extra}]' to run it here")
    yield look_at_memory(memory_limit(), available_cores())
    yield look_at_disk(data)
    if "onnxruntime" not in missing:
        yield look_at_gpu()


def look_at_memory(limit: int, cores: int) -> Finding:
    """Look at the memory and cores that this process may use. limit: bytes."""
    says = f"{limit / GIB:.1f} GiB of memory, {cores} core{'s' if cores > 1 else ''}"
    if limit < LEAST_MEMORY:
        return warning("memory", says, "all services together need 2 GiB; run fewer, or raise the container's limit")
    return good("memory", says)


def look_at_disk(folder: Path) -> Finding:
    """Look at the space where galleries and logs are."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(there).free
    says = f"{free / GIB:.1f} GiB free at {there}"
    if free < LEAST_DISK:
        return problem("disk", says, "Redis refuses changes when it cannot write its log: make room")
    return good("disk", says)


def look_at_gpu() -> Finding:
    """Look at what ONNX Runtime can compute on, and whether the machine has more."""
    from convoy.core.models.engine import present_devices

    devices = present_devices()
    if "cuda" in devices or "tensorrt" in devices:
        return good("GPU", f"ONNX Runtime can use: {', '.join(devices)}")
    if shutil.which("nvidia-smi"):
        advice = "pip install 'convoy-vision[gpu]' in place of onnxruntime, or use the image of compose.gpu.yaml"
        return warning("GPU", "there is an NVIDIA driver, and this ONNX Runtime computes on the CPU alone", advice)
    return good("GPU", "none: ONNX Runtime computes on the CPU")
