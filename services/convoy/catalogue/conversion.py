"""Turns published files that are not ONNX into ONNX, with a tool in another process.

.tflite   tf2onnx with TensorFlow (the extra `tflite`; tflite.py), and what tf2onnx leaves of MediaPipe's own operators
.pth      `convoy-train convert`: weights for an architecture of ours

The tools are large, so they may be installed in a Python environment of their own. What tf2onnx gives must answer as
the .tflite does in TensorFlow's interpreter, if that knows its operators. Later the model is compared with the entry's
golden answer, as every model is.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convoy.catalogue import tflite
from convoy.catalogue.entry import Entry
from convoy.core.errors import FailedPrecondition
from convoy.core.models.engine import PlainGraph

TIMEOUT_S = 900
TOLERANCE = 1e-3
"""Largest difference of a converted file's answers, relative to 1 + the largest of them."""


@dataclass(frozen=True)
class Tool:
    """What converts one kind of file. modules: it needs these; cure: how to install them."""

    name: str
    modules: tuple[str, ...]
    cure: str
    words: tuple[str, ...]
    """The command after `python`, with {source}, {target}, {answers} and {architecture}."""


TOOLS = {
    ".tflite": Tool(
        "tf2onnx",
        ("tf2onnx", "tensorflow"),
        "pip install 'convoy-vision[tflite]'",
        (tflite.__file__, "{source}", "{target}", "{answers}"),
    ),
    ".pth": Tool(
        "convoy-train",
        ("convoy_training",),
        "install convoy-training",
        ("-m", "convoy_training", "convert", "{architecture}", "{source}", "{target}"),
    ),
}


def needs_conversion(entry: Entry) -> bool:
    """Whether the entry's file is not ONNX."""
    return Path(entry.file.name).suffix != ".onnx"


def find_tool(entry: Entry, python: str | None) -> Tool:
    """Find what converts the entry's file, and check that it is installed.

    python: interpreter of the environment that has the tool; by default this one. Raises
    FailedPrecondition(NEEDS_CONVERSION), so that nothing is downloaded that cannot be used.
    """
    tool = TOOLS.get(Path(entry.file.name).suffix)
    published = f"{entry.name} is published as {entry.file.name}, which is not ONNX"
    if tool is None or (tool.name == "convoy-train" and not entry.architecture):
        raise FailedPrecondition("NEEDS_CONVERSION", f"{published}; {entry.note or 'convert it first'}")
    look = f"import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, {list(tool.modules)!r})))"
    if _run([python or sys.executable, "-c", look]).returncode:
        where = "--converter PYTHON names an environment that has it"
        raise FailedPrecondition("NEEDS_CONVERSION", f"{published}; {tool.name} converts it: {tool.cure}, or {where}")
    return tool


def convert(entry: Entry, tool: Tool, source: Path, target: Path, python: str | None) -> None:
    """Write the file as ONNX to `target`. Raises FailedPrecondition(NEEDS_CONVERSION)."""
    answers = target.with_suffix(".npz")
    names = {"source": source, "target": target, "answers": answers, "architecture": entry.architecture}
    done = _run([python or sys.executable, *(word.format(**names) for word in tool.words)])
    if done.returncode or not target.exists():
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        problem = lines[-1].strip() if lines else f"it ended with {done.returncode}"
        raise FailedPrecondition("NEEDS_CONVERSION", f"{tool.name} cannot convert {entry.file.name}: {problem}")
    if tool.name == "tf2onnx":
        from convoy.importing.transposed import replace_transposed

        replace_transposed(target)
    if answers.exists():
        _compare(entry, tool, target, answers)
        answers.unlink()


def _compare(entry: Entry, tool: Tool, converted: Path, answers: Path) -> None:
    """Raise FailedPrecondition(NEEDS_CONVERSION) if the converted file does not answer as the published one does."""
    with np.load(answers) as said:
        wanted = [said[f"output_{place}"].astype(np.float64) for place in range(len(said) - 1)]
        pixels = said["input"]
    graph = PlainGraph(converted)
    got = graph.run({graph.input_names[0]: pixels}).values()
    differences = [float(np.abs(one - other).max()) for one, other in zip(got, wanted, strict=True)]
    if not all(one <= TOLERANCE * (1 + np.abs(other).max()) for one, other in zip(differences, wanted, strict=True)):
        message = f"{tool.name} converts {entry.file.name} wrongly: its answers differ by up to {max(differences):.3g}"
        raise FailedPrecondition("NEEDS_CONVERSION", message)


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(command, 127, "", f"there is no {command[0]}")
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"nothing came within {TIMEOUT_S} s")
