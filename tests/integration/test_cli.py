"""The command `convoy` as scripts use it: JSON on standard output, sentences on standard error, exit codes."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import pytest
from click.testing import Result
from convoy.cli.app import app
from convoy.core.api import SERVICES
from convoy.fleet import Fleet, free_ports
from convoy.testing.pictures import encode, group, plain, portrait, with_box
from typer.testing import CliRunner

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(fleet: Fleet) -> Run:
    """Runs `convoy` against the fleet."""
    addresses = {f"CONVOY_{service.upper()}_ADDRESS": address for service, address in fleet.addresses.items()}

    def command(*words: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "convoy.cli", *map(str, words)],
            capture_output=True,
            text=True,
            timeout=300,
            env=os.environ | addresses | (env or {}),
        )

    return command


@pytest.fixture
def photo(tmp_path: Path) -> Callable[..., Path]:
    """Writes a picture and gives its path."""

    def write(name: str, image: Any) -> Path:
        path = tmp_path / name
        path.write_bytes(image if isinstance(image, bytes) else encode(image))
        return path

    return write


def document(done: subprocess.CompletedProcess[str], code: int = 0) -> Any:
    """The one JSON document that a command printed."""
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def test_classify(run: Run, photo: Callable[..., Path]) -> None:
    red, green = photo("red.png", plain((220, 9, 9))), photo("green.png", plain((9, 220, 9)))
    answers = document(run("classify", red, green, "--top", 1, "--json"))
    assert [one["photo"] for one in answers] == [str(red), str(green)]
    assert [one["answer"]["labels"][0]["name"] for one in answers] == ["red", "green"]


NOT_NEEDED = {"cryptography", "cv2", "numpy", "PIL", "pydantic_settings", "rich.progress", "structlog"}
"""What other commands need, and `classify` would only wait for. Typer imports pydantic itself."""


def test_classify_waits_for_no_library_that_it_does_not_need(
    run: Run, photo: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("CONVOY_")]:
        monkeypatch.delenv(name)  # Settings of services are looked up, to point out misspelt ones.
    done = run("classify", photo("red.png", plain((220, 9, 9))), env={"PYTHONPROFILEIMPORTTIME": "1"})
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip() for line in lines}
    assert "red" in done.stdout and {"grpc", "rich.table"} <= imported
    assert imported & NOT_NEEDED == set()


def test_a_bad_photo_does_not_keep_the_others_from_being_answered(run: Run, photo: Callable[..., Path]) -> None:
    done = run("classify", photo("bad.png", b"hello"), photo("red.png", plain((220, 9, 9))), "--json")
    bad, good = document(done, 2)
    assert bad["error"]["reason"] == "NOT_AN_IMAGE"
    assert good["answer"]["labels"][0]["name"] == "red"
    assert "bad.png" in done.stderr and "NOT_AN_IMAGE" in done.stderr


def test_a_missing_photo_does_not_keep_the_others_from_being_answered(
    run: Run, photo: Callable[..., Path], tmp_path: Path
) -> None:
    done = run("classify", tmp_path / "gone.png", tmp_path, photo("red.png", plain((220, 9, 9))), "--json")
    gone, folder, good = document(done, 2)
    assert gone["error"]["reason"] == folder["error"]["reason"] == "NO_PHOTO"
    assert good["answer"]["labels"][0]["name"] == "red"
    assert "gone.png: the file cannot be read: No such file or directory" in done.stderr


def test_detect_draws_and_says_no_when_nothing_is_required_and_found(
    run: Run, photo: Callable[..., Path], tmp_path: Path
) -> None:
    boxed, empty = photo("boxed.png", with_box((20, 30, 60, 70))), photo("empty.png", plain())
    out = tmp_path / "out.png"
    (answer,) = document(run("detect", boxed, "--draw", out, "--json"))
    assert answer["answer"]["detections"][0]["label"] == "bright"
    assert cv2.imread(str(out)).shape == (120, 160, 3)
    assert run("detect", empty).returncode == 0
    assert run("detect", empty, "--require").returncode == 1


def test_segment_writes_the_mask(run: Run, photo: Callable[..., Path], tmp_path: Path) -> None:
    mask, overlays = tmp_path / "mask.png", tmp_path / "overlays"
    half = photo("half.png", with_box((0, 0, 80, 120)))
    document(run("segment", half, "--mask", mask, "--json"))
    assert set(cv2.imread(str(mask), cv2.IMREAD_UNCHANGED).ravel()) == {0, 1}
    lossy = run("segment", half, "--mask", tmp_path / "mask.jpg")
    assert lossy.returncode == 2 and "written as .png" in lossy.stderr and lossy.stdout == ""
    drawn = run("segment", half, photo("dark.png", plain()), "--draw", overlays)
    assert (drawn.returncode, drawn.stderr.count("convoy: wrote ")) == (0, 2)
    assert f"convoy: wrote {overlays / 'dark.png'}\n" in drawn.stderr
    assert sorted(path.name for path in overlays.iterdir()) == ["dark.png", "half.png"]


def test_faces_with_embeddings(run: Run, photo: Callable[..., Path]) -> None:
    (answer,) = document(run("faces", photo("two.png", group([1, 2])), "--embed", "--json"))
    assert [len(face["embedding"]) for face in answer["answer"]["faces"]] == [192, 192]


def test_the_story_of_recognition(run: Run, photo: Callable[..., Path], tmp_path: Path) -> None:
    ada, again, bob = (
        photo("ada.png", portrait(1)),
        photo("again.png", portrait(1, noise=6)),
        photo("bob.png", portrait(2)),
    )
    assert document(run("gallery", "create", "story", "--fpir", "0.01", "--json"))["name"] == "story"
    assert run("gallery", "create", "story").returncode == 2
    assert run("identify", again, "--gallery", "story").returncode == 1
    registered = document(
        run("register", "ada", ada, "--gallery", "story", "--name", "Ada L", "--fact", "desk=4", "--json")
    )
    assert registered["person"]["display_name"] == "Ada L"
    named = document(run("identify", again, "--gallery", "story", "--draw", tmp_path / "named.png", "--json"))
    assert named[0]["answer"]["faces"][0]["matches"][0]["person_id"] == "ada"
    assert (tmp_path / "named.png").exists()
    assert document(run("identify", bob, "--gallery", "story", "--json"), 1)[0]["answer"]["faces"][0]["matches"] == []
    assert document(run("verify", again, "--person", "ada", "--gallery", "story", "--json"))["is_match"] is True
    assert document(run("verify", bob, "--photo", ada, "--json"), 1)["is_match"] is False
    strict, usual = (run("verify", ada, "--photo", ada, "--fmr", rate) for rate in ("1e-12", "1e-3"))
    assert "above all that the embedder's calibration measured" in strict.stderr and usual.stderr == ""
    assert "above all that" in run("identify", again, "--gallery", "story", "--fpir", "1e-12").stderr
    both = photo("both.png", group([1, 2]))
    several = run("verify", both, "--photo", ada, "--json")
    assert [document(several)[key] for key in ("faces_found", "reference_faces_found")] == [2, 1]
    assert "both.png shows 2 faces; the largest was compared, at 25,25,175,175" in several.stderr
    assert "ada.png" not in several.stderr
    assert run("verify", bob, "--person", "carl", "--gallery", "story").returncode == 2
    assert document(run("person", "list", "-g", "story", "--json"))[0]["metadata"] == {"desk": "4"}
    assert document(run("person", "update", "ada", "-g", "story", "--fact", "desk=", "--json"))["metadata"] == {}
    assert document(run("person", "show", "ada", "-g", "story", "--json"))["faces"][0]["quality"] > 0.3
    assert document(run("person", "delete", "ada", "-g", "story", "--yes", "--json"))["faces_deleted"] == 1
    assert document(run("gallery", "show", "story", "--json"))["gallery"]["people_count"] == 0
    assert "story" in [one["name"] for one in document(run("gallery", "list", "--json"))]
    events = document(run("gallery", "audit", "story", "--limit", "2", "--json"))
    assert len(events) == 2 and events[0]["version"] > events[1]["version"]
    assert events[0]["action"] in run("gallery", "audit", "story").stdout
    assert run("gallery", "alias", "tale", "story").returncode == 0
    assert run("gallery", "delete", "story").returncode == 1, "without --yes and a terminal nothing is deleted"
    deleted = run("gallery", "delete", "story", "--yes", "--json")
    assert document(deleted)["people_deleted"] == 0
    assert "'tale' still stands for 'story'" in deleted.stderr
    assert "for which the alias 'tale' stands" in run("identify", again, "--gallery", "tale").stderr
    assert run("gallery", "alias", "tale").returncode == 0
    gone = run("gallery", "show", "story")
    assert gone.returncode == 2 and "GALLERY_NOT_FOUND" in gone.stderr and gone.stdout == ""


def test_refused_photos_are_told_one_by_one(run: Run, photo: Callable[..., Path], gallery: str) -> None:
    done = run("register", "x", photo("none.png", plain()), photo("two.png", group([1, 2])), "-g", gallery, "--json")
    assert [one["refusal"] for one in document(done, 1)["results"]] == ["NO_FACE", "SEVERAL_FACES"]


def test_health(run: Run) -> None:
    assert {one["status"] for one in document(run("health", "--json")).values()} == {"SERVING"}
    away = run("health", "faces", "--json", env={"CONVOY_FACES_ADDRESS": "127.0.0.1:1"})
    assert document(away, 3)["faces"]["status"] == "SERVICE_UNREACHABLE"


def test_a_service_that_is_away_is_told_in_a_sentence(run: Run, photo: Callable[..., Path]) -> None:
    done = run("classify", photo("red.png", plain()), env={"CONVOY_CLASSIFICATION_ADDRESS": "127.0.0.1:1"})
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be reached at 127.0.0.1:1" in done.stderr and "convoy up" in done.stderr


def test_models_are_listed_and_verified(run: Run, tiny_repository: Path, tmp_path: Path) -> None:
    assert len(document(run("model", "list", tiny_repository, "--json"))) == 9
    assert {one["task"] for one in document(run("model", "list", "--service", "faces", "--json"))} == {
        "face_detection",
        "face_embedding",
    }
    assert all(not one["problem"] for one in document(run("model", "verify", tiny_repository, "--json")))
    broken = tmp_path / "models" / "broken" / "1"
    broken.mkdir(parents=True)
    (listed,) = document(run("model", "list", tmp_path / "models", "--json"))
    assert listed["name"] == "broken" and "manifest.json cannot be read" in listed["problem"]
    assert "broken:1" in run("model", "list", tmp_path / "models").stdout
    (verdict,) = document(run("model", "verify", tmp_path / "models", "--json"), 1)
    assert verdict["model"] == "broken/1" and "manifest.json cannot be read" in verdict["problem"]


def test_models_are_loaded_and_unloaded(run: Run) -> None:
    statuses = document(run("model", "status", "classification", "--json"))
    (default,) = [one for one in statuses if one["is_default"]]
    assert default["state"] == "READY"
    model = "{name}:{version}".format(**default["model"])
    (again,) = document(run("model", "load", "classification", model, "--json"))
    assert again["state"] == "READY"
    missing = run("model", "load", "classification", "nobody")
    assert missing.returncode != 0 and "MODEL_NOT_FOUND" in missing.stderr
    refused = run("model", "unload", "classification", model)
    assert refused.returncode != 0 and "DEFAULT_MODEL" in refused.stderr


@pytest.mark.parametrize(
    "words",
    [["classify"], ["classify", "no-such-file.png"], ["nonsense"], ["gallery", "create", "g", "--max-faces", "9" * 23]],
)
def test_wrong_usage_exits_with_2(run: Run, words: list[str]) -> None:
    assert run(*words).returncode == 2


@contextmanager
def started(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """A process that does not outlive a test that fails."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def test_up_keeps_galleries_over_a_restart_and_drains_on_sigterm(
    run: Run, tiny_repository: Path, tmp_path: Path, photo: Callable[..., Path]
) -> None:
    first = min(free_ports().values())
    address = {"CONVOY_RECOGNITION_ADDRESS": f"127.0.0.1:{first + 4}"}
    command = [sys.executable, "-m", "convoy.cli", "up", "--json", "--ports-from", str(first)]
    command += ["--data", str(tmp_path / "data"), "--models", str(tiny_repository)]
    for visit in range(2):
        with started(command) as up:
            assert up.stdout is not None
            said = ""
            while not said.endswith("}\n"):
                line = up.stdout.readline()
                assert line, said
                said += line
            assert json.loads(said)["recognition"] == address["CONVOY_RECOGNITION_ADDRESS"]
            if visit == 0:
                assert up.stderr is not None
                for name in ("classification", "redis"):
                    kill_service(up.pid, name)
                    while f"{name} was ended by SIGKILL" not in (line := up.stderr.readline()):
                        assert line and up.poll() is None
                wait_for_gallery(run, address)
                assert run("gallery", "create", "kept", env=address).returncode == 0
                assert run("register", "ada", photo("a.png", portrait(1)), "-g", "kept", env=address).returncode == 0
                again = subprocess.run(command, capture_output=True, text=True, timeout=300)
                assert again.returncode == 2 and "PORT_IN_USE" in again.stderr
                elsewhere = [*command, "--ports-from", str(min(free_ports().values()))]
                again = subprocess.run(elsewhere, capture_output=True, text=True, timeout=300)
                assert again.returncode == 2 and "DATA_IN_USE" in again.stderr
            else:
                assert run("identify", photo("b.png", portrait(1)), "-g", "kept", env=address).returncode == 0
            up.send_signal(signal.SIGTERM)
            _, said = up.communicate(timeout=300)
            assert up.returncode == 0, said
            assert "answered all requests" in said


