"""Searches that also compare with the average of a person's faces."""

from typing import Any

import numpy as np
import pytest
from convoy.core.errors import FailedPrecondition
from convoy.recognition.domain.edits import GalleryEdit, NewGallery, PolicyEdit
from convoy.recognition.domain.pictures import Picture
from convoy.recognition.domain.records import Gallery, Model, Policy, VectorSets
from convoy.recognition.domain.searches import Search
from convoy.recognition.domain.vectors import Vector
from convoy.recognition.search.averages import Averages
from convoy.recognition.search.index import Hit, Index
from convoy.recognition.use_cases.galleries import _check_averages
from convoy.testing.memory_store import MemoryStore

from tests.fake_face_source import FakeFaceSource, axis, embedded
from tests.use_cases import UseCases

ON = PolicyEdit({"average_faces": True})


def unit(rows: np.ndarray) -> Vector:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


async def filled(people: int, seed: int = 0) -> tuple[Index, Averages, dict[str, Vector]]:
    """An index of people with one to five faces each, and their averages."""
    random = np.random.default_rng(seed)
    index = Index(16)
    faces = {f"p{i:03}": unit(random.standard_normal((random.integers(1, 6), 16))) for i in range(people)}
    for person_id, vectors in faces.items():
        index.add_many([(person_id, f"f{j}") for j in range(len(vectors))], vectors)
    averages = Averages(index)
    await averages.turn(True)
    return index, averages, faces


def brute(faces: dict[str, Vector], probe: Vector, top_k: int) -> list[tuple[str, float]]:
    """The best people by their faces and their averages, computed one by one."""
    best = {
        person_id: max([float(v @ probe) for v in vectors] + [float(unit(vectors.mean(axis=0)) @ probe)])
        for person_id, vectors in faces.items()
    }
    return sorted(best.items(), key=lambda one: -one[1])[:top_k]


@pytest.mark.parametrize("top_k", [1, 5, 40])
@pytest.mark.parametrize("exact", [False, True])
async def test_the_answer_is_that_of_brute_force_over_faces_and_averages(top_k: int, exact: bool) -> None:
    index, averages, faces = await filled(200)
    by_average = 0
    for probe in unit(np.random.default_rng(1).standard_normal((20, 16))):
        hits = averages.merge(index.search(probe, top_k, None, exact), probe, top_k, None, exact)
        wanted = brute(faces, probe, top_k)
        assert [hit.person_id for hit in hits] == [person_id for person_id, _ in wanted]
        assert [hit.similarity for hit in hits] == pytest.approx([one for _, one in wanted], abs=1e-5)
        for hit in (averages.with_face(one, probe) for one in hits):
            nearest = int(np.argmax(faces[hit.person_id] @ probe))
            assert hit.face_id == f"f{nearest}"
        by_average += sum(hit.face_id == "" for hit in hits)
    assert by_average > 0


async def test_only_who_has_several_faces_has_an_average() -> None:
    _, averages, faces = await filled(50)
    several = [person_id for person_id, vectors in faces.items() if len(vectors) > 1]
    assert len(averages) == len(several) and averages.count_of(faces) == len(several)
    assert averages.count_of(["p000", "nobody"]) == (len(faces["p000"]) > 1)
    await averages.turn(False)
    assert len(averages) == 0 and averages.nbytes == 0


async def test_opposite_faces_have_no_average() -> None:
    index = Index(8)
    index.add_many([("p", "a"), ("p", "b")], np.stack([axis(0), -axis(0)]))
    averages = Averages(index)
    await averages.turn(True)
    assert len(averages) == 0


@pytest.fixture
def house() -> UseCases:
    """Two photos of ada, each 0.8 like a third one; their average is more like it."""
    shows = {
        b"one": [embedded(unit(np.array([0.8, 0.6, 0, 0, 0, 0, 0, 0])))],
        b"two": [embedded(unit(np.array([0.8, -0.6, 0, 0, 0, 0, 0, 0])))],
        b"probe": [embedded(axis(0))],
        b"bob": [embedded(axis(3))],
    }
    return UseCases(MemoryStore(), FakeFaceSource(shows))


