"""Downloads one file over HTTP: resumes an earlier try, takes no more bytes than promised, and reports progress."""

import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from convoy.core.errors import Unavailable

Progress = Callable[[int, int], None]
"""Called with the bytes received so far and the bytes in total."""
TIMEOUT_S = 30.0
TRIES = 4
_BLOCK = 256 * 1024
_AGENT = {"User-Agent": "convoy-model-pull"}


def download(address: str, partial: Path, size: int, progress: Progress) -> None:
    """Download `size` bytes into `partial`, which may already hold the beginning of the file.

    Resumes a broken connection up to three times. Raises Unavailable(NOT_FETCHED), and keeps what it received in
    `partial`; raises OSError if the disk is full.
    """
    problem = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(0.5 * 2 ** (attempt - 1))
        try:
            return _go_on(address, partial, size, progress)
        except urllib.error.HTTPError as error:
            problem = f"the server answered {error.code} {error.reason}"
            if error.code < 500 and error.code != 429:
                break
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
    raise Unavailable("NOT_FETCHED", f"{address}: {problem}", {"address": address})


def _go_on(address: str, partial: Path, size: int, progress: Progress) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    if have >= size:
        # The file is complete or too long. The digest check decides about a complete one; a longer one starts again.
        if have == size:
            return progress(size, size)
        os.truncate(partial, 0)
        have = 0
    request = urllib.request.Request(address, headers=_AGENT | ({"Range": f"bytes={have}-"} if have else {}))
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        if answer.status != 206:  # the server sends the file from its beginning
            have = 0
        with partial.open("r+b" if have else "wb") as file:
            file.seek(have)
            while have < size and (block := answer.read(min(_BLOCK, size - have))):
                file.write(block)
                have += len(block)
                progress(have, size)
            if have == size and answer.read(1):
                file.truncate(0)
                raise http.client.HTTPException(f"the file there is larger than {size:,} bytes")
    if have < size:
        raise ConnectionError(f"the connection ended after {have:,} of {size:,} bytes")