def kill_service(supervisor: int, name: str) -> None:
    """kill -9 a process below that supervisor, by a word of its command line; its orphan guard is spared."""
    guards = [path.name for path in Path("/proc").glob("[0-9]*") if parent_of(path) == supervisor]
    for path in Path("/proc").glob("[0-9]*"):
        if str(parent_of(path)) in guards and name.encode() in (path / "cmdline").read_bytes():
            os.kill(int(path.name), signal.SIGKILL)
            return
    raise AssertionError(f"{name} does not run")


def parent_of(path: Path) -> int:
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def wait_for_gallery(run: Run, address: dict[str, str]) -> None:
    """Until recognition has Redis again."""
    deadline = time.monotonic() + 120
    while run("gallery", "list", env=address).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_services_end_when_their_supervisor_is_killed(tiny_repository: Path, tmp_path: Path) -> None:
    first = min(free_ports().values())
    command = [sys.executable, "-m", "convoy.cli", "up", "--json", "--ports-from", str(first)]
    command += ["--data", str(tmp_path / "data"), "--models", str(tiny_repository)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as up:
        assert up.stdout is not None
        assert up.stdout.readline().strip() == "{"
        up.kill()
    logs = [tmp_path / "data" / "logs" / f"{name}.log" for name in ("classification", "recognition")]
    deadline = time.monotonic() + 300
    while not all("stopped" in log.read_text() for log in logs) or not _is_free(tmp_path / "data" / "redis" / "lock"):
        assert time.monotonic() < deadline, "the services or Redis live on without their supervisor"
        time.sleep(0.2)


def _is_free(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


class Call:
    """Runs `convoy` against the fleet in this process, which is faster."""

    def __init__(self, fleet: Fleet) -> None:
        self._env = {f"CONVOY_{service.upper()}_ADDRESS": address for service, address in fleet.addresses.items()}

    def __call__(self, *words: object) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], env=self._env)


