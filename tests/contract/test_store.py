"""What every store promises, tried on each of them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from convoy.core.errors import AlreadyExists, NotFound, ResourceExhausted
from convoy.recognition.domain.records import Face, Gallery, Model, Note, Person, Policy
from convoy.recognition.store.base import Committed, Conflict, Idempotency, PersonChange, Store, Write
from convoy.recognition.store.redis import RedisStore
from convoy.testing.memory_store import MemoryStore
from convoy.testing.redis_servers import RedisCluster

MODEL = Model("embedder", "1", "ab" * 32, 4)
STAFF = Gallery("staff", MODEL, "who works here", Policy(0.5, 0.01, 0.1, 0), 1_000)


def note(action: str, person_id: str = "") -> Note:
    return Note(action, 2_000, person_id, "alice", "done", "r-1")


def person(person_id: str, *face_ids: str, **facts: object) -> Person:
    faces = tuple(Face(face_id, 0.75, 3_000) for face_id in face_ids)
    return Person(person_id, "Ada Ł.", {"team": "blue"}, faces, 3_000, 3_000, **facts)  # type: ignore[arg-type]


def adding(before: Person | None, after: Person) -> PersonChange:
    had = {face.face_id for face in before.faces} if before else set()
    new = {f.face_id: f"template of {f.face_id} \x00".encode() for f in after.faces if f.face_id not in had}
    return PersonChange(after.person_id, before, after, new)


class StoreContract:
    """Inherited by a class for each store, which gives the fixture `store`."""

    async def put(self, store: Store, gallery: Gallery, after: Person, request_id: str = "") -> int:
        [before] = await store.get_people(gallery.name, [after.person_id])
        change = adding(before, after)
        return (
            await store.change_person(
                gallery, change, note("Register", after.person_id), Idempotency(request_id, b"yes")
            )
        ).version

    async def made(self, store: Store, gallery: Gallery = STAFF) -> Gallery:
        await store.create_gallery(gallery, note("CreateGallery"), Idempotency())
        return await store.get_gallery(gallery.name)

    async def test_a_gallery_comes_back_as_it_was_made(self, store: Store) -> None:
        made = await self.made(store)
        assert made == replace(STAFF, born=1, version=1)
        assert await store.list_galleries("", 10) == [made]

    async def test_a_name_is_taken_once(self, store: Store) -> None:
        await self.made(store)
        with pytest.raises(AlreadyExists, match="staff"):
            await self.made(store)

    async def test_making_a_gallery_again_by_its_request_id_changes_nothing(self, store: Store) -> None:
        first = await store.create_gallery(STAFF, note("CreateGallery"), Idempotency("once"))
        again = await store.create_gallery(STAFF, note("CreateGallery"), Idempotency("once"))
        assert (again.version, again.repeated) == (first.version, True)
        assert (await store.get_gallery("staff")).version == 1

    async def test_galleries_come_in_pages_by_name(self, store: Store) -> None:
        for name in ("c", "a", "b", "d"):
            await self.made(store, replace(STAFF, name=name))
        await store.delete_gallery("b", note("DeleteGallery"))
        assert [gallery.name for gallery in await store.list_galleries("", 2)] == ["a", "c"]
        assert [gallery.name for gallery in await store.list_galleries("c", 2)] == ["d"]

    async def test_what_was_chosen_is_replaced_only_if_nobody_was_faster(self, store: Store) -> None:
        first = await self.made(store)
        await store.update_gallery(first, replace(first, description="new"), note("UpdateGallery"))
        assert (await store.get_gallery("staff")).description == "new"
        with pytest.raises(Conflict):
            await store.update_gallery(first, replace(first, description="newer"), note("UpdateGallery"))

    async def test_facts_of_the_policy_that_0_1_0_lacks_are_replaced_likewise(self, store: Store) -> None:
        chosen = replace(STAFF, policy=Policy(rate_unit="face", average_faces=True))
        first = await self.made(store, chosen)
        assert first.policy == chosen.policy and (await store.open_gallery("staff")).gallery.policy == chosen.policy
        plain = replace(first, policy=Policy())
        await store.update_gallery(first, plain, note("UpdateGallery"))
        assert (await store.get_gallery("staff")).policy == Policy()
        with pytest.raises(Conflict):
            await store.update_gallery(first, replace(first, policy=Policy(rate_unit="picture")), note("UpdateGallery"))
        await store.update_gallery(plain, replace(plain, policy=Policy(same_occasion=True)), note("UpdateGallery"))
        assert (await store.delete_gallery("staff", note("DeleteGallery"))).policy == Policy(same_occasion=True)
        assert (await self.made(store)).policy == STAFF.policy

    async def test_an_unknown_gallery_is_not_found(self, store: Store) -> None:
        for call in (
            store.get_gallery("none"),
            store.delete_gallery("none", note("DeleteGallery")),
            store.update_gallery(replace(STAFF, name="none"), STAFF, note("UpdateGallery")),
            store.change_person(
                replace(STAFF, name="none"), adding(None, person("p")), note("Register"), Idempotency()
            ),
        ):
            with pytest.raises(NotFound, match="none"):
                await call
        assert await store.list_people("none", "", 10) == []
        assert (await store.get_head("none")).version == 0

    async def test_a_person_comes_back_with_faces_and_templates(self, store: Store) -> None:
        gallery = await self.made(store)
        ada = person("ada", "f1", "f2", expire_time_ms=9_000, tags=("red", "ß"))
        assert await self.put(store, gallery, ada) == 2
        assert await store.get_people("staff", ["ada", "bob"]) == [ada, None]
        assert await store.get_templates("staff", [("ada", "f2"), ("ada", "f3"), ("ada", "f1")]) == [
            b"template of f2 \x00",
            None,
            b"template of f1 \x00",
        ]
        counted = await store.get_gallery("staff")
        assert (counted.people, counted.faces, counted.version) == (1, 2, 2)

    async def test_people_and_templates_are_read_together(self, store: Store) -> None:
        gallery = await self.made(store)
        ada = person("ada", "f1")
        await self.put(store, gallery, ada)
        templates = [b"template of f1 \x00", None]
        assert await store.read_people("staff", ["ada", "bob"], [("ada", "f1"), ("bob", "f1")]) == (
            [ada, None],
            templates,
        )
        assert await store.read_people("staff", ["ada"], []) == ([ada], [])
        assert await store.read_people("staff", [], [("ada", "f1")]) == ([], templates[:1])

    async def test_labels_lie_apart_from_the_record_and_go_with_their_faces(self, store: Store) -> None:
        gallery = await self.made(store)
        ada = person("ada", "f1", "f2")
        templates = {"f1": b"one", "f2": b"two"}
        change = PersonChange("ada", None, ada, templates, {"f1": "IMG 1.jpg", "f2": ""})
        await store.change_person(gallery, change, note("Register"), Idempotency())
        named = [("ada", "f1"), ("ada", "f2"), ("bob", "f1")]
        assert await store.get_labels("staff", named) == ["IMG 1.jpg", "", ""]
        assert await store.get_labels("staff", []) == []
        assert await store.get_people("staff", ["ada"]) == [ada]
        more = replace(ada, faces=(*ada.faces, Face("f3", 0.5, 4_000)))
        added = PersonChange("ada", ada, more, {"f3": b"three"}, {"f3": "ß.png"})
        await store.change_person(gallery, added, note("Register"), Idempotency())
        less = more.without("f1", 4_000)
        await store.change_person(gallery, PersonChange("ada", more, less), note("DeleteFace"), Idempotency())
        assert await store.get_labels("staff", [("ada", "f1"), ("ada", "f3")]) == ["", "ß.png"]
        await store.change_person(gallery, PersonChange("ada", less, None), note("DeletePerson"), Idempotency())
        assert await store.get_labels("staff", [("ada", "f3")]) == [""]
        assert (await store.get_gallery("staff")).people == 0

    async def test_a_change_names_the_faces_that_came_with_it(self, store: Store) -> None:
        gallery = await self.made(store)
        ada = person("ada", "f1", "f2")
        await self.put(store, gallery, ada)
        await self.put(store, gallery, ada.without("f1", 4_000))
        changes = await store.read_changes("staff", 1, 0.01)
        assert [change.faces for change in changes] == [("f1", "f2"), ()]

    async def test_a_change_on_an_outdated_record_is_refused_and_changes_nothing(self, store: Store) -> None:
        gallery = await self.made(store)
        await self.put(store, gallery, person("ada", "f1"))
        for outdated in (None, person("ada")):
            change = adding(outdated, person("ada", "f9"))
            with pytest.raises(Conflict):
                await store.change_person(gallery, change, note("Register", "ada"), Idempotency())
        assert (await store.get_gallery("staff")).version == 2
        assert await store.get_templates("staff", [("ada", "f9")]) == [None]

    async def test_faces_that_leave_the_record_take_their_templates_along(self, store: Store) -> None:
        gallery = await self.made(store)
        ada = person("ada", "f1", "f2")
        await self.put(store, gallery, ada)
        await self.put(store, gallery, ada.without("f1", 4_000))
        assert await store.get_templates("staff", [("ada", "f1"), ("ada", "f2")]) == [None, b"template of f2 \x00"]
        assert (await store.get_gallery("staff")).faces == 1

    async def test_a_deleted_person_leaves_nothing(self, store: Store) -> None:
        gallery = await self.made(store)
        ada = person("ada", "f1", "f2", expire_time_ms=1)
        await self.put(store, gallery, ada)
        await store.change_person(gallery, PersonChange("ada", ada, None), note("DeletePerson", "ada"), Idempotency())
        assert await store.get_people("staff", ["ada"]) == [None]
        assert await store.get_templates("staff", [("ada", "f1")]) == [None]
        assert await store.list_people("staff", "", 10) == []
        assert await store.list_expired("staff", 10_000, 10) == []
        counted = await store.get_gallery("staff")
        assert (counted.people, counted.faces) == (0, 0)

    async def test_a_repeated_request_gets_the_first_answer(self, store: Store) -> None:
        gallery = await self.made(store)
        version = await self.put(store, gallery, person("ada", "f1"), "once")
        change = adding(None, person("bob", "f1"))
        again = await store.change_person(gallery, change, note("Register", "bob"), Idempotency("once", b"no"))
        assert (again.version, again.answer, again.repeated) == (version, b"yes", True)
        assert await store.get_people("staff", ["bob"]) == [None]
        remembered = await store.get_answer(gallery, "once")
        assert remembered is not None and (remembered.version, remembered.answer) == (version, b"yes")
        assert await store.get_answer(gallery, "other") is None
        assert await store.get_answer(gallery, "") is None

    async def test_a_gallery_that_is_full_takes_no_more_faces(self, store: Store) -> None:
        gallery = await self.made(store, replace(STAFF, policy=Policy(max_faces=2)))
        await self.put(store, gallery, person("ada", "f1", "f2"))
        with pytest.raises(ResourceExhausted, match="2"):
            await self.put(store, gallery, person("bob", "f1"))
        await self.put(store, gallery, person("bob"))
        await self.put(store, gallery, person("ada", "f1", "f3"))
        assert (await store.get_gallery("staff")).faces == 2

    async def test_a_gallery_takes_so_many_people_and_no_more(self, store: Store) -> None:
        gallery = await self.made(store, replace(STAFF, policy=Policy(max_people=1)))
        await self.put(store, gallery, person("ada", "f1"))
        with pytest.raises(ResourceExhausted, match="people"):
            await self.put(store, gallery, person("bob"))
        await self.put(store, gallery, person("ada", "f1", "f2"))
        changed = await store.get_gallery("staff")
        await store.update_gallery(changed, replace(changed, policy=Policy()), note("UpdateGallery"))
        await self.put(store, gallery, person("bob"))
        assert (await store.get_gallery("staff")).people == 2

    async def test_of_many_writes_each_is_made_or_refused_by_itself(self, store: Store) -> None:
        gallery = await self.made(store, replace(STAFF, policy=Policy(max_faces=202)))
        many = [Write([(adding(None, person(f"p{i}", "f1")), note("Register", f"p{i}"))]) for i in range(200)]
        assert [one.version for one in await store.change_people(gallery, many) if isinstance(one, Committed)] == list(
            range(2, 202)
        )
        ada = Write([(adding(None, person("ada", "f1")), note("Register", "ada"))], Idempotency("once", b"yes"))
        stale = Write([(adding(None, person("p7", "f2")), note("Register", "p7"))])
        large = Write([(adding(None, person("bob", "f1", "f2")), note("Register", "bob"))])
        small = Write([(adding(None, person("bob", "f1")), note("Register", "bob"))])
        made, again, conflict, full, fits = await store.change_people(gallery, [ada, ada, stale, large, small])
        assert made == Committed(202, b"yes") and again == Committed(202, b"yes", repeated=True)
        assert isinstance(conflict, Conflict) and isinstance(full, ResourceExhausted)
        assert fits == Committed(203)
        counted = await store.get_gallery("staff")
        assert (counted.people, counted.faces, counted.version) == (202, 202, 203)
        assert await store.change_people(gallery, []) == []

    async def test_with_an_answer_what_was_asked_is_remembered_too(self, store: Store) -> None:
        gallery = await self.made(store)
        asked = Idempotency("once", b"yes", content="digest of the first")
        change = adding(None, person("ada", "f1"))
        await store.change_person(gallery, change, note("Register", "ada"), asked)
        remembered = Committed(2, b"yes", repeated=True, content="digest of the first")
        assert await store.get_answer(gallery, "once") == remembered
        other = replace(asked, content="digest of another")
        assert await store.change_person(gallery, change, note("Register", "ada"), other) == remembered
        made = await store.create_gallery(replace(STAFF, name="guests"), note("CreateGallery"), asked)
        again = await store.create_gallery(replace(STAFF, name="guests"), note("CreateGallery"), other)
        assert again == Committed(made.version, b"yes", repeated=True, content="digest of the first")

    async def test_a_write_on_a_version_that_has_passed_is_refused(self, store: Store) -> None:
        gallery = await self.made(store)
        await self.put(store, gallery, person("bob"))
        for version in (1, 3):
            late = Write([(adding(None, person("ada")), note("Register"))], at_version=version)
            assert isinstance((await store.change_people(gallery, [late]))[0], Conflict)
        timely = Write([(adding(None, person("ada")), note("Register"))], at_version=2)
        assert await store.change_people(gallery, [timely]) == [Committed(3)]

    async def test_a_write_on_a_version_of_another_epoch_is_refused(self, store: Store) -> None:
        gallery = await self.made(store)
        now = await store.get_gallery(gallery.name)
        other = Write([(adding(None, person("ada")), note("Register"))], at_version=1, at_epoch="another")
        assert isinstance((await store.change_people(gallery, [other]))[0], Conflict)
        same = Write([(adding(None, person("ada")), note("Register"))], at_version=1, at_epoch=now.epoch)
        assert await store.change_people(gallery, [same]) == [Committed(2)]

    async def test_aliases_are_set_changed_and_taken_away(self, store: Store) -> None:
        await store.set_alias("door", "staff")
        await store.set_alias("gate", "guests")
        await store.set_alias("door", "staff-2")
        assert await store.list_aliases() == {"door": "staff-2", "gate": "guests"}
        for alias in ("gate", "none"):
            await store.set_alias(alias, "")
        assert await store.list_aliases() == {"door": "staff-2"}

    async def test_changes_of_one_write_are_made_together_or_not_at_all(self, store: Store) -> None:
        gallery = await self.made(store)
        ada, bob = person("ada", "f1"), person("bob", "f2")
        await self.put(store, gallery, ada)
        await self.put(store, gallery, bob)
        joined = adding(ada, person("ada", "f1", "f2"))
        outdated = PersonChange("bob", person("bob"), None)
        [outcome] = await store.change_people(gallery, [Write([(joined, note("A")), (outdated, note("B"))])])
        assert isinstance(outcome, Conflict)
        assert await store.get_people("staff", ["ada", "bob"]) == [ada, bob]
        gone = PersonChange("bob", bob, None)
        [outcome] = await store.change_people(gallery, [Write([(joined, note("A", "ada")), (gone, note("B", "bob"))])])
        assert outcome == Committed(5)
        assert await store.get_people("staff", ["ada", "bob"]) == [joined.after, None]
        assert await store.get_templates("staff", [("ada", "f2"), ("bob", "f2")]) == [b"template of f2 \x00", None]
        changes = await store.read_changes("staff", 3, 0.01)
        assert [change.note for change in changes] == [note("A", "ada"), note("B", "bob")]
        assert changes[1].parent == changes[0].token

    async def test_people_come_in_pages_by_the_bytes_of_their_ids(self, store: Store) -> None:
        gallery = await self.made(store)
        ids = ["b", "a", "Z", "ß", "10", "9", "名", "😀"]
        for person_id in ids:
            await self.put(store, gallery, person(person_id))
        pages, after = [], ""
        while page := await store.list_people("staff", after, 3):
            pages += [one.person_id for one in page]
            after = page[-1].person_id
        assert pages == sorted(ids, key=str.encode)

    async def test_people_whose_time_is_over_are_listed_earliest_first(self, store: Store) -> None:
        gallery = await self.made(store)
        for person_id, ends_ms in (("a", 30), ("b", 10), ("c", None), ("d", 20)):
            await self.put(store, gallery, person(person_id, expire_time_ms=ends_ms))
        assert await store.list_expired("staff", 20, 10) == ["b", "d"]
        assert await store.list_expired("staff", 20, 1) == ["b"]
        await self.put(store, gallery, person("b"))
        assert await store.list_expired("staff", 20, 10) == ["d"]

    async def test_a_scan_meets_everybody_and_every_template(self, store: Store) -> None:
        gallery = await self.made(store)
        people = [person(f"p{i}", "f1", "f2") for i in range(700)]
        for one in people:
            await self.put(store, gallery, one)
        found = {i: Person.from_json(i, kept) async for page in store.scan_people("staff") for i, kept in page}
        assert found == {one.person_id: one for one in people}
        templates = dict([one async for page in store.scan_templates("staff") for one in zip(*page, strict=True)])
        assert templates == {(p.person_id, f): f"template of {f} \x00".encode() for p in people for f in ("f1", "f2")}

    async def test_the_stream_tells_every_change_in_order(self, store: Store) -> None:
        gallery = await self.made(store)
        await self.put(store, gallery, person("ada", "f1"))
        await store.delete_gallery("staff", note("DeleteGallery"))
        changes = await store.read_changes("staff", 0, 0.01)
        assert [(change.version, change.note) for change in changes] == [
            (1, note("CreateGallery")),
            (2, note("Register", "ada")),
            (3, note("DeleteGallery")),
        ]
        assert [change.parent for change in changes] == ["", changes[0].token, changes[1].token]
        head = await store.get_head("staff")
        assert (head.version, head.token) == (3, changes[-1].token)
        assert await store.read_changes("staff", 2, 0.01) == changes[2:]
        assert await store.list_changes("staff", 0, 2) == [changes[2], changes[1]]
        assert await store.list_changes("staff", 2, 2) == [changes[0]]

    async def test_who_waits_for_a_change_is_woken(self, store: Store) -> None:
        gallery = await self.made(store)
        waiting = asyncio.create_task(store.read_changes("staff", 1, 10))
        await asyncio.sleep(0.05)
        await self.put(store, gallery, person("ada"))
        assert [change.version for change in await waiting] == [2]
        assert await store.read_changes("staff", 2, 0.01) == []

    async def test_a_gallery_made_anew_is_empty_and_its_version_goes_on(self, store: Store) -> None:
        first = await self.made(store)
        await self.put(store, first, person("ada", "f1"), "once")
        last = await store.delete_gallery("staff", note("DeleteGallery"))
        assert (last.people, last.faces, last.version) == (1, 1, 3)
        again = await self.made(store)
        assert (again.born, again.version, again.people, again.faces) == (4, 4, 0, 0)
        assert await store.list_people("staff", "", 10) == []
        assert await store.get_answer(again, "once") is None
        with pytest.raises(NotFound):
            await store.change_person(first, adding(None, person("eve")), note("Register", "eve"), Idempotency())

    async def test_facts_of_a_later_version_outlive_changes_by_this_one(self, store: Store) -> None:
        later = replace(STAFF, rest={"door": "north"}, policy=replace(STAFF.policy, rest={"liveness": 0.5}))
        gallery = await self.made(store, later)
        face = Face("f1", 0.75, 3_000, ("left profile",))
        ada = replace(person("ada"), faces=(face,), rest={"consent": {"until": 9}, "times": [77]})
        await self.put(store, gallery, ada)
        [found] = await store.get_people("staff", ["ada"])
        assert found == ada
        await self.put(store, gallery, replace(ada, display_name="Countess"))
        assert await store.get_people("staff", ["ada"]) == [replace(ada, display_name="Countess")]
        before = await store.get_gallery("staff")
        await store.update_gallery(before, replace(before, description="here"), note("UpdateGallery"))
        after = await store.get_gallery("staff")
        assert (after.description, after.rest, after.policy.rest) == ("here", later.rest, later.policy.rest)

    async def test_of_changes_at_once_exactly_one_wins(self, store: Store) -> None:
        gallery = await self.made(store)
        changes = (adding(None, person("ada", f"f{i}")) for i in range(20))
        calls = (store.change_person(gallery, change, note("Register", "ada"), Idempotency()) for change in changes)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(outcome, Conflict) for outcome in outcomes].count(False) == 1
        assert (await store.get_gallery("staff")).faces == 1


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()


@pytest.mark.redis
class TestRedisStore(StoreContract):
    @pytest.fixture
    async def store(self, redis_url: str) -> AsyncIterator[Store]:
        store = RedisStore(redis_url)
        yield store
        await store.close()


@pytest.mark.redis
class TestRedisClusterStore(StoreContract):
    @pytest.fixture
    async def store(self, redis_cluster: RedisCluster) -> AsyncIterator[Store]:
        store = RedisStore(redis_cluster.url)
        yield store
        await store.close()

    async def test_galleries_are_spread_over_the_nodes(self, store: Store, redis_cluster: RedisCluster) -> None:
        for i in range(12):
            gallery = await self.made(store, replace(STAFF, name=f"g{i}"))
            await self.put(store, gallery, person("ada", "f1"))
        assert len(await store.list_galleries("", 20)) == 12
        assert min(redis_cluster.keys_of_nodes()) > 0
