"""What the commands are made of: JSON documents, paths of drawings, exit codes, a fast start."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from convoy.cli.app import app
from convoy.cli.failures import ExitCode, exit_code, in_our_words
from convoy.cli.gallery import _describe_limits
from convoy.cli.json_output import to_document
from convoy.cli.output import print_table
from convoy.cli.photos import check_size, drawing_paths, naming
from convoy.cli.recognition import _identified_row
from convoy.client.answers.common import Box, Model, Size
from convoy.client.answers.galleries import GalleryLimits
from convoy.client.answers.recognition import Decision, IdentifiedFace, Match
from convoy.client.answers.vision import Label, Region, Segmentation
from convoy.client.channels import connection
from convoy.client.pictures import write_image
from convoy.core import errors
from convoy.drawing.drawing import name_of
from typer.testing import CliRunner


def test_a_mask_is_left_out_of_json_and_the_rest_is_plain():
    answer = Segmentation(np.zeros((2, 3), np.uint8), (Region(0, "sky", 1.0),), Size(3, 2), Model("net", "1"))
    assert to_document(answer) == {
        "regions": [{"index": 0, "label": "sky", "area": 1.0}],
        "image_size": {"width": 3, "height": 2},
        "model": {"name": "net", "version": "1"},
        "labels": [],
    }


def test_a_label_keeps_the_key_that_scripts_read():
    assert to_document(Label(3, "cat", 0.5)) == {"index": 3, "label": "cat", "probability": 0.5, "name": "cat"}


@pytest.fixture
def ask(addresses, monkeypatch):
    """Runs `convoy` in this process against the fleet of rules."""
    for service, address in addresses.items():
        monkeypatch.setenv(f"CONVOY_{service.upper()}_ADDRESS", address)
    return lambda *words: CliRunner().invoke(app, words)


def test_show_verifies_a_gallery(ask):
    whole, torn = ask("gallery", "show", "team", "--verify"), ask("gallery", "show", "torn", "--verify")
    assert (whole.exit_code, torn.exit_code) == (ExitCode.YES, ExitCode.NO)
    assert "store checksum" in whole.stdout and "store checksum" in torn.stdout
    assert "searches other faces than the store holds" in torn.stderr and whole.stderr == ""


LIMITS = GalleryLimits("nearly_outgrown", 0.183, 0.05, 0.2, 1234, 900, "LFW")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (LIMITS, ["0.183 at 0.05 of strangers named", "1,234 faces on, where it passes 0.2", "nearly outgrown"]),
        (replace(LIMITS, outgrown_at_faces=None, fit="fits"), ["no size that a gallery can have on", "fits"]),
        (replace(LIMITS, expected_miss_rate=None, unknown_because="no pairs"), ["unknown: no pairs"]),
    ],
)
def test_show_says_what_the_size_of_a_gallery_means(limits, words):
    said = " | ".join(str(value) for _, value in _describe_limits(limits))
    assert [word for word in words if word not in said] == []


def test_show_without_verify_says_no_checksum_of_the_store(ask):
    shown = ask("gallery", "show", "torn", "--json")
    status = json.loads(shown.stdout)["status"]
    assert shown.exit_code == ExitCode.YES
    assert {"store_version", "index_version", "indexed_faces", "index_bytes"} < set(status)
    assert (status["index_checksum"], status["store_checksum"]) == ("a", "")


def test_times_embeddings_and_words_become_json():
    value = {"at": datetime(2026, 1, 2, tzinfo=UTC), "embedding": np.float32([0.1, 1]), "decision": Decision.MATCH}
    assert to_document(value) == {"at": "2026-01-02T00:00:00+00:00", "embedding": [0.1, 1.0], "decision": "MATCH"}


def test_what_has_no_place_in_json_is_refused():
    with pytest.raises(TypeError):
        to_document(object())


def test_one_photo_is_drawn_to_a_file_and_several_into_a_folder(tmp_path):
    one, other = Path("a/cat.jpg"), Path("b/cat.jpg")
    assert drawing_paths([one], tmp_path / "out.png") == [tmp_path / "out.png"]
    assert drawing_paths([one], tmp_path) == [tmp_path / "cat.png"]
    assert drawing_paths([one, Path("dog.png")], tmp_path / "out") == [
        tmp_path / "out/cat.png",
        tmp_path / "out/dog.png",
    ]
    assert len(set(drawing_paths([one, other], tmp_path / "out"))) == 2
    ada, bob = Path("people/ada/1.jpg"), Path("people/bob/1.jpg")
    assert drawing_paths([ada, bob, one], tmp_path / "out") == [
        tmp_path / "out/ada-1.png",
        tmp_path / "out/bob-1.png",
        tmp_path / "out/cat.png",
    ]
    assert len(set(drawing_paths([ada, Path("others/ada/1.png"), Path("x/ada-1.png")], tmp_path / "out"))) == 3
    with pytest.raises(errors.InvalidArgument, match="must be a folder"):
        drawing_paths([one, other], tmp_path / "out.png")


def test_the_services_words_for_a_choice_become_options():
    sentence = "person 'ada' is registered already; set add_faces to add photos to the record"
    assert in_our_words(sentence) == "person 'ada' is registered already; give --add to add photos to the record"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidArgument("R", "m"), ExitCode.BAD_INPUT),
        (errors.NotFound("R", "m"), ExitCode.BAD_INPUT),
        (errors.ResourceExhausted("R", "m", 1.0), ExitCode.UNAVAILABLE),
        (errors.Unavailable("R", "m"), ExitCode.UNAVAILABLE),
        (errors.PermissionDenied("R", "m"), ExitCode.NOT_ALLOWED),
        (errors.ConvoyError("INTERNAL", "m"), ExitCode.FAULT),
    ],
)
def test_exit_codes(error, code):
    assert exit_code(error) is code


def test_tables_break_no_word_and_say_when_they_are_empty(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    path = "/a/path/that/is/longer/than/the/terminal/is/wide.jpg"
    print_table(path, ("result", "why", "photo"), [("NO_FACE", "there is no face in the picture", path)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == path
    assert any(path in line for line in lines[1:])
    print_table("a.jpg", ("label",), [], "nothing found")
    assert capsys.readouterr().out == "a.jpg: nothing found\n"


@pytest.mark.parametrize(("columns", "terminal", "side_by_side"), [(80, "1", False), (200, "1", True), (80, "", True)])
def test_a_row_that_is_too_wide_becomes_a_paragraph(capsys, monkeypatch, columns, terminal, side_by_side):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", terminal)
    first, second = "/photos/" + "a" * 50 + ".jpg", "/drawings/" + "b" * 50 + ".jpg"
    print_table("", ("photo", "nothing", "drawing"), [(first, "", second)])
    lines = capsys.readouterr().out.splitlines()
    assert any(first in line and second in line for line in lines) is side_by_side
    if not side_by_side:
        assert lines == ["", f"  photo     {first}", f"  drawing   {second}", ""]


def test_only_the_match_stands_beside_a_match():
    face = SimpleNamespace(box=Box(0, 0, 10, 20))
    matches = tuple(Match(one, one, "", similarity, {}) for one, similarity in (("joe", 0.9), ("bo", 0.4), ("al", 0.3)))
    rows = {decision: _identified_row(IdentifiedFace(face, decision, matches, 0.3, 0.01, 0.5)) for decision in Decision}
    assert {decision: (row[2], row[6]) for decision, row in rows.items()} == {
        Decision.MATCH: ("joe", "bo 0.400, al 0.300"),
        Decision.AMBIGUOUS: ("joe or bo", "al 0.300"),
        Decision.NO_MATCH: ("", "joe 0.900, bo 0.400, al 0.300"),
    }


def test_a_face_that_somebody_else_is_says_whom_it_is_not():
    face, ada = SimpleNamespace(box=Box(0, 0, 10, 20)), Match("ada", "Ada", "", 0.45, {})
    found = IdentifiedFace(face, Decision.NO_MATCH, (), 0.3, 0.01, 0.1, "NAMED_ELSEWHERE", ada)
    assert _identified_row(found)[1:4] == ("NO_MATCH", "not Ada", "0.450")
    assert name_of(found) == "not Ada"


@pytest.mark.parametrize("word", ["picture", "image"])
def test_a_failure_on_one_of_several_photos_names_it(word):
    with pytest.raises(errors.InvalidArgument) as caught, naming([Path("a.jpg"), Path("b.jpg")]):
        raise errors.InvalidArgument("NOT_AN_IMAGE", f"{word} 2 of 2: no picture", {"image_index": 1})
    assert caught.value.message == "b.jpg: no picture"


def test_a_photo_larger_than_a_message_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVOY_MAX_MESSAGE_MB", "1")
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(errors.InvalidArgument, match="larger than a message"):
        check_size(large)


def test_what_is_no_plain_file_is_not_read():
    with pytest.raises(errors.InvalidArgument, match="/dev/zero"):
        write_image("/dev/zero")


@pytest.mark.parametrize("address", ["http://127.0.0.1:50051", "foo:bar:1", "host", "host:0", "host:70000", "a b:1"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(errors.InvalidArgument, match="host:port"):
        connection(faces=address)


@pytest.mark.parametrize("address", ["host:1", "[::1]:50051", "dns:///convoy:50051", "unix:/run/convoy.sock"])
def test_addresses_are_taken(address):
    assert connection(faces=address).addresses["faces"] == address


def test_verify_says_which_options_belong_together(capsys):
    for words, sentence in (
        (["--person", "ada"], "--person needs --gallery"),
        (["--gallery", "team"], "--gallery needs --person"),
        ([], "either --person"),
    ):
        with pytest.raises(SystemExit) as left:
            app(["verify", __file__, *words])
        assert left.value.code == ExitCode.BAD_INPUT
        assert sentence in capsys.readouterr().err


def test_help_waits_for_nothing_heavy():
    code = "import sys, convoy.cli.app; print(*sorted({'grpc', 'numpy', 'cv2', 'pydantic', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("seconds", ["-1", "nan", "soon"])
def test_a_wrong_variable_is_told_in_a_sentence(seconds):
    done = run_health(CONVOY_TIMEOUT_S=seconds)
    assert done.returncode == ExitCode.BAD_INPUT
    assert f"CONVOY_TIMEOUT_S='{seconds}'" in done.stderr and "Traceback" not in done.stderr


def test_a_misspelt_variable_is_pointed_out():
    done = run_health(CONVOY_TIMEOT_S="5", CONVOY_FACES_ADDRESS="127.0.0.1:1")
    assert done.returncode == ExitCode.UNAVAILABLE
    assert done.stderr.splitlines() == ["convoy: CONVOY_TIMEOT_S is not a setting; did you mean CONVOY_TIMEOUT_S?"]


def run_health(**variables):
    command = [sys.executable, "-m", "convoy.cli", "health", "faces"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | variables)


def test_a_reader_who_has_read_enough_ends_a_command_in_silence() -> None:
    talk = (
        "import typer; from convoy.cli.failures import politely\n"
        "def talk() -> None:\n    for _ in range(100_000): print('x' * 80)\n"
        "typer.run(politely(talk))"
    )
    with subprocess.Popen([sys.executable, "-c", talk], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"x" * 80 + b"\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141