@pytest.fixture
def call(fleet: Fleet) -> Call:
    """See Call."""
    return Call(fleet)


def said(done: Result, code: int = 0) -> Any:
    """The one JSON document that a command printed."""
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def test_a_drawing_replaces_no_picture_that_was_given_and_no_file_unasked(
    call: Call, photo: Callable[..., Path], tmp_path: Path
) -> None:
    half, other = photo("half.png", with_box((0, 0, 80, 120))), photo("kept.png", plain())
    before = half.read_bytes(), other.read_bytes()
    (tmp_path / "link.png").symlink_to(half)
    for words in (
        ("detect", half, "--draw", half),
        ("detect", half, "--draw", tmp_path, "--force"),
        ("segment", half, "--mask", tmp_path / "link.png", "--force"),
        ("detect", half, "--draw", tmp_path / "folder" / ".." / "half.png", "--force"),
        ("segment", half, other, "--draw", tmp_path),
        ("detect", half, "--draw", other),
        ("segment", half, "--draw", tmp_path / "one.png", "--mask", tmp_path / "one.png"),
    ):
        (tmp_path / "folder").mkdir(exist_ok=True)
        done = call(*words, "--json")
        assert (done.exit_code, done.stdout) == (2, ""), words
        assert "WOULD_REPLACE" in done.stderr
        assert (half.read_bytes(), other.read_bytes()) == before
    assert call("detect", half, "--draw", other, "--force").exit_code == 0
    assert other.read_bytes() != before[1]


