"""People without faces, other ids, faces by id, lists by name and tag: through the client and the command."""

import json
import uuid
from typing import Any

import pytest
from click.testing import Result
from convoy.cli.app import app
from convoy.client import Convoy
from convoy.client.answers.common import Box
from convoy.core.errors import AlreadyExists, FailedPrecondition, NotFound
from typer.testing import CliRunner

from tests.fake_faces import look, photo_of, picture
from tests.recognition_stories import tell

pytestmark = pytest.mark.redis


async def test_the_story_of_a_record(recognition_address: str) -> None:
    def story(convoy: Convoy) -> None:
        made = convoy.create_person("staff", "ada", display_name="Ada Lovelace", metadata={"desk": "4"}, tags=["new"])
        assert (made.faces, made.version > 0) == ((), True)
        with pytest.raises(AlreadyExists):
            convoy.create_person("staff", "ada")
        face_id = str(uuid.uuid4())
        answer = convoy.register("staff", "ada", [photo_of(1).encoded], face_ids=[face_id], photo_labels=["a.jpg"])
        assert answer.person is not None and answer.person.display_name == "Ada Lovelace"
        with pytest.raises(AlreadyExists) as taken:
            convoy.register("staff", "bob", [photo_of(2).encoded], face_ids=[face_id])
        assert (taken.value.reason, taken.value.metadata["person_id"]) == ("FACE_EXISTS", "ada")
        renamed = convoy.rename_person("staff", "ada", "ada.l")
        assert (renamed.person_id, renamed.metadata, renamed.tags) == ("ada.l", {"desk": "4"}, ("new",))
        found = convoy.get_face("staff", face_id)
        assert (found.person.person_id, found.face.label) == ("ada.l", "a.jpg")
        (face,) = convoy.identify("staff", photo_of(1, 3).encoded, min_version=renamed.version)
        assert face.person is not None and face.person.person_id == "ada.l"
        with pytest.raises(NotFound, match="nobody"):
            convoy.get_face("staff", "nobody")

    await tell(recognition_address, story)


async def test_the_list_is_narrowed_by_name_and_tags(recognition_address: str) -> None:
    def story(convoy: Convoy) -> None:
        people = [("ada", "Ada Lovelace", ["new", "math"]), ("bob", "Jose\u0301", ["new"]), ("STRASSE", "", [])]
        for person_id, name, tags in people:
            convoy.create_person("staff", person_id, display_name=name, tags=tags)

        def ids(**wanted: object) -> list[str]:
            return [one.person_id for one in convoy.list_people("staff", page_size=1, **wanted)]  # type: ignore[arg-type]

        assert ids(name_contains="LOVE") == ["ada"] and ids(name_contains="s\u00c9") == ["bob"]
        assert ids(name_contains="stra\u00dfe") == ["STRASSE"] and ids(name_contains="nobody") == []
        assert ids(tags=["new"]) == ["ada", "bob"] and ids(tags=["new", "math"]) == ["ada"]
        assert ids(display_name="ada LOVELACE") == ["ada"] and ids(display_name="JOS\u00c9") == ["bob"]
        assert ids(display_name="Ada") == [] and ids(display_name="ada") == [] and ids(display_name="STRASSE") == []
        assert ids(display_name="Ada Lovelace", tags=["gone"]) == []
        assert ids(name_contains="b", tags=["new"]) == ["bob"] and len(ids()) == 3

    await tell(recognition_address, story)


async def test_the_nearest_people_come_without_a_decision(recognition_address: str) -> None:
    def story(convoy: Convoy) -> None:
        for number in (1, 2):
            convoy.register("staff", f"p{number}", [photo_of(number).encoded])
        version = convoy.get_gallery("staff").version
        (face,) = convoy.identify("staff", photo_of(9).encoded, nearest=5, min_version=version)
        assert face.person is None and face.matches == () and len(face.nearest) == 2
        assert face.nearest[0].similarity >= face.nearest[1].similarity

    await tell(recognition_address, story)


async def test_a_box_chooses_the_face_of_a_group(recognition_address: str) -> None:
    def story(convoy: Convoy) -> None:
        group = picture(look(1), look(2)).encoded  # boxes of 100 and 99 pixels, from the corner
        answer = convoy.register("staff", "bob", [group], photo_boxes=[Box(0, 0, 99, 99)])
        assert len(answer.results[0].faces) == 1
        (face,) = convoy.identify("staff", photo_of(2, 1).encoded, min_version=answer.version)
        assert face.person is not None and face.person.person_id == "bob"
        with pytest.raises(FailedPrecondition) as refused:
            convoy.register("staff", "eve", [group], photo_boxes=[Box(300, 300, 400, 400)])
        assert refused.value.reason == "NO_FACE"

    await tell(recognition_address, story)


async def test_the_commands(recognition_address: str) -> None:
    def call(*words: str) -> Result:
        environment = {"CONVOY_RECOGNITION_ADDRESS": recognition_address, "COLUMNS": "200"}
        return CliRunner().invoke(app, [*words, "-g", "staff"], env=environment)

    def document(done: Result) -> Any:
        # The log lines of the service in this process come before it.
        lines = done.stdout.splitlines(keepends=True)
        return json.loads("".join(lines[next(i for i, line in enumerate(lines) if line[0] in "{[") :]))

    def story(convoy: Convoy) -> None:
        done = call("person", "create", "ada", "--name", "Ada", "--fact", "desk=4", "--tag", "new")
        assert done.exit_code == 0 and "no face is on record" in done.output, done.output
        assert call("person", "create", "ada").exit_code != 0
        face_id = convoy.register("staff", "ada", [photo_of(1).encoded]).results[0].face_id
        assert call("person", "rename", "ada", "ada.l").exit_code == 0
        said = document(call("person", "face", face_id, "--json"))
        assert (said["person"]["person_id"], said["face"]["face_id"]) == ("ada.l", face_id)
        assert "ada.l" in call("person", "face", face_id).stdout
        listed = document(call("person", "list", "--name", "AD", "--tag", "new", "--json"))
        assert [one["person_id"] for one in listed] == ["ada.l"]
        assert document(call("person", "list", "--tag", "old", "--json")) == []

    await tell(recognition_address, story)