async def found(house: UseCases, **more: Any) -> Any:
    version = (await house.store.get_head("staff")).version
    return await house.identification.identify(Search("staff", Picture(encoded=b"probe"), min_version=version, **more))


async def test_a_search_finds_by_the_average_and_names_a_face_that_is_there(house: UseCases) -> None:
    await house.galleries.create(NewGallery("staff", policy=ON))
    ada = await house.register("ada", b"one", b"two")
    await house.register("bob", b"bob")
    answer = await found(house)
    [match] = answer.faces[0].matches
    assert match.person_id == "ada" and match.similarity == pytest.approx(1.0, abs=1e-5)
    assert match.face_id in {face.face_id for face in ada.person.faces}  # type: ignore[union-attr]
    # Three faces are in the gallery, four templates are compared.
    assert answer.gallery_size == 3
    without = await house.followers.view("staff")
    assert await without.count_comparisons([]) == 4


async def test_the_average_follows_every_change(house: UseCases) -> None:
    await house.galleries.create(NewGallery("staff"))
    ada = await house.register("ada", b"one", b"two")
    assert (await found(house)).faces[0].matches[0].similarity == pytest.approx(0.8, abs=1e-5)
    await house.galleries.update(GalleryEdit("staff", policy=ON))
    assert (await found(house)).faces[0].matches[0].similarity == pytest.approx(1.0, abs=1e-5)
    await house.people.delete_face("staff", "ada", ada.person.faces[0].face_id)  # type: ignore[union-attr]
    answer = await found(house)
    assert answer.faces[0].matches[0].similarity == pytest.approx(0.8, abs=1e-5) and answer.gallery_size == 1
    await house.register("ada", b"one", add_faces=True)
    assert (await found(house)).faces[0].matches[0].similarity == pytest.approx(1.0, abs=1e-5)
    await house.galleries.update(GalleryEdit("staff", policy=PolicyEdit({}, ("average_faces",))))
    assert (await found(house)).faces[0].matches[0].similarity == pytest.approx(0.8, abs=1e-5)
    await house.galleries.update(GalleryEdit("staff", policy=ON))
    await house.people.delete("staff", "ada")
    assert (await found(house)).faces[0].matches == []


async def test_a_higher_number_of_comparisons_raises_the_threshold(house: UseCases) -> None:
    await house.galleries.create(NewGallery("staff"))
    await house.register("ada", b"one", b"two")
    before = (await found(house)).faces[0].match_threshold
    await house.galleries.update(GalleryEdit("staff", policy=ON))
    assert (await found(house)).faces[0].match_threshold > before


def test_vector_sets_take_no_averages() -> None:
    model = Model("fake-embedder", "1", "cd" * 32, 8)
    gallery = Gallery(
        "staff", model, policy=Policy(average_faces=True), vector_sets=VectorSets("id", 1, "NOQUANT", 500)
    )
    with pytest.raises(FailedPrecondition, match="in memory alone"):
        _check_averages(gallery)


def test_records_of_galleries_that_do_not_ask_are_as_before() -> None:
    gallery = Gallery("staff", Model("fake-embedder", "1", "cd" * 32, 8))
    assert gallery.later_to_json() == ""
    asking = Gallery("staff", gallery.model, policy=Policy(average_faces=True))
    assert asking.to_json() == gallery.to_json()
    assert Gallery.from_json("staff", asking.to_json(), asking.later_to_json()) == asking


def test_a_hit_by_a_face_stays_as_it_is() -> None:
    index = Index(8)
    index.add("p", "a", axis(0))
    hit = Hit("p", "a", 0.5)
    assert Averages(index).with_face(hit, axis(1)) == hit