def test_a_drawing_that_cannot_be_written_is_an_error_beside_the_answers(
    call: Call, photo: Callable[..., Path], tmp_path: Path
) -> None:
    boxed, in_the_way = photo("boxed.png", with_box((20, 30, 60, 70))), photo("file", b"no folder")
    done = call("detect", boxed, "--draw", in_the_way / "out.png", "--json")
    assert said(done, 2)[0]["answer"]["detections"][0]["label"] == "bright"
    assert "NOT_WRITTEN" in done.stderr and "Traceback" not in done.stderr


def test_a_name_that_is_not_utf8_is_drawn_and_printed(call: Call, photo: Callable[..., Path], tmp_path: Path) -> None:
    odd = photo(os.fsdecode(b"k\xe4se.png"), with_box((20, 30, 60, 70)))
    (answer,) = said(call("detect", odd, "--draw", tmp_path / "out" / "drawn.png", "--json"))
    assert answer["photo"].endswith("k\\xe4se.png") and answer["answer"]["detections"]
    folder = tmp_path / "drawn"
    folder.mkdir()
    done = call("detect", odd, "--draw", folder)
    assert done.exit_code == 0 and "k\\xe4se.png" in done.stdout
    assert [os.fsencode(path.name) for path in folder.iterdir()] == [b"k\xe4se.png"]


