"""What a number depends on, written beside it."""

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("convoy", "grpcio", "onnxruntime", "numpy", "opencv-python-headless", "faiss-cpu")


def conditions() -> dict[str, object]:
    """Machine, versions and date."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def write_result(name: str, command: str, numbers: object) -> Path:
    """Write results/<name>.json: the command, the conditions, the numbers."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"command": command, "conditions": conditions(), "numbers": numbers}
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
