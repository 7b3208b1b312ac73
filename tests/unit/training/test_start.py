"""`convoy-train` begins quietly: Ctrl-C while it loads ends it without a traceback."""

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

INTERRUPTED_WHILE_IT_LOADS = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class PressesCtrlC(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "torch":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, PressesCtrlC())
sys.argv = ["convoy-train", "fit", "recipe.yaml"]
from convoy_training.__main__ import main
main()
"""


def test_ctrl_c_while_it_loads_is_quiet() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_IT_LOADS], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + signal.SIGINT, "", "")


HEAVY = ("torch", "onnxruntime", "cv2", "matplotlib", "lightning", "scipy", "kornia")


def test_help_loads_nothing_heavy() -> None:
    program = f"""
import sys
from convoy_training.__main__ import main
sys.argv = ["convoy-train", "fit", "--help"]
try:
    main()
finally:
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "Train a recipe" in ended.stdout and ended.stderr.strip() == "[]"


def test_the_command_starts_there(root: Path) -> None:
    scripts = tomllib.loads((root / "training/pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["convoy-train"] == "convoy_training.__main__:main"
