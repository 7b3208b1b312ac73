"""Many people at once: folders, tables and gallery files, cut and gone on with."""

import asyncio
import csv
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from convoy.cli import gallery_transfer
from convoy.cli.app import app
from convoy.cli.bulk import Bulk
from convoy.cli.bulk_sources import Ids, Outcome, read_source, slug
from convoy.cli.output import shown
from convoy.client import Convoy
from convoy.core.errors import InvalidArgument
from typer.testing import CliRunner

from tests.fake_faces import FakeFaces, look, photo_of, picture, serving
from tests.serving import running

pytestmark = pytest.mark.redis


@pytest.fixture
async def address(redis_url: str, tmp_path: Path) -> AsyncIterator[str]:
    fake = FakeFaces()
    fake.others["2"] = "ef" * 32
    async with (
        serving(fake) as faces,
        running("recognition", tmp_path, redis_url=redis_url, faces_address=faces) as server,
    ):
        yield f"127.0.0.1:{server.server.port}"


@contextmanager
def client(address: str) -> Iterator[Convoy]:
    with Convoy(recognition=address, timeout_s=30) as convoy:
        yield convoy


def photo(path: Path, person: int, number: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(photo_of(person, number).encoded)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve people with photos, ten of one, and one photo that shows nobody."""
    place = tmp_path / "people"
    for person in range(12):
        for number in range(10 if person == 3 else 1):
            photo(place / f"p{person:02}" / f"{number}.jpg", person, number)
    (place / "p05" / "empty.jpg").write_bytes(picture().encoded)
    photo(place / "single.png", 40)
    (place / "p06" / "notes.txt").write_text("no photo")
    return place


def test_a_table_names_people_and_facts(tmp_path: Path) -> None:
    table = tmp_path / "people.csv"
    table.write_text("path,person_id,name,tags,desk\na.jpg,ada,Ada L,red;blue,4\nb.jpg,bob,,,\nc.jpg,ada,,green,\n")
    ada, bob = read_source(table).entries
    assert (ada.person_id, ada.display_name, ada.tags, ada.metadata) == (
        "ada",
        "Ada L",
        ("red", "blue", "green"),
        {"desk": "4"},
    )
    assert ada.photos == (tmp_path / "a.jpg", tmp_path / "c.jpg") and bob.photos == (tmp_path / "b.jpg",)
    for bad in ("path,name\na,b\n", "path,person_id\na.jpg,\n", "path,person_id\na.jpg,ada,more\n", "path,person_id\n"):
        table.write_text(bad)
        with pytest.raises(InvalidArgument):
            read_source(table)


def test_whatever_is_left_out_of_a_folder_is_listed_with_a_reason(tmp_path: Path) -> None:
    root = tmp_path / "people"
    for place in (
        *("ada/1.jpg", "ada/.2.jpg", "ada/Thumbs.db", "ada/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "ada/more/3.jpg"),
        *("bob/IMG_1.HEIC", "cid/1.JFIF", "dan/1.jpe", "eve/notes.txt", "fay/film.mp4", ".cache/3.jpg", "nobody.docx"),
        *(
            "__MACOSX/ada/._1.jpg",
            "@eaDir/x.jpg",
            "Joe Biden/1.JPG",
            "Joe_Biden/1.jpg",
            "joe-biden/1.jpg",
            "?!  /1.jpg",
        ),
        *("José Ruiz.png", "x" * 129 + "/1.jpg"),
    ):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(b"")
    (root / "gil").mkdir()
    people = read_source(root)
    found = {one.person_id: (one.display_name, len(one.photos)) for one in people.entries}
    assert found == {
        **{"ada": ("", 1), "bob": ("", 1), "cid": ("", 1), "dan": ("", 1), "Joe_Biden": ("", 1)},
        **{"joe-biden": ("", 1), "josé-ruiz": ("José Ruiz", 1), "x" * 128: ("x" * 129, 1)},
    }
    reasons = {str(one.path.relative_to(root)): one.reason for one in people.left_out}
    assert reasons == {
        "ada/.2.jpg": "HIDDEN",
        "ada/Thumbs.db": "SYSTEM_FILE",
        "ada/@eaDir": "SYSTEM_FILE",
        "ada/more": "SUBFOLDER",
        "eve/notes.txt": "UNSUPPORTED_FORMAT",
        "eve": "NO_PHOTO",
        "fay/film.mp4": "UNSUPPORTED_FORMAT",
        "fay": "NO_PHOTO",
        "gil": "NO_PHOTO",
        ".cache": "HIDDEN",
        "nobody.docx": "UNSUPPORTED_FORMAT",
        "__MACOSX": "SYSTEM_FILE",
        "@eaDir": "SYSTEM_FILE",
        "Joe Biden": "NAME",
        "?!  ": "NAME",
    }
    assert all(one.message for one in people.left_out)
    as_is = read_source(root, Ids.AS_IS)
    assert "joe-biden" in [one.person_id for one in as_is.entries]
    assert {one.path.name for one in as_is.left_out if one.reason == "NAME"} == {
        *("Joe Biden", "José Ruiz.png", "?!  ", "x" * 129)
    }


@pytest.mark.parametrize(
    ("name", "made"),
    [("Joe Biden", "joe-biden"), ("Dr. Ada  L.", "dr-ada-l"), ("José", "josé"), ("李 小龙", "李-小龙"), ("!?", "")],
)
def test_a_name_becomes_an_id(name: str, made: str) -> None:
    assert slug(name) == made


def test_a_folder_that_may_not_be_read_keeps_nobody_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ada", "bob"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(b"")
    whole = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path.name == "ada":
            raise PermissionError(13, "Permission denied")
        return whole(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    people = read_source(tmp_path)
    assert [one.person_id for one in people.entries] == ["bob"]
    assert [(one.path.name, one.reason) for one in people.left_out] == [("ada", "UNREADABLE"), ("ada", "NO_PHOTO")]


@pytest.mark.parametrize(
    "content", [b"path,person_id\na.jpg,Pers\xf6n\n", b"\xff\xd8\xff\xe0", b"path,person_id\n" + b"a" * 200_000]
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    table = tmp_path / "people.csv"
    table.write_bytes(content)
    with pytest.raises(InvalidArgument, match="CSV"):
        read_source(table)


async def test_a_registration_that_is_cut_goes_on(address: str, folder: Path) -> None:
    def story() -> tuple[list[Outcome], list[Outcome], list[int]]:
        entries = read_source(folder).entries
        with client(address) as convoy:
            convoy.create_gallery("staff")
            first = bulk(convoy).outcomes()
            begun = list(islice(first, 5))
            first.close()
            whole = list(bulk(convoy).outcomes())
            again = list(bulk(convoy).outcomes())
            assert [(one.path, one.accepted) for one in again] == [(one.path, one.accepted) for one in whole]
            gallery = convoy.get_gallery("staff")
            return begun, whole, [gallery.people_count, gallery.face_count, len(entries)]

    def bulk(convoy: Convoy) -> Bulk:
        return Bulk(convoy, "staff", read_source(folder))

    begun, whole, counted = await asyncio.to_thread(story)
    assert len(begun) == 5 and len(whole) == 24
    assert [(one.path.name, one.reason) for one in whole if not one.accepted] == [
        ("notes.txt", "UNSUPPORTED_FORMAT"),
        ("empty.jpg", "NO_FACE"),
    ]
    assert counted == [13, 22, 13]


async def test_what_cannot_be_read_or_registered_is_told_and_keeps_nobody_back(address: str, tmp_path: Path) -> None:
    table = tmp_path / "people.csv"
    photo(tmp_path / "a.jpg", 1)
    photo(tmp_path / "b.jpg", 1, 5)
    photo(tmp_path / "c.jpg", 3)
    (tmp_path / "bad.jpg").write_bytes(b"hello")
    rows = ["a.jpg,ada", "none.jpg,nobody", "b.jpg,bob", "bad.jpg,carl", "c.jpg,dan", "gone.jpg,dan", "c.jpg,two words"]
    table.write_text("\n".join(["path,person_id", *rows]) + "\n")
    report = tmp_path / "refused.csv"

    def call() -> Result:
        with client(address) as convoy:
            convoy.create_gallery("staff")
        env = {"CONVOY_RECOGNITION_ADDRESS": address}
        words = ["person", "register", str(table), "-g", "staff", "--report", str(report), "--json"]
        return CliRunner().invoke(app, words, env=env)

    done = await asyncio.to_thread(call)
    assert done.exit_code == 1, done.output
    said = document(done)
    assert (said["registered"], said["known"], said["refused"]) == (2, 0, 5)
    with report.open(newline="") as file:
        refused = {(row["person_id"], Path(row["path"]).name): row["reason"] for row in csv.DictReader(file)}
    # Both photos show one face and are registered at once: whoever is written first keeps the other out.
    later = [person for (person, _), reason in refused.items() if reason == "IDENTITY_CONFLICT"]
    assert later in (["ada"], ["bob"])
    assert refused == {
        ("nobody", "none.jpg"): "UNREADABLE",
        (later[0], "a.jpg" if later == ["ada"] else "b.jpg"): "IDENTITY_CONFLICT",
        ("carl", "bad.jpg"): "NOT_AN_IMAGE",
        ("dan", "gone.jpg"): "UNREADABLE",
        ("two words", "c.jpg"): "BAD_ARGUMENT",
        **{(person, "people.csv"): "NO_PHOTO" for person in ("nobody", later[0], "carl", "two words")},
    }
    assert said["people_without_photo"] == 4


async def test_a_folder_that_is_registered_again_is_known(address: str, tmp_path: Path) -> None:
    for person in range(3):
        photo(tmp_path / "people" / f"p{person}" / "1.jpg", person)
    words = ["person", "register", str(tmp_path / "people"), "-g", "staff", "--json"]

    def call() -> tuple[int, int]:
        said = document(CliRunner().invoke(app, words, env={"CONVOY_RECOGNITION_ADDRESS": address}))
        return said["registered"], said["known"]

    def story() -> list[tuple[int, int]]:
        with client(address) as convoy:
            convoy.create_gallery("staff")
            found = [call(), call()]
            convoy.delete_person("staff", "p1")
            return [*found, call()]

    assert await asyncio.to_thread(story) == [(3, 0), (0, 3), (1, 2)]


async def test_names_that_are_not_utf8_and_odd_folders_stop_nothing(address: str, tmp_path: Path) -> None:
    root = tmp_path / "people"
    photo(root / "joe" / "1.jpg", 1)
    photo(root / "Ob Ama" / "k\udce4se.JPE", 2)
    photo(root / "caf\udce9" / "1.jpg", 3)
    (root / "joe" / "junk\udce4.jpg").write_bytes(b"junk")
    (root / "joe" / "@eaDir").mkdir()
    report = tmp_path / "left.csv"

    def call(*words: str) -> Result:
        return CliRunner().invoke(app, words, env={"CONVOY_RECOGNITION_ADDRESS": address})

    def story() -> None:
        with client(address) as convoy:
            convoy.create_gallery("staff")
            for _ in range(2):
                words = ("person", "register", str(root), "-g", "staff", "--report", str(report))
                done = call(*words, "--json")
                assert done.exit_code == 1, done.output
                counts = document(done)
                assert counts["registered"] + counts["known"] == 2
                assert (counts["refused"], counts["left_out"]) == (1, 2)
                shown_table = call(*words)
                assert "junk\\xe4.jpg" in shown_table.stdout and shown_table.exit_code == 1
            people = {person.person_id: person.display_name for person in convoy.list_people("staff")}
            assert people == {"joe": "", "ob-ama": "Ob Ama"}
            own = root / "Ob Ama" / "k\udce4se.JPE"
            before = own.read_bytes()
            refused = call("person", "register", str(root), "-g", "staff", "--report", str(own))
            assert refused.exit_code == 2 and "WOULD_REPLACE" in refused.stderr
            assert own.read_bytes() == before

    await asyncio.to_thread(story)
    with report.open(newline="", encoding="utf-8") as file:
        rows = {(row["path"], row["reason"]) for row in csv.DictReader(file)}
    assert rows == {
        (shown(root / "joe" / "@eaDir"), "SYSTEM_FILE"),
        (shown(root / "caf\udce9"), "NAME"),
        (shown(root / "joe" / "junk\udce4.jpg"), "BAD_IMAGE"),
    }


def document(done: Result) -> Any:
    """What the command printed."""
    return json.loads(done.stdout)


class Cut(Exception):
    """The power fails."""


async def test_a_gallery_goes_through_an_encrypted_file(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = tmp_path / "many.csv"
    photo(tmp_path / "p.jpg", 1)
    file, key = tmp_path / "staff.gallery", tmp_path / "key"
    key.write_text("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
    people.write_text("path,person_id,name\n" + "".join(f"{i}.jpg,p{i:03},Person {i}\n" for i in range(120)))
    for i in range(120):
        photo(tmp_path / f"{i}.jpg", i)

    def run(*words: object, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(map(str, words)), env={"CONVOY_RECOGNITION_ADDRESS": address})
        assert result.exit_code == code, result.output
        return result

    def failing_after(parts: int) -> Callable[..., Any]:
        real = gallery_transfer._fetch

        def fetch(convoy: Convoy, *arguments: Any) -> int:
            whole = convoy.export_gallery

            def cut(*args: Any, **kwargs: Any) -> Iterator[Any]:
                yield from islice(whole(*args, **kwargs), parts)
                raise Cut

            monkeypatch.setattr(convoy, "export_gallery", cut)
            return real(convoy, *arguments)

        return fetch

    def story() -> None:
        with client(address) as convoy:
            convoy.create_gallery("staff")
        run("person", "register", people, "-g", "staff")
        with monkeypatch.context() as patch:
            patch.setattr(gallery_transfer, "_fetch", failing_after(1))
            cut = CliRunner().invoke(
                app,
                ["gallery", "export", "staff", str(file), "--key-file", str(key)],
                env={"CONVOY_RECOGNITION_ADDRESS": address},
            )
            assert isinstance(cut.exception, Cut) and not file.exists()
        done = run("gallery", "export", "staff", file, "--key-file", key, "--json")
        assert document(done) == {"file": str(file), "people": 120, "is_encrypted": True}
        run("gallery", "export", "staff", file, "--key-file", key, code=2)
        run("gallery", "import", file, "copy", code=2)
        counts = document(run("gallery", "import", file, "copy", "--key-file", key, "--json"))
        assert (counts["people_imported"], counts["people_unchanged"]) == (120, 0)
        counts = document(run("gallery", "import", file, "copy", "--key-file", key, "--json"))
        assert (counts["people_imported"], counts["people_unchanged"]) == (0, 120)
        with client(address) as convoy:
            one, other = convoy.get_gallery_status("staff"), convoy.get_gallery_status("copy")
            assert one.indexed_faces == other.indexed_faces == 120
            assert {p.person_id: p for p in convoy.list_people("staff")} == {
                p.person_id: p for p in convoy.list_people("copy")
            }
            found = convoy.identify("copy", picture(look(7, 3)).encoded)
            assert found.faces[0].matches[0].display_name == "Person 7"
        whole = file.read_bytes()
        file.write_bytes(whole[:-1])
        run("gallery", "import", file, "third", "--key-file", key, code=2)
        assert "third" not in run("gallery", "list").stdout

    await asyncio.to_thread(story)


async def test_a_gallery_is_embedded_anew_compared_and_switched(address: str, tmp_path: Path) -> None:
    photos, probes = tmp_path / "photos", tmp_path / "probes"
    for person in (1, 2):
        photo(photos / f"p{person}.jpg", person)
        photo(probes / f"{person}.jpg", person, 5)
    photo(probes / "stranger.jpg", 9)

    def run(*words: object, code: int = 0) -> Result:
        result = CliRunner().invoke(app, list(map(str, words)), env={"CONVOY_RECOGNITION_ADDRESS": address})
        assert result.exit_code == code, result.output
        return result

    def story() -> None:
        command = ("gallery", "reembed", "team", "team-2", photos, "--model", "fake-embedder:2", "--probes", probes)
        with client(address) as convoy:
            convoy.create_gallery("team")
            ends = datetime(2100, 1, 1, tzinfo=UTC)
            convoy.register("team", "p1", [photos / "p1.jpg"], display_name="Ada", tags=["red"], expire_time=ends)
            convoy.register("team", "p2", [photos / "p2.jpg"])
            convoy.register("team", "p3", [photo_of(3).encoded])
            said = document(run(*command, "--switch", "--json", code=1))
            assert (said["missing"], said["agreement"], said["switched"]) == (["p3"], 1.0, False)
            assert convoy.list_gallery_aliases() == {}
            photo(photos / "p3.jpg", 3)
            photo(photos / "p4.jpg", 4)
            photo(probes / "3.jpg", 3, 5)
            convoy.delete_person("team-2", "p2")
            convoy.register("team-2", "other", [photos / "p2.jpg"])
            said = document(run(*command, "--switch", "--json", code=1))
            assert said["differing"] == [{"photo": str(probes / "2.jpg"), "team": "p2", "team-2": "other"}]
            assert (said["missing"], said["agreement"]) == (["p2"], 0.75)
            convoy.delete_person("team-2", "other")
            said = document(run(*command, "--switch", "--json"))
            assert (said["missing"], said["agreement"], said["switched"]) == ([], 1.0, True)
            assert said["disagreeing"] == []
            ada = convoy.get_person("team-2", "p1")
            assert (ada.display_name, ada.tags, ada.expire_time) == ("Ada", ("red",), ends)
            assert {one.person_id for one in convoy.list_people("team-2")} == {"p1", "p2", "p3"}
            assert convoy.list_gallery_aliases() == {"team": "team-2"}
        run(*command, "--switch", code=2)
        (photos / "p1.jpg").unlink()
        (photos / "p1").mkdir()
        for number, person in enumerate((1, 1, 7)):
            photo(photos / "p1" / f"{number}.jpg", person, number)
        with client(address) as convoy:
            convoy.set_gallery_alias("team", "")
        said = document(run("gallery", "reembed", "team", "team-3", photos, "--model", "fake-embedder:2", "--json"))
        assert [(one["person_id"], one["reason"]) for one in said["disagreeing"]] == [("p1", "OTHER_PERSON")]
        listed = run("gallery", "audit", "team-3", "--faces", code=1)
        assert "OTHER_PERSON" in listed.output and "convoy person delete PERSON --face" in listed.output
        assert run("gallery", "audit", "team-2", "--faces", "--json").exit_code == 0
        assert (
            "must be different" in run("gallery", "reembed", "team-2", "team-2", photos, "--model", "m", code=2).output
        )

    await asyncio.to_thread(story)
