"""Registers and deletes people without end and says what was acknowledged; the caller kills it, or its store."""

import asyncio
import random
import sys
from collections.abc import Callable

from convoy.core.errors import ConvoyError
from convoy.recognition.domain.records import Face, Note, Person
from convoy.recognition.store.base import Idempotency, PersonChange
from convoy.recognition.store.redis import RedisStore

GALLERY = "staff"
WRITERS = 4


def template(person_id: str, face_id: str) -> bytes:
    """What the store must give back for a face."""
    return f"{person_id}/{face_id}|".encode() * 40


async def write(store: RedisStore, lane: int, round_: int, seed: int, say: Callable[[str], None]) -> None:
    """One writer: people of its own, each registered, some given more faces, some deleted."""
    rng = random.Random(f"{seed}/{round_}/{lane}")
    gallery = await store.get_gallery(GALLERY)
    for number in range(1_000_000):
        person_id = f"{round_}-{lane}-{number}"
        person: Person | None = None
        for faces in rng.choice([(1,), (2,), (1, 3), (2, 0), (1, 2, 0)]):
            after = Person(person_id, faces=tuple(Face(f"f{i}", 0.5, 1) for i in range(faces))) if faces else None
            had = len(person.faces) if person else 0
            new = {f"f{i}": template(person_id, f"f{i}") for i in range(had, faces)}
            say(f"try {person_id} {faces}")
            note = Note("Register" if faces else "DeletePerson", 1, person_id)
            await store.change_person(gallery, PersonChange(person_id, person, after, new), note, Idempotency())
            say(f"did {person_id} {faces}")
            person = after


async def run(url: str, round_: int, seed: int, say: Callable[[str], None]) -> None:
    """Write until the store goes away."""
    store = RedisStore(url)
    writers = [asyncio.create_task(write(store, lane, round_, seed, say)) for lane in range(WRITERS)]
    try:
        await asyncio.gather(*writers)
    except ConvoyError:
        for writer in writers:
            writer.cancel()
        await asyncio.gather(*writers, return_exceptions=True)
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), lambda line: print(line, flush=True)))
