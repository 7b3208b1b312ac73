"""Writes numbers together with the conditions on which they depend."""

import json
import os
import platform
import shutil
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
PACKAGES = (
    "convoy-vision",
    "grpcio",
    "onnxruntime",
    "numpy",
    "opencv-python-headless",
    "faiss-cpu",
    "numkong",
    "redis",
    "hiredis",
)


def conditions() -> dict[str, object]:
    """Return machine, versions and date."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
        "load_average_at_end": [round(load, 2) for load in os.getloadavg()],
        "h2load": _h2load_version(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def in_words() -> str:
    """Say on what the numbers that were just measured depend, in one line."""
    found = conditions()
    return (
        f"{found['date']}, {found['cpu']}, {found['cores']} cores, {found['memory_gb']} GB, "
        f"load average at the end {found['load_average_at_end']}"
    )


def write_result(name: str, command: str, numbers: object) -> Path:
    """Write the command, the conditions and the numbers into results/<name>.json."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    content = {"command": command, "conditions": conditions(), "numbers": numbers}
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def _h2load_version() -> str:
    if shutil.which("h2load") is None:
        return ""
    return subprocess.run(["h2load", "--version"], capture_output=True, text=True, check=True).stdout.strip()


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
