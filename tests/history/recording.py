"""Records a history: callers at work while faults come and go."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

from convoy.v1 import recognition_pb2 as r

from tests.fake_faces import FakeFaces, serving
from tests.history.callers import GALLERY, PEOPLE, Callers, person_of, seen
from tests.history.faults import Scene, scene
from tests.history.operations import Event, History, Seen

LANES = 6
CALM_S = 1.5
PATIENCE_S = 60


async def record(seed: int, seconds: float, kind: str = "redis", say: Callable[[str], None] = print) -> History:
    """What happened in so many seconds, and what the two replicas say afterwards. kind: of the store."""
    async with serving(FakeFaces()) as faces, scene(faces, kind) as stage:
        await stage.serve()
        stub = stage.processes[0].replica.stub
        await stub.CreateGallery(stage.store.gallery(GALLERY), timeout=PATIENCE_S)
        callers, over = Callers([process.replica for process in stage.processes], seed), asyncio.Event()
        working = asyncio.create_task(callers.run(LANES, over))
        await _befall(stage, random.Random(seed), seconds)
        over.set()
        await working
        await stage.serve()
        faults = {fault: stage.told.count(fault) for fault in sorted(set(stage.told))}
        say(f"{kind}, seed {seed}: {len(callers.operations)} calls, faults {faults}")
        return History(callers.operations, await _events(stub), await _last(stage))


async def _befall(stage: Scene, rng: random.Random, seconds: float) -> None:
    """Faults, one after the other; the last one comes to its end."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        await asyncio.sleep(rng.uniform(0.5, 2 * CALM_S))
        await stage.befall(rng)


async def _events(stub: Any) -> list[Event]:
    """The audit from the oldest change on, without the making of the gallery."""
    events, token = [], ""
    while True:
        asked = r.ListAuditEventsRequest(gallery=GALLERY, page_size=1000, page_token=token)
        said = await stub.ListAuditEvents(asked, timeout=PATIENCE_S)
        for one in said.events:
            events.append(Event(one.version, one.action, one.person_id, one.request_id, one.outcome))
        token = said.next_page_token
        if not token:
            return [event for event in reversed(events) if event.action != "CreateGallery"]


async def _last(stage: Scene) -> dict[str, Seen]:
    """Everybody as on record; both replicas hold the same faces as the store."""
    sums = set()
    for process in stage.processes:
        asked = r.GetGalleryStatusRequest(gallery=GALLERY, verify=True)
        status = await process.replica.stub.GetGalleryStatus(asked, timeout=PATIENCE_S)
        sums |= {status.index_checksum, status.store_checksum}
    assert len(sums) == 1, f"replicas and store differ: {sums}"
    said = await stage.processes[1].replica.stub.ListPeople(r.ListPeopleRequest(gallery=GALLERY), timeout=PATIENCE_S)
    there = {person.person_id: seen(person) for person in said.people}
    return {person_of(number): there.get(person_of(number)) for number in range(PEOPLE)}
