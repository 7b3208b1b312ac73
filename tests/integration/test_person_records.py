"""What a person's record tells: which photo each face came from, when it expires, and that no face is left."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from convoy.cli.app import app
from convoy.client import Convoy
from convoy.core.errors import AlreadyExists, InvalidArgument, NotFound
from typer.testing import CliRunner

from tests.fake_faces import photo_of
from tests.recognition_stories import tell

pytestmark = pytest.mark.redis


async def test_a_face_is_told_with_its_photo(recognition_address: str) -> None:
    def labels(convoy: Convoy, person_id: str) -> list[str]:
        return [face.label for face in convoy.get_person("staff", person_id).faces]

    def story(convoy: Convoy) -> None:
        photos = [photo_of(1, number).encoded for number in range(2)]
        convoy.register("staff", "ada", photos, photo_labels=["IMG_1.jpg", "Jose\u0301.png"])
        assert labels(convoy, "ada") == ["IMG_1.jpg", "Jos\u00e9.png"]
        assert [face.label for person in convoy.list_people("staff") for face in person.faces] == ["", ""]
        convoy.register("staff", "ada", [photo_of(1, 3).encoded], add_faces=True)
        convoy.register("staff", "bob", [photo_of(2).encoded], photo_labels=["bob.png"])
        convoy.merge_people("staff", "ada", "bob")
        assert sorted(labels(convoy, "ada")) == ["", "IMG_1.jpg", "Jos\u00e9.png", "bob.png"]
        for wrong in (["one"], ["a", "b" * 201], ["a", "b\n"]):
            with pytest.raises(InvalidArgument, match="label"):
                convoy.register("staff", "carl", photos, photo_labels=wrong)

    await tell(recognition_address, story)


async def test_a_person_whose_last_face_goes_is_told_of_and_kept_or_deleted(recognition_address: str) -> None:
    def story(convoy: Convoy) -> None:
        photo = photo_of(1).encoded
        convoy.register("staff", "ada", [photo, photo_of(1, 1).encoded])
        first, second = convoy.get_person("staff", "ada").faces
        gone = convoy.delete_face("staff", "ada", first.face_id, delete_person_without_faces=True)
        assert (gone.faces_left, gone.is_person_deleted) == (1, False)
        assert gone == convoy.get_gallery("staff").version
        gone = convoy.delete_face("staff", "ada", second.face_id)
        assert (gone.faces_left, gone.is_person_deleted) == (0, False)
        assert convoy.get_person("staff", "ada").faces == ()
        # Nobody is protected by a record without faces: the person can be registered as if anew.
        registered = convoy.register("staff", "ada", [photo], tags=["back"]).person
        assert registered is not None and registered.tags == ("back",)
        with pytest.raises(AlreadyExists):
            convoy.register("staff", "ada", [photo])
        gone = convoy.delete_face("staff", "ada", registered.faces[0].face_id, delete_person_without_faces=True)
        assert (gone.faces_left, gone.is_person_deleted) == (0, True)
        with pytest.raises(NotFound):
            convoy.get_person("staff", "ada")
        assert convoy.get_gallery("staff").people_count == 0

    await tell(recognition_address, story)


async def test_the_command_shows_expiry_and_photos_and_tells_of_the_last_face(
    recognition_address: str, tmp_path: Path
) -> None:
    def call(*words: str) -> Result:
        return CliRunner().invoke(app, words, env={"CONVOY_RECOGNITION_ADDRESS": recognition_address, "COLUMNS": "200"})

    def story(convoy: Convoy) -> None:
        photo = tmp_path / "IMG 0042.JPG"
        photo.write_bytes(photo_of(1).encoded)
        expires = (datetime.now(UTC) + timedelta(days=400)).replace(microsecond=0)
        done = call("register", "ada", str(photo), "-g", "staff", "--expires", f"{expires:%Y-%m-%d}")
        assert done.exit_code == 0, done.output
        shown = call("person", "show", "ada", "-g", "staff").stdout
        assert f"expires: {expires:%Y-%m-%d} 00:00 (UTC)" in shown and "IMG 0042.JPG" in shown
        face = _document(call("person", "show", "ada", "-g", "staff", "--json"))["faces"][0]
        assert face["label"] == "IMG 0042.JPG"
        words = ("person", "delete", "ada", "--face", face["face_id"], "-g", "staff", "--yes")
        kept = call(*words, "--json")
        assert kept.exit_code == 0 and "has no face left" in kept.stderr
        assert (_document(kept)["faces_left"], _document(kept)["person_deleted"]) == (0, False)
        assert "no face is on record" in call("person", "show", "ada", "-g", "staff").stdout
        folder = tmp_path / "people"
        (folder / "ada").mkdir(parents=True)
        photo.rename(folder / "ada" / "again.jpg")
        assert call("person", "register", str(folder), "-g", "staff").exit_code == 0
        face = _document(call("person", "show", "ada", "-g", "staff", "--json"))["faces"][0]
        assert face["label"] == "again.jpg"
        gone = call("person", "delete", "ada", "--face", face["face_id"], "-g", "staff", "--yes", "--with-person")
        assert (
            re.search("deleted: 1 face, and ada with the last one", gone.stdout) and "no face left" not in gone.stderr
        )
        assert list(convoy.list_people("staff")) == []

    await tell(recognition_address, story)


def _document(done: Result) -> Any:
    """What the command printed."""
    return json.loads(done.stdout)
