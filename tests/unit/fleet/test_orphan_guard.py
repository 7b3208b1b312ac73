"""A guarded command stops when its standard input ends, and its exit status is passed on."""

import subprocess
import sys

GUARD = [sys.executable, "-m", "convoy.fleet.orphan_guard"]


def test_the_end_of_standard_input_is_sigterm() -> None:
    script = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(7)); print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [*GUARD, sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.stdin.close()
        assert process.wait(60) == 7


def test_a_command_that_ends_by_itself_passes_its_status_on_quietly() -> None:
    process = subprocess.Popen(
        [*GUARD, sys.executable, "-c", "exit(3)"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.wait(60) == 3
        assert process.stderr is not None and process.stderr.read() == ""
