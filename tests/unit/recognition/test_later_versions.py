"""What a later version keeps is read for what is known of it, and is still there after this version has changed it."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from convoy.recognition.domain.records import Face, Gallery, Model, Note, Person, Policy, VectorSets, glance
from convoy.recognition.store.layout import change_of

PERSON: dict[str, Any] = {
    "name": "Ada",
    "metadata": {"desk": "4"},
    "faces": [["f1", 0.75, 1], ["f2", 0.5, 2]],
    "times": [1, 2, None],
}
GALLERY: dict[str, Any] = {
    "model": {"name": "embedder", "version": "1", "sha256": "ab" * 32, "embedding_size": 4},
    "description": "who works here",
    "policy": {
        "quality_floor": None,
        "false_positive_identification_rate": 0.01,
        "ambiguity_margin": None,
        "max_faces": 0,
    },
    "create_time_ms": 5,
    "data_key": "",
}
SETS = {"id": "00ff", "shards": 2, "quantization": "Q8", "search_effort": 500}
ENTRY = {b"token": b"t2", b"parent": b"t1", b"action": b"Register", b"time_ms": b"7", b"person_id": b"ada"}


def text(value: dict[str, Any]) -> str:
    """As the store keeps it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def changed(value: dict[str, Any], change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """A copy of it, changed."""
    copy: dict[str, Any] = json.loads(json.dumps(value))
    change(copy)
    return copy


LATER_PEOPLE = {
    "an unknown field": changed(PERSON, lambda kept: kept.update(consent={"until": 9})),
    "an extra element of a face": changed(PERSON, lambda kept: kept["faces"][0].append("left profile")),
    "an extra time": changed(PERSON, lambda kept: kept["times"].append(77)),
}


@pytest.mark.parametrize("kept", LATER_PEOPLE.values(), ids=LATER_PEOPLE)
def test_a_person_of_a_later_version_is_read_and_loses_nothing(kept: dict[str, Any]) -> None:
    person = Person.from_json("ada", text(kept))
    known = (person.display_name, person.metadata, [face.face_id for face in person.faces], person.update_time_ms)
    assert known == ("Ada", {"desk": "4"}, ["f1", "f2"], 2)
    # The store changes a record only if it still is the text that was read.
    assert person.to_json() == text(kept)
    renamed = replace(person, display_name="Countess")
    assert json.loads(renamed.to_json()) == changed(kept, lambda copy: copy.update(name="Countess"))


def test_a_face_that_goes_takes_its_own_facts_along_alone() -> None:
    kept = changed(PERSON, lambda copy: [face.append(face[0]) for face in copy["faces"]])
    left = json.loads(Person.from_json("ada", text(kept)).without("f1", 3).to_json())
    assert left["faces"] == [["f2", 0.5, 2, "f2"]]


def test_a_person_without_the_facts_of_later_versions_has_their_defaults() -> None:
    person = Person.from_json("ada", text(PERSON))
    assert (person.tags, person.rest, person.faces[0]) == ((), {}, Face("f1", 0.75, 1))
    assert person.to_json() == text(PERSON)


def test_a_glance_sees_past_what_later_versions_keep() -> None:
    records = [text(changed(kept, lambda copy: copy.update(tags=["red"]))).encode() for kept in LATER_PEOPLE.values()]
    assert list(glance(records)) == [((("desk", "4"), ("", "red")), None)] * 3


LATER_GALLERIES = {
    "an unknown field": changed(GALLERY, lambda kept: kept.update(door="north")),
    "an unknown field of the policy": changed(GALLERY, lambda kept: kept["policy"].update(liveness=0.5)),
    "an unknown field of the model": changed(GALLERY, lambda kept: kept["model"].update(precision="int8")),
    "an unknown field of the vector sets": changed(
        GALLERY, lambda kept: kept.update(vector_sets={**SETS, "links": 16})
    ),
}


@pytest.mark.parametrize("kept", LATER_GALLERIES.values(), ids=LATER_GALLERIES)
def test_a_gallery_of_a_later_version_is_read_and_loses_nothing(kept: dict[str, Any]) -> None:
    gallery = Gallery.from_json("staff", text(kept), born=1, version=2, people=3, faces=4)
    assert (gallery.description, gallery.policy.false_positive_identification_rate) == ("who works here", 0.01)
    assert (gallery.model.embedding_size, gallery.born, gallery.faces) == (4, 1, 4)
    assert gallery.to_json() == text(kept)
    limited = replace(gallery, policy=replace(gallery.policy, max_people=9))
    assert json.loads(limited.to_json()) == changed(kept, lambda copy: copy["policy"].update(max_people=9))


def test_what_0_1_0_does_not_know_of_a_policy_stands_apart_and_loses_nothing() -> None:
    later = text({"average_faces": True, "liveness": 0.5, "rate_unit": "face", "same_occasion": False})
    gallery = Gallery.from_json("staff", text(GALLERY), later)
    assert (gallery.policy.rate_unit, gallery.policy.same_occasion, gallery.policy.average_faces) == (
        "face",
        False,
        True,
    )
    assert (gallery.to_json(), gallery.later_to_json()) == (text(GALLERY), later)
    reset = replace(gallery, policy=replace(gallery.policy, rate_unit=None, average_faces=None))
    assert (reset.to_json(), json.loads(reset.later_to_json())) == (
        text(GALLERY),
        {"liveness": 0.5, "same_occasion": False},
    )


def test_a_gallery_without_the_facts_of_later_versions_has_their_defaults() -> None:
    gallery = Gallery.from_json("staff", text(GALLERY))
    assert (gallery.vector_sets, gallery.policy.max_people, gallery.rest) == (None, 0, {})
    bare = Gallery.from_json("staff", text({"model": GALLERY["model"]}))
    assert bare == Gallery("staff", Model("embedder", "1", "ab" * 32, 4), policy=Policy())
    sets = Gallery.from_json("staff", text({**GALLERY, "vector_sets": SETS})).vector_sets
    assert sets == VectorSets("00ff", 2, "Q8", 500)


def test_an_entry_of_a_later_version_is_read() -> None:
    later = {**ENTRY, b"device": b"door 4", b"faces": b"f1 f2"}
    change = change_of(b"9-0", later)
    assert (change.version, change.token, change.parent, change.faces) == (9, "t2", "t1", ("f1", "f2"))
    assert change.note == Note("Register", 7, "ada")


def test_an_entry_without_the_facts_of_later_versions_has_their_defaults() -> None:
    bare = change_of(b"9-0", {name: ENTRY[name] for name in (b"token", b"parent")})
    assert (bare.faces, bare.note) == ((), Note("", 0))
