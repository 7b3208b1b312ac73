"""Random calls through two replicas under faults keep every promise of docs/trust.md. `make history` tries longer.

SEED chooses what callers and faults do; the moments are the machine's.
"""

import os
from pathlib import Path

import pytest

from tests.history.checker import check
from tests.history.operations import OK
from tests.history.recording import record

pytestmark = [pytest.mark.redis, pytest.mark.timeout(600)]


@pytest.mark.parametrize("store", ["redis", "cluster", pytest.param("vector-sets", marks=pytest.mark.docker)])
async def test_a_history_under_faults_breaks_no_promise(store: str, tmp_path: Path) -> None:
    history = await record(int(os.environ.get("SEED", "1")), 40, store)
    (tmp_path / "history.jsonl").write_text("\n".join(history.lines()))
    assert check(history) == [], f"the history is kept in {tmp_path}"
    # Enough was asked, and enough of it answered, to be worth it.
    done = {operation.kind for operation in history.operations if operation.outcome == OK}
    assert len(done) >= 8 and len(history.events) > 50
