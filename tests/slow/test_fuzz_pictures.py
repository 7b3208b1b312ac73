"""10,000 damaged files of each format: each is read or refused, none is slow, and the memory stays flat."""

import re
import subprocess
import sys

import pytest

from tests.fuzz_pictures import ODD
from tests.picture_files import FORMATS

COUNT = 10_000
# What one file may take: a decoder's buffers for 4 megapixels come and go, and malloc keeps some of them.
MOST_MIB = 200


@pytest.mark.parametrize("name", [*FORMATS, *ODD])
def test_ten_thousand_damaged_files(name: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz_pictures", name, str(COUNT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"grew (\d+) MiB", done.stdout)
    assert found is not None and int(found[1]) < MOST_MIB, done.stdout
