"""Ends a training when one of its processes is gone: the others would wait for it, or end without a word."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from lightning.fabric import Fabric

PAUSE_S = 0.5
"""Lightning's own watcher looks every five seconds, and kills this process without a sentence."""
NOTICED_S = 4 * PAUSE_S


class Process(Protocol):
    """As much of subprocess.Popen as is needed."""

    pid: int

    def poll(self) -> int | None:
        """How it ended, None while it runs."""

    def kill(self) -> None:
        """Ends it."""


@contextmanager
def watching_companions(fabric: Fabric, run: Path) -> Iterator[None]:
    """Around a training: the process that started the others tells in a sentence if one of them is gone, and ends."""
    others: Sequence[Process] = getattr(fabric.strategy.launcher, "procs", ())
    if not others:
        yield
        return
    over = threading.Event()
    watch = threading.Thread(target=look_after, args=(others, run, over), daemon=True)
    watch.start()
    try:
        yield
    except RuntimeError:
        watch.join(NOTICED_S)  # of a process that is gone, the collective operations learn first
        raise
    finally:
        over.set()


def look_after(
    others: Sequence[Process], run: Path, over: threading.Event, end: Callable[[int], object] = os._exit
) -> None:
    """Waits until the training is over, or one of the other processes failed: then it ends them all, and this one."""
    while not over.wait(PAUSE_S):
        failed = [(place, code) for place, other in enumerate(others, 2) if (code := other.poll())]
        if not failed:
            continue
        place, code = failed[0]
        how = f"was killed by signal {-code}, perhaps for want of memory" if code < 0 else f"failed with code {code}"
        told = f"error: process {place} of {len(others) + 1} {how}: --resume continues from the last complete epoch"
        print(f"{told} in {run}", file=sys.stderr, flush=True)
        for other in others:
            if other.poll() is None:
                other.kill()
        end(1)
        return
