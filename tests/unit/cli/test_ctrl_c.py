"""Ctrl-C ends a command at once and quietly, whatever it waits for."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from convoy.cli import INTERRUPTED

WHILE_IT_LOADS = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class PressesCtrlC(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, PressesCtrlC())
from convoy.cli.__main__ import main
main()
"""


def test_ctrl_c_while_it_loads_is_quiet() -> None:
    done = subprocess.run([sys.executable, "-c", WHILE_IT_LOADS], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "", "")


def hears_ctrl_c() -> None:
    """What a shell starts in the background does not, nor what that starts, such as these tests."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ctrl_c_waits_for_no_answer(tmp_path: Path) -> None:
    """The service takes the connection and never says a word; the call may last for an hour."""
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8\xff")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        settings = {"CONVOY_CLASSIFICATION_ADDRESS": address, "CONVOY_TIMEOUT_S": "3600"}
        command = [sys.executable, "-m", "convoy.cli", "classify", str(photo)]
        asking = subprocess.Popen(
            command,
            env=os.environ | settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hears_ctrl_c,
        )
        try:
            silent.settimeout(60)
            connection, _ = silent.accept()
            with connection:
                asking.send_signal(signal.SIGINT)
                said = asking.communicate(timeout=60)
        finally:
            asking.kill()
    assert (asking.returncode, *said) == (INTERRUPTED, "", "")
