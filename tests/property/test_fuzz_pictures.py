"""Damaged files of every format: each is read or refused in a sentence, and the process lives on.

Some hundred here, in a process of their own; tests/slow/test_fuzz_pictures.py tries 10,000 of each format.
"""

import subprocess
import sys

from tests.fuzz_pictures import ODD
from tests.picture_files import FORMATS

COUNT = 60


def test_damaged_files_are_read_or_refused() -> None:
    command = [sys.executable, "-m", "tests.fuzz_pictures", "all", str(COUNT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f"{COUNT} files") == len(FORMATS) + len(ODD)
