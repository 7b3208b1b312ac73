"""What `convoy` asks and completes of names that the services know: at a terminal, and for the shell."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from convoy.fleet import Fleet
from convoy.testing.pictures import encode, portrait


@pytest.fixture(scope="module")
def people(fleet: Fleet) -> Iterator[str]:
    """A gallery that knows one person."""
    with fleet.client() as convoy:
        convoy.create_gallery("terminal")
        convoy.register("terminal", "barack_obama", [portrait(1)])
        yield "terminal"
        convoy.delete_gallery("terminal")


def environment(fleet: Fleet) -> dict[str, str]:
    return os.environ | {f"CONVOY_{name.upper()}_ADDRESS": address for name, address in fleet.addresses.items()}


@pytest.fixture
def at_a_terminal(fleet: Fleet) -> Callable[..., tuple[int, str]]:
    """Runs `convoy`, types an answer, and gives the exit code and what it said on standard error."""

    def run(answer: str, *words: object) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "convoy.cli", *map(str, words)]
        with subprocess.Popen(
            command, stdin=theirs, stderr=theirs, stdout=subprocess.DEVNULL, env=environment(fleet)
        ) as process:
            os.close(theirs)
            os.write(ours, answer.encode())
            code = process.wait(120)
        said = os.read(ours, 10_000).decode()
        os.close(ours)
        return code, said

    return run


def test_a_known_face_gets_a_second_name_only_when_one_says_so(
    at_a_terminal: Callable[..., tuple[int, str]], fleet: Fleet, people: str, tmp_path: Path
) -> None:
    photo = tmp_path / "again.png"
    photo.write_bytes(encode(portrait(1, noise=3)))
    code, said = at_a_terminal("n\n", "register", "barry", photo, "-g", people)
    assert code == 1 and f"knows {photo} as barack_obama. Are barack_obama and barry two people?" in said
    with fleet.client() as convoy:
        assert [one.person_id for one in convoy.list_people(people)] == ["barack_obama"]
        code, _ = at_a_terminal("y\n", "register", "barry", photo, "-g", people)
        assert code == 0
        assert [one.person_id for one in convoy.list_people(people)] == ["barack_obama", "barry"]
        convoy.delete_person(people, "barry")


def test_somebody_new_is_registered_without_a_question_and_told_who_is_near(
    fleet: Fleet, people: str, tmp_path: Path
) -> None:
    photo = tmp_path / "new.png"
    photo.write_bytes(encode(portrait(2)))
    command = [sys.executable, "-m", "convoy.cli", "register", "eve", str(photo), "-g", people]
    done = subprocess.run(command, env=environment(fleet), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "nearest other" in done.stdout and "barack_obama" in done.stdout
    with fleet.client() as convoy:
        convoy.delete_person(people, "eve")


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("convoy identify --gallery ter", ["terminal"]),
        ("convoy gallery show ter", ["terminal"]),
        ("convoy person --gallery terminal show bar", []),
        ("convoy person show --gallery terminal bar", ["barack_obama"]),
        ("convoy identify --gallery nobody", []),
    ],
)
def test_the_shell_completes_names(line: str, completed: list[str], fleet: Fleet, people: str) -> None:
    assert complete(line, fleet) == completed


def test_the_shell_completes_models_of_the_command_s_service(fleet: Fleet) -> None:
    with fleet.client() as convoy:
        names = {one.model.name for one in convoy.list_models("detection")}
    assert set(complete("convoy detect --model ", fleet)) == names


def test_the_shell_waits_for_no_service_that_is_away(fleet: Fleet) -> None:
    assert complete("convoy identify --gallery t", fleet, CONVOY_RECOGNITION_ADDRESS="127.0.0.1:1") == []


def complete(line: str, fleet: Fleet, **more: str) -> list[str]:
    """What bash would be told for a line."""
    words = line.split(" ")
    asked = {"_CONVOY_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    program = "import sys; sys.argv[0] = 'convoy'; from convoy.cli.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(fleet) | asked | more,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    return done.stdout.split()
