"""The index gives the answer of brute force, whatever was inserted and deleted before."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from convoy.recognition.search import blocks, scan
from convoy.recognition.search.index import Hit, Index
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

DIMENSION = 8
people = st.sampled_from([f"p{i}" for i in range(6)])
faces = st.sampled_from([f"f{i}" for i in range(4)])
seeds = st.integers(0, 30)


def unit(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
    return vector / np.linalg.norm(vector)


def brute_force(kept: dict[tuple[str, str], int], probe: np.ndarray, top_k: int) -> list[Hit]:
    hits = []
    for (person_id, face_id), seed in kept.items():
        similarity = np.float32((unit(seed) * probe.astype(np.float64)).sum()).clip(-1, 1)
        hits.append(Hit(person_id, face_id, float(similarity)))
    hits.sort(key=lambda hit: (-hit.similarity, hit.person_id, hit.face_id))
    best: dict[str, Hit] = {}
    for hit in hits:
        best.setdefault(hit.person_id, hit)
    return list(best.values())[:top_k]


class IndexMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.index = Index(DIMENSION)
        self.kept: dict[tuple[str, str], int] = {}

    @rule(person=people, face=faces, seed=seeds)
    def add(self, person: str, face: str, seed: int) -> None:
        self.index.add(person, face, unit(seed))
        self.kept.setdefault((person, face), seed)

    @rule(person=people, some=st.lists(faces))
    def remove_faces(self, person: str, some: list[str]) -> None:
        self.index.remove(person, some)
        for face in some:
            self.kept.pop((person, face), None)

    @rule(person=people)
    def remove_person(self, person: str) -> None:
        self.index.remove(person)
        self.kept = {key: seed for key, seed in self.kept.items() if key[0] != person}

    @rule(seed=seeds, top_k=st.integers(1, 8))
    def search(self, seed: int, top_k: int) -> None:
        assert self.index.search(unit(seed), top_k) == brute_force(self.kept, unit(seed), top_k)

    @rule(seed=seeds, among=st.sets(people))
    def search_among(self, seed: int, among: set[str]) -> None:
        kept = {key: value for key, value in self.kept.items() if key[0] in among}
        assert self.index.search(unit(seed), 3, among) == brute_force(kept, unit(seed), 3)

    @invariant()
    def counts(self) -> None:
        assert len(self.index) == len(self.kept)


IndexMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestIndexMachine = IndexMachine.TestCase


class ByteIndexMachine(IndexMachine):
    """Searches by byte codes, as in larger galleries."""

    def __init__(self) -> None:
        super().__init__()
        self.compared_up_to, scan.COMPARED_UP_TO = scan.COMPARED_UP_TO, 0

    def teardown(self) -> None:
        scan.COMPARED_UP_TO = self.compared_up_to


ByteIndexMachine.TestCase.settings = IndexMachine.TestCase.settings
TestByteIndexMachine = ByteIndexMachine.TestCase


@pytest.mark.parametrize(("people_count", "faces_each"), [(3_000, 1), (700, 5), (40, 500)])
def test_many_faces_are_searched_as_brute_force_would(people_count: int, faces_each: int) -> None:
    rng = np.random.default_rng(people_count)
    vectors = rng.standard_normal((people_count, faces_each, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    index = Index(32)
    for i in range(people_count):
        for j in range(faces_each):
            index.add(f"p{i}", f"f{j}", vectors[i, j])
    probe = vectors[1, 0]
    similarities = (vectors * probe.astype(np.float64)).sum(axis=2).astype(np.float32).max(axis=1).clip(-1, 1)
    expected = sorted(range(people_count), key=lambda i: (-similarities[i], f"p{i}"))[:20]
    hits = index.search(probe, 20)
    assert [hit.person_id for hit in hits] == [f"p{i}" for i in expected]
    assert [hit.similarity for hit in hits] == [float(similarities[i]) for i in expected]


@pytest.fixture
def divided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes over few rows are cut into parts for threads too."""
    monkeypatch.setattr(scan, "SIGNS_WORTH_A_THREAD", 1)
    monkeypatch.setattr(scan, "BYTES_WORTH_A_THREAD", 1)


