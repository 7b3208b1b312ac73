"""Names as people and computers write them: one text in two forms of Unicode is one person, one fact, one tag."""

import json
import unicodedata
from typing import Any

import grpc
import numpy as np
import pytest
from click.testing import Result
from convoy.cli.app import app
from convoy.client import Convoy
from convoy.v1 import recognition_pb2 as pb
from convoy.v1 import recognition_pb2_grpc
from typer.testing import CliRunner

from tests.fake_faces import look, photo_of
from tests.recognition_stories import tell

pytestmark = pytest.mark.redis
MODEL = "cd" * 32
NFC, NFD = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))
DESK, ROT = unicodedata.normalize("NFD", "Büro"), unicodedata.normalize("NFD", "röt")


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def keep_as_before(convoy: Convoy, person_id: str, person: int) -> None:
    """Put somebody on record as version 0.1.0 did: under the very text that it was sent. Imports keep it too."""
    record = pb.Person(person_id=person_id, display_name=person_id, metadata={DESK: ROT}, tags=[ROT])
    record.create_time.FromSeconds(1_700_000_000)
    record.update_time.FromSeconds(1_700_000_000)
    face = record.faces.add(face_id=f"{person:016x}", quality=0.9)
    face.create_time.FromSeconds(1_700_000_000)
    embedding = np.asarray(look(person), "<f4").tobytes()
    convoy.import_people("staff", MODEL, [pb.ExportedPerson(person=record, embeddings=[embedding])])


async def test_a_new_name_is_kept_composed_and_found_in_either_form(recognition_address: str) -> None:
    def story(convoy: Convoy) -> None:
        convoy.register("staff", NFD, [photo_of(1).encoded], display_name=NFD, metadata={DESK: ROT}, tags=[ROT])
        [person] = convoy.list_people("staff")
        assert (person.person_id, person.display_name) == (NFC, NFC)
        assert (person.metadata, person.tags) == ({composed(DESK): composed(ROT)}, (composed(ROT),))
        for name in (NFC, NFD):
            assert convoy.get_person("staff", name).person_id == NFC
            assert convoy.verify(photo_of(1, 5).encoded, gallery="staff", person_id=name).is_match
        assert len(convoy.register("staff", NFD, [photo_of(1, 7).encoded], add_faces=True).person.faces) == 2
        for found in (convoy.identify("staff", photo_of(1, 5).encoded, filter={DESK: ROT}, tags=[composed(ROT)]),):
            assert found.faces[0].person is not None
        assert convoy.delete_person("staff", NFD).faces_deleted == 2
        assert list(convoy.list_people("staff")) == []

    await tell(recognition_address, story)


@pytest.mark.parametrize("asked", [NFC, NFD])
async def test_what_an_earlier_version_kept_is_found_changed_and_deleted_in_either_form(
    recognition_address: str, asked: str
) -> None:
    def story(convoy: Convoy) -> None:
        keep_as_before(convoy, NFD, 1)
        assert convoy.get_person("staff", asked).person_id == NFD
        found = convoy.identify("staff", photo_of(1, 5).encoded, filter={composed(DESK): ROT}, tags=[composed(ROT)])
        assert found.faces[0].person is not None and found.faces[0].person.person_id == NFD
        changed = convoy.update_person(
            "staff", asked, metadata={composed(DESK): "4"}, add_tags=["new"], remove_tags=[composed(ROT)]
        )
        assert (changed.person_id, changed.metadata, changed.tags) == (NFD, {composed(DESK): "4"}, ("new",))
        added = convoy.register("staff", asked, [photo_of(1, 6).encoded], add_faces=True).person
        assert added is not None and (added.person_id, len(added.faces)) == (NFD, 2)
        convoy.register("staff", "other", [photo_of(2).encoded])
        assert convoy.merge_people("staff", asked, "other").person_id == NFD
        convoy.delete_face("staff", asked, added.faces[0].face_id)
        assert convoy.delete_person("staff", asked).faces_deleted == 2
        assert list(convoy.list_people("staff")) == []

    await tell(recognition_address, story)


async def test_where_both_forms_are_on_record_each_is_meant_by_its_very_name(recognition_address: str) -> None:
    def story(convoy: Convoy) -> None:
        keep_as_before(convoy, NFC, 1)
        keep_as_before(convoy, NFD, 2)
        for name in (NFC, NFD):
            assert convoy.get_person("staff", name).person_id == name
        convoy.delete_person("staff", NFD)
        assert [person.person_id for person in convoy.list_people("staff")] == [NFC]

    await tell(recognition_address, story)


async def test_a_stream_names_each_person_as_the_caller_did(recognition_address: str) -> None:
    photos = [pb.RegisterManyRequest(request=pb.RegisterRequest(gallery="staff", person_id=NFD)) for _ in range(2)]
    photos[0].request.photos.add(encoded=photo_of(1).encoded)
    await tell(recognition_address, lambda convoy: None)
    async with grpc.aio.insecure_channel(recognition_address) as channel:
        stub = recognition_pb2_grpc.RecognitionServiceStub(channel)
        answers = [answer async for answer in stub.RegisterMany(iter(photos))]
    assert [answer.WhichOneof("outcome") for answer in answers] == ["response", "error"]
    assert [answer.person_id for answer in answers] == [NFD, NFD]


async def test_ids_that_look_alike_are_listed(recognition_address: str) -> None:
    def call(*words: str) -> Result:
        return CliRunner().invoke(app, words, env={"CONVOY_RECOGNITION_ADDRESS": recognition_address})

    def story(convoy: Convoy) -> None:
        ids = ["Ada", "ada", "\N{CYRILLIC CAPITAL LETTER A}da", "bob", "b0b", "José", "jose", "joe-biden", "joe_biden"]
        for number, person_id in enumerate([*ids, "eve", "adam"]):
            keep_as_before(convoy, person_id, number)
        done = call("person", "lookalikes", "-g", "staff", "--json")
        assert done.exit_code == 1, done.output
        groups = {tuple(one) for one in _document(done)["lookalikes"]}
        assert {frozenset(group) for group in groups} == {
            frozenset(ids[:3]),
            frozenset({"bob", "b0b"}),
            frozenset({"José", "jose"}),
            frozenset({"joe-biden", "joe_biden"}),
        }
        for person_id in ids:
            convoy.delete_person("staff", person_id)
        assert call("person", "lookalikes", "-g", "staff").exit_code == 0

    await tell(recognition_address, story)


def _document(done: Result) -> Any:
    return json.loads(done.stdout)
