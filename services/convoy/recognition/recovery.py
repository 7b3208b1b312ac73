"""What scripts/restore.sh does with galleries, while recognition is stopped.

python -m convoy.recognition.recovery list > FILE             # from the data that is replaced: what was erased
python -m convoy.recognition.recovery renew [--erase] < FILE  # in the restored data: begin epochs, erase again
"""

import argparse
import asyncio
import sys
from datetime import UTC, datetime

from convoy.core.settings import read_settings
from convoy.recognition.store.layout import key_of, new_token
from convoy.recognition.store.opening import open_store
from convoy.recognition.store.redis import RedisStore
from convoy.recognition.use_cases.erasures import erase_again, find_again, list_erasures, read_erasures

PAGE = 500


async def list_all(store: RedisStore) -> None:
    """Print what was erased, a line each."""
    async for erasure in list_erasures(store):
        print(erasure.to_json())


async def renew(store: RedisStore, erase: bool) -> None:
    """Begin an epoch of every gallery; say what was erased since, and erase it again if that is asked."""
    name = ""
    while names := await store.list_names(name, PAGE):
        for name in names:
            await store.script("begin_epoch", [key_of(name, "head")], new_token())
    found = [erasure async for erasure in find_again(store, list(read_erasures(sys.stdin, _warn)))]
    for erasure in found:
        what = f"person {erasure.person_id}" if erasure.person_id else "all of it"
        if erasure.faces is not None or erasure.kept is not None:
            what = f"faces of {what}"
        print(
            f"{'erased again' if erase else 'erased since the backup'}: gallery {erasure.gallery}, {what}",
            file=sys.stderr,
        )
        if erase:
            await erase_again(store, erasure)
    if found and not erase:
        print(
            f"{len(found)} erasures are undone by this backup; restore with --erase-again to make them again",
            file=sys.stderr,
        )


def _warn(sentence: str) -> None:
    print(sentence, file=sys.stderr)


async def tell_last(store: RedisStore) -> None:
    """Print the last change of each gallery: what was changed later is not there."""
    name = ""
    while names := await store.list_names(name, PAGE):
        for name in names:
            for change in await store.list_changes(name, 0, 1):
                made_at = datetime.fromtimestamp(change.note.time_ms / 1000, UTC).isoformat(timespec="milliseconds")
                print(f"gallery {name}: the last change that is left is {change.note.action}, made at {made_at}")


async def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(prog="python -m convoy.recognition.recovery", description=__doc__)
    parser.add_argument("task", choices=["list", "renew", "last"])
    parser.add_argument("--erase", action="store_true")
    chosen = parser.parse_args()
    store = open_store(read_settings())
    try:
        match chosen.task:
            case "list":
                await list_all(store)
            case "renew":
                await renew(store, chosen.erase)
            case "last":
                await tell_last(store)
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(main())
