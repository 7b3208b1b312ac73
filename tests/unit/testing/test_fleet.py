"""A fleet for the tests of whoever uses Convoy: the example of docs/client.md, and what it promises."""

import asyncio
import gc
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.cli.app import app
from convoy.client import AsyncConvoy, Convoy
from convoy.client.answers.recognition import Decision
from convoy.core.errors import ConvoyError, FailedPrecondition, NotFound
from convoy.testing import RunningFleet, fleet
from convoy.testing.pictures import encode, group, plain, portrait, with_box
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def running() -> Iterator[RunningFleet]:
    with fleet() as one:
        yield one


@pytest.fixture
def convoy(running: RunningFleet, request: pytest.FixtureRequest) -> Iterator[Convoy]:
    """A client, and an empty gallery `staff`."""
    running.convoy.create_gallery("staff")
    yield running.convoy
    running.convoy.delete_gallery("staff")


def test_people_are_registered_and_identified(convoy: Convoy) -> None:
    convoy.register("staff", "ada", [portrait(1)])
    ada, stranger = convoy.identify("staff", group([1, 2])).faces
    assert (ada.decision, ada.matches[0].person_id) == (Decision.MATCH, "ada")
    assert stranger.decision is Decision.NO_MATCH
    with pytest.raises(FailedPrecondition):
        convoy.register("staff", "nobody", [plain()])


def test_a_class_that_a_segmenter_does_not_know_is_told_from_one_that_does_not_occur(convoy: Convoy) -> None:
    answer = convoy.segment(plain((250, 250, 250)))
    unseen = next(label for label in answer.labels if label != answer.regions[0].label)
    assert not answer.pixels_of(unseen).any()
    with pytest.raises(NotFound, match=r"knows no class of this name; it knows .*bright") as caught:
        answer.pixels_of("sky")
    assert caught.value.reason == "LABEL_NOT_FOUND"


def test_a_wrong_address_names_the_service_that_answers_there(
    running: RunningFleet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CONVOY_DETECTION_ADDRESS", running.addresses["faces"])
    photo = tmp_path / "photo.png"
    photo.write_bytes(encode(plain()))
    answer = CliRunner().invoke(app, ["detect", str(photo)])
    assert "the faces service answers there; set CONVOY_DETECTION_ADDRESS" in answer.stderr


def test_a_command_that_finds_nothing_says_what_the_model_knows(
    running: RunningFleet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CONVOY_DETECTION_ADDRESS", running.addresses["detection"])
    photo = tmp_path / "photo.png"
    photo.write_bytes(encode(plain((0, 0, 0))))
    answer = CliRunner().invoke(app, ["detect", str(photo), "--threshold", "1"])
    assert "photo.png: nothing found" in answer.stdout
    assert re.search(r"convoy: .* knows .*bright.*, and nothing else", answer.stderr)


def test_log_lines_leave_standard_output_alone() -> None:
    program = "from convoy.testing import fleet\nwith fleet() as one:\n    print(one.convoy.check_health('faces'))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert len(done.stdout.splitlines()) == 1


def test_every_vision_service_answers(convoy: Convoy) -> None:
    assert convoy.classify(plain((220, 20, 20))).best.label == "red"
    (found,) = convoy.detect(with_box((10, 10, 60, 60)))
    assert found.label == "bright"
    assert convoy.segment(plain((250, 250, 250))).regions[0].label == "bright"
    assert len(convoy.detect_faces(group([1, 2, 3]))) == 3


async def test_a_client_in_the_event_loop_of_the_test_reaches_it(running: RunningFleet) -> None:
    async with AsyncConvoy(**running.addresses) as convoy:
        answers = await asyncio.gather(*(convoy.classify(plain((20, 220, 20))) for _ in range(20)))
    assert {answer.best.label for answer in answers} == {"green"}


def test_two_fleets_know_nothing_of_each_other(convoy: Convoy) -> None:
    with fleet() as other, pytest.raises(NotFound):
        other.convoy.get_gallery("staff")


def test_settings_are_those_that_are_given_and_no_variable_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVOY_MAX_IMAGES_PER_CALL", "7")
    monkeypatch.setenv("CONVOY_MODELS", "/nowhere")
    with fleet(quality_floor=1.0) as one:
        assert len(one.convoy.classify_many([plain()] * 8)) == 8
        one.convoy.create_gallery("strict")
        with pytest.raises(FailedPrecondition):
            one.convoy.register("strict", "ada", [portrait(1, shade=0.4)])


def test_nothing_is_left_when_a_fleet_cannot_start(tmp_path: Path) -> None:
    before, threshold = set(threading.enumerate()), gc.get_threshold()
    with pytest.raises(ConvoyError), fleet(tmp_path):
        pass
    assert [thread for thread in threading.enumerate() if thread not in before] == []
    assert gc.get_threshold() == threshold


def test_without_onnx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "onnx"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "convoy.testing.tiny_models", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'convoy-vision\[import\]'"), fleet():
        pass


def test_the_example_of_the_page_passes_as_a_test(tmp_path: Path) -> None:
    chapter = (ROOT / "docs" / "client.md").read_text().partition("## In your tests")[2]
    (example,) = re.findall(r"```python\n(.*?)```", chapter.partition("\n## ")[0], re.DOTALL)
    (tmp_path / "test_door.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d passed", done.stdout)