def test_a_picture_without_a_face_is_told_from_a_broken_file(call: Call, photo: Callable[..., Path]) -> None:
    ada, nobody, broken = photo("ada.png", portrait(1)), photo("nobody.png", plain()), photo("broken.png", b"hello")
    call("gallery", "create", "doors")
    assert call("register", "ada", ada, "--gallery", "doors").exit_code == 0
    empty = call("identify", nobody, "--gallery", "doors", "--json")
    assert said(empty, 1)[0]["error"]["reason"] == "NO_FACE" and "NO_FACE" in empty.stderr
    assert said(call("identify", broken, "--gallery", "doors", "--json"), 2)[0]["error"]["reason"] == "NOT_AN_IMAGE"
    assert call("identify", nobody, ada, "--gallery", "doors").exit_code == 0
    assert call("identify", nobody, broken, "--gallery", "doors").exit_code == 2


def test_the_doctor_finds_a_whole_fleet_well(call: Call, tiny_repository: Path) -> None:
    told = said(call("doctor", "--models", tiny_repository, "--json"))
    by_service = {one["about"]: one for one in told if one["about"] in SERVICES}
    assert by_service.keys() == set(SERVICES) and {one["level"] for one in by_service.values()} == {"good"}
    assert "version" in by_service["faces"]["says"]
