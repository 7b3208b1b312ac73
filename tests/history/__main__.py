"""Record histories and check them; or check one that was recorded.

python -m tests.history --seeds 1 2 3 --seconds 120    # record and check; a history with a broken promise is kept
python -m tests.history --store cluster                # or vector-sets, for which Docker starts a Redis 8
python -m tests.history --check history-redis-1.jsonl
"""

import argparse
import asyncio
import sys
from pathlib import Path

from convoy.core.settings import Settings
from convoy.core.telemetry import configure_logging

from tests.history.checker import check
from tests.history.operations import OK, History
from tests.history.recording import record
from tests.history.stores import STORES


def tell(history: History, name: str) -> bool:
    """Print what was found; gives whether all was well."""
    broken = check(history)
    answered = sum(operation.outcome == OK for operation in history.operations)
    print(f"{name}: {len(history.operations)} calls ({answered} answered), {len(history.events)} changes, "
          f"{len(broken)} broken promises")  # fmt: skip
    for sentence in broken[:20]:
        print(f"  {sentence}")
    return not broken


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.history", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--seconds", type=float, default=120.0, help="how long to record for each seed")
    parser.add_argument("--store", choices=STORES, default="redis", help="where the gallery is kept")
    parser.add_argument("--check", type=Path, help="a recorded history")
    parser.add_argument("--keep", action="store_true", help="keep good histories too")
    chosen = parser.parse_args()
    configure_logging(Settings(log_level="warning"))
    if chosen.check:
        return not tell(History.read(chosen.check.read_text().splitlines()), str(chosen.check))
    all_good = True
    for seed in chosen.seeds:
        history = asyncio.run(record(seed, chosen.seconds, chosen.store))
        is_good = tell(history, f"{chosen.store}, seed {seed}")
        if chosen.keep or not is_good:
            Path(f"history-{chosen.store}-{seed}.jsonl").write_text("\n".join(history.lines()) + "\n")
        all_good &= is_good
    return not all_good


if __name__ == "__main__":
    sys.exit(main())
