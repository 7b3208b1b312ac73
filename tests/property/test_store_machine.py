"""The same random commands on the store in memory and on Redis: the same answers, and the same state at every look."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from convoy.core.errors import ConvoyError
from convoy.recognition.domain.records import Change, Face, Gallery, Model, Note, Person, Policy
from convoy.recognition.store.base import Conflict, Idempotency, PersonChange, Store, Write
from convoy.recognition.store.redis import RedisStore
from convoy.testing.memory_store import MemoryStore
from convoy.testing.redis_servers import RedisServer
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

names = st.sampled_from(["staff", "guests"])
person_ids = st.sampled_from(["ada", "bob", "Ł", "a-very-long-id"])
face_ids = st.lists(st.sampled_from(["f1", "f2", "f3"]), unique=True)
request_ids = st.sampled_from(["", "", "r1", "r2"])
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
moments = st.one_of(st.none(), st.integers(1, 50))
policies = st.builds(
    Policy,
    max_faces=st.sampled_from([0, 3]),
    max_people=st.sampled_from([0, 2]),
    rate_unit=st.sampled_from([None, "face"]),
)
puts = st.tuples(person_ids, face_ids, st.booleans(), request_ids)


class StoreMachine(RuleBasedStateMachine):
    # Of all sequences: connecting anew for each would take longer than the sequence.
    loop: asyncio.AbstractEventLoop
    redis: RedisStore
    server: RedisServer

    def __init__(self) -> None:
        super().__init__()
        with self.server.client() as operator:
            operator.flushall()
        self.stores: tuple[Store, Store] = (MemoryStore(), self.redis)
        self.galleries: dict[str, Gallery] = {}

    def both(self, call: Callable[[Store], Awaitable[Any]]) -> Any:
        expected, found = (self.loop.run_until_complete(outcome(call(store))) for store in self.stores)
        assert found == expected
        return found

    @rule(name=names, description=words, policy=policies, request_id=request_ids)
    def create(self, name: str, description: str, policy: Policy, request_id: str) -> None:
        gallery = Gallery(name, Model("m", "1", "00" * 32, 2), description, policy, 5)
        self.both(lambda store: store.create_gallery(gallery, note("CreateGallery"), Idempotency(request_id)))

    @rule(name=names, description=words, policy=policies)
    def update(self, name: str, description: str, policy: Policy) -> None:
        async def call(store: Store) -> Any:
            before = await store.get_gallery(name)
            after = replace(before, description=description, policy=policy)
            return await store.update_gallery(before, after, note("UpdateGallery"))

        self.both(call)

    @rule(name=names)
    def delete(self, name: str) -> None:
        self.both(lambda store: store.delete_gallery(name, note("DeleteGallery")))

    @rule(name=names)
    def remember(self, name: str) -> None:
        gallery = self.both(lambda store: store.get_gallery(name))
        if isinstance(gallery, Gallery):
            self.galleries[name] = gallery

    @rule(
        name=names,
        who=person_ids,
        faces=face_ids,
        text=words,
        ends=moments,
        request_id=request_ids,
        stale=st.booleans(),
    )
    def put(
        self, name: str, who: str, faces: list[str], text: str, ends: int | None, request_id: str, stale: bool
    ) -> None:
        """Change or add a person, perhaps by an outdated record of the person or the gallery."""
        kept = tuple(Face(face_id, 0.5, 7) for face_id in faces)
        after = Person(who, text, {"k": text} if text else {}, kept, 7, 8, ends)

        async def call(store: Store) -> Any:
            gallery = self.galleries[name] if stale and name in self.galleries else await store.get_gallery(name)
            [before] = [None] if stale else await store.get_people(name, [who])
            had = {face.face_id for face in before.faces} if before else set()
            new = {face_id: f"{who}{face_id}{text}".encode() for face_id in faces if face_id not in had}
            change = PersonChange(who, before, after, new)
            return await store.change_person(
                gallery, change, note("Register", who), Idempotency(request_id, text.encode())
            )

        self.both(call)

    @rule(name=names, who=person_ids)
    def drop(self, name: str, who: str) -> None:
        async def call(store: Store) -> Any:
            [before] = await store.get_people(name, [who])
            change = PersonChange(who, before, None)
            return await store.change_person(
                await store.get_gallery(name), change, note("DeletePerson", who), Idempotency()
            )

        self.both(call)

    @rule(name=names, writes=st.lists(st.lists(puts, min_size=1, max_size=3, unique_by=lambda put: put[0]), max_size=4))
    def write(self, name: str, writes: list[list[tuple[str, list[str], bool, str]]]) -> None:
        """Many writes of several people each, some by an outdated record."""

        async def change(store: Store, who: str, faces: list[str], stale: bool) -> tuple[PersonChange, Note]:
            [before] = [None] if stale else await store.get_people(name, [who])
            had = {face.face_id for face in before.faces} if before else set()
            new = {face_id: f"{who}{face_id}".encode() for face_id in faces if face_id not in had}
            after = Person(who, "", {}, tuple(Face(face_id, 0.5, 7) for face_id in faces), 7, 8) if faces else None
            return PersonChange(who, before, after, new), note("Register", who)

        async def call(store: Store) -> Any:
            planned = [
                Write([await change(store, *put[:3]) for put in puts], Idempotency(puts[0][3], b"w")) for puts in writes
            ]
            made = await store.change_people(await store.get_gallery(name), planned)
            return [(type(one), str(one)) for one in made]

        self.both(call)

    @rule(name=names, who=person_ids, faces=face_ids)
    def read(self, name: str, who: str, faces: list[str]) -> None:
        self.both(lambda store: store.get_templates(name, [(who, face_id) for face_id in faces]))

    @rule(name=names, after=person_ids, limit=st.integers(1, 3), before=st.integers(0, 9), now=st.integers(0, 60))
    def look(self, name: str, after: str, limit: int, before: int, now: int) -> None:
        async def call(store: Store) -> Any:
            changes = notes(store.list_changes(name, before, limit)), notes(store.read_changes(name, before, 0.001))
            return await asyncio.gather(
                store.list_people(name, after, limit), store.list_expired(name, now, limit), *changes
            )

        self.both(call)

    @invariant()
    def states_are_equal(self) -> None:
        self.both(everything)


async def outcome(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except (ConvoyError, Conflict) as error:
        return type(error), str(error)


async def everything(store: Store) -> Any:
    """All that a store holds, asked for at once: waiting is what a sequence would spend its time on."""
    kept = [part(store, name) for name in ("staff", "guests") for part in (people_of, templates_of, head_of)]
    return await asyncio.gather(store.list_galleries("", 10), *kept)


async def people_of(store: Store, name: str) -> dict[str, bytes]:
    return dict([one async for page in store.scan_people(name) for one in page])


async def templates_of(store: Store, name: str) -> dict[tuple[str, str], bytes]:
    return dict([one async for page in store.scan_templates(name) for one in zip(*page, strict=True)])


async def head_of(store: Store, name: str) -> int:
    return (await store.get_head(name)).version


async def notes(changes: Awaitable[list[Change]]) -> list[tuple[int, Note]]:
    return [(change.version, change.note) for change in await changes]


def note(action: str, person_id: str = "") -> Note:
    return Note(action, 3, person_id, "", "ok", "")


@pytest.mark.redis
@pytest.mark.timeout(0 if "STORE_SEQUENCES" in os.environ else 600)
def test_memory_and_redis_give_the_same_answers(shared_redis: RedisServer) -> None:
    """STORE_SEQUENCES=5000 tries so many random sequences of commands instead of 40."""
    StoreMachine.loop, StoreMachine.redis = asyncio.new_event_loop(), RedisStore(shared_redis.url)
    StoreMachine.server = shared_redis
    sequences = int(os.environ.get("STORE_SEQUENCES", "40"))
    chosen = settings(max_examples=sequences, stateful_step_count=40, deadline=None)
    try:
        run_state_machine_as_test(StoreMachine, settings=chosen)
    finally:
        StoreMachine.loop.run_until_complete(StoreMachine.redis.close())
        StoreMachine.loop.close()