@pytest.mark.usefixtures("divided")
def test_searches_at_once_share_their_passes_and_not_their_answers() -> None:
    rng = np.random.default_rng(5)
    vectors = rng.standard_normal((30_000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = Index(32, threads=2)
    index.add_many([(f"p{i}", "f") for i in range(len(vectors))], vectors)
    alone = [index.search(vector, 3) for vector in vectors[:60]]
    with ThreadPoolExecutor(12) as callers:
        assert list(callers.map(lambda vector: index.search(vector, 3), vectors[:60])) == alone


def test_searching_takes_no_reference_of_none_away() -> None:
    index = Index(DIMENSION)
    index.add_many([("ada", "f1"), ("bob", "f1")], np.stack([unit(1), unit(2)]))
    before = sys.getrefcount(None)
    for _ in range(1_000):
        index.search(unit(3), 1, exact=True)
    assert sys.getrefcount(None) > before - 500


def test_a_deleted_face_is_erased_from_memory() -> None:
    index = Index(DIMENSION)
    index.add("ada", "f1", unit(1))
    index.remove("ada")
    assert not index.search(unit(1), 5)
    assert not any(block.vectors.any() for block in index._blocks)


def test_a_deleted_face_is_erased_from_copies_for_searching_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "COMPARED_UP_TO", 0)
    index = Index(DIMENSION)
    index.add("ada", "f1", unit(1))
    assert index.search(unit(1), 5)[0].person_id == "ada"
    with_copies = index.nbytes
    index.remove("ada")
    assert index.nbytes < with_copies
    assert not index.search(unit(1), 5)


def test_copies_for_searching_go_when_the_gallery_grows_out_of_one_block() -> None:
    rng = np.random.default_rng(7)
    vectors = rng.standard_normal((blocks.CAPACITY + 1, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = Index(8)
    index.add_many([(f"p{i}", "f") for i in range(blocks.CAPACITY)], vectors[:-1])
    without = index.nbytes
    index.search(vectors[0], 1, exact=True)
    assert index.nbytes > without
    index.add("one more", "f", vectors[-1])
    assert index.nbytes == without // blocks.CAPACITY * (blocks.CAPACITY + 1)
    assert index.search(vectors[-1], 1, exact=True)[0].person_id == "one more"
    assert index.nbytes == without // blocks.CAPACITY * (blocks.CAPACITY + 1)


def test_searches_beside_changes_find_whom_nobody_changes() -> None:
    rng = np.random.default_rng(11)
    vectors = rng.standard_normal((6_000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = Index(32, threads=2)
    index.add_many([(f"p{i}", "f") for i in range(3_000)], vectors[:3_000])
    done = False

    def search() -> int:
        searches = 0
        while not done:
            for i in range(0, 3_000, 2):
                assert index.search(vectors[i], 1)[0].person_id == f"p{i}"
                searches += 1
        return searches

    with ThreadPoolExecutor(2) as callers:
        both = [callers.submit(search) for _ in range(2)]
        for i in range(1, 3_000, 2):
            index.remove(f"p{i}")
            index.add(f"p{i}", "f", vectors[3_000 + i])
        done = True
    assert all(one.result() for one in both)
    for i in range(3_000):
        assert index.search(vectors[3_000 + i if i % 2 else i], 1)[0].person_id == f"p{i}"


def test_a_slot_that_a_search_may_have_seen_is_not_used_again() -> None:
    index = Index(DIMENSION)
    index.add("ada", "f1", unit(1))
    index._running["a search"] = index._removals
    index.remove("ada")
    index.add("bob", "f1", unit(2))
    assert index._slots["bob"]["f1"] == 1
    del index._running["a search"]
    index.reclaim()
    index.add("eve", "f1", unit(3))
    assert index._slots["eve"]["f1"] == 0


@pytest.mark.usefixtures("divided")
def test_beyond_the_certified_size_mates_are_found_and_exact_is_brute_force() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.standard_normal((60_000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = Index(64, threads=2)
    index.add_many([(f"p{i}", "f") for i in range(len(vectors))], vectors)
    index.remove("p7")
    for mate in range(0, 60_000, 3_000):
        noise = rng.standard_normal(64).astype(np.float32)
        probe = vectors[mate] + 0.5 * noise / np.linalg.norm(noise)
        probe /= np.linalg.norm(probe)
        similarities = (vectors * probe.astype(np.float64)).sum(axis=1).astype(np.float32)
        similarities[7] = -2
        expected = sorted(range(60_000), key=lambda i: (-similarities[i], f"p{i}"))[:10]
        found = index.search(probe, 10, exact=True)
        assert [hit.person_id for hit in found] == [f"p{i}" for i in expected]
        assert [hit.similarity for hit in found] == [float(similarities[i]) for i in expected]
        assert index.search(probe, 10)[0] == found[0]
    stranger = vectors[7]
    similarities = (vectors * stranger.astype(np.float64)).sum(axis=1).astype(np.float32)
    assert index.search(stranger, 1, exact=True)[0].similarity == float(np.delete(similarities, 7).max())
