"""Static tokens: the file, its lines, what is found and what never is shown."""

import stat
from pathlib import Path

import pytest
from convoy.cli.app import app
from convoy.core.errors import FailedPrecondition, InvalidArgument
from convoy.core.security import tokens as tokens_module
from convoy.core.security.tokens import Tokens, append_line, make_token, read_tokens, write_line
from typer.testing import CliRunner

HASH = "sha256:" + "ab" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


def test_a_token_is_found_and_no_other(path: Path) -> None:
    ada, bob = make_token(), make_token()
    append_line(path, write_line("ada", ada, ["faces", "gallery:*:admin"]))
    append_line(path, write_line("bob", bob, ["scores"]))
    tokens = Tokens(path)
    found = tokens.find(ada)
    assert found is not None and (found.name, found.scopes) == ("ada", {"faces", "gallery:*:admin"})
    assert tokens.find(bob) is not None
    for other in ("", ada[:-1], ada + "x", ada.upper(), HASH, "ab" * 32, make_token()):
        assert tokens.find(other) is None


def test_the_file_holds_no_token_and_is_its_owners(path: Path) -> None:
    token = make_token()
    append_line(path, write_line("ada", token, ["faces"]))
    assert token not in path.read_text() and stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_is_added_below_one_without_an_end(path: Path) -> None:
    path.write_text(f"ada {HASH} faces")
    append_line(path, write_line("bob", make_token(), ["scores"]))
    assert [entry.caller.name for entry in read_tokens(path.read_bytes())] == ["ada", "bob"]


def test_tokens_are_long_and_never_the_same() -> None:
    made = {make_token() for _ in range(100)}
    assert len(made) == 100 and all(len(token) == 50 and token.startswith("convoy_") for token in made)


def test_comments_and_empty_lines_are_skipped() -> None:
    content = f"# callers\n\n  ada {HASH}  faces   scores\n   # end\n".encode()
    [entry] = read_tokens(content)
    assert entry.caller.scopes == {"faces", "scores"}


@pytest.mark.parametrize(
    "line",
    [
        "ada",
        f"ada {HASH}",
        f"ada {HASH} flying",
        f"ada {HASH} gallery:staff:own",
        f"ada {HASH} gallery:Staff:read",
        f"ada {HASH[:-1]} faces",
        f"ada {HASH.upper()} faces",
        f"a*a {HASH} faces",
        "convoy_secret faces scores",
        f"ada {HASH} convoy_secret",
    ],
)
def test_a_bad_line_is_told_by_its_number_alone(line: str) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        read_tokens(f"# first\n{line}\n".encode())
    assert refused.value.reason == "BAD_TOKENS_FILE" and "line 2" in refused.value.message
    assert "secret" not in refused.value.message


def test_text_of_another_kind_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match="UTF-8"):
        read_tokens(b"\xff\xfe")


def test_a_bad_name_or_scope_makes_no_line() -> None:
    for name, scopes in (("two words", ["faces"]), ("", ["faces"]), ("ada", ["face"]), ("ada\nbob", ["faces"])):
        with pytest.raises(InvalidArgument):
            write_line(name, "token", scopes)


def test_a_changed_file_counts_at_once_and_a_bad_or_missing_one_does_not(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_module, "OVERLAP_S", 0.0)
    first, second = make_token(), make_token()
    append_line(path, write_line("ada", first, ["faces"]))
    tokens = Tokens(path)
    append_line(path, write_line("ada", second, ["faces"]))
    assert tokens.find(first) is not None and tokens.find(second) is not None
    path.write_text("what?")
    assert tokens.find(first) is not None
    path.unlink()
    assert tokens.find(first) is not None
    append_line(path, write_line("ada", second, ["faces"]))
    assert tokens.find(first) is None and tokens.find(second) is not None


def test_while_a_file_is_written_in_place_nobody_is_shut_out(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_token(), make_token()
    append_line(path, write_line("ada", first, ["faces", "scores"]))
    tokens = Tokens(path)
    path.write_text("")  # as an editor empties a file before it writes
    assert tokens.find(first) is not None
    path.write_text("\n".join([write_line("ada", first, ["faces"]), write_line("bob", second, ["faces"])]))
    found = tokens.find(first)
    assert found is not None and found.scopes == {"faces"}  # what the file says now
    assert tokens.find(second) is not None
    path.write_text(write_line("bob", second, ["faces"]))
    monkeypatch.setattr(tokens_module, "OVERLAP_S", 0.0)
    assert tokens.find(first) is None


def test_a_missing_file_stops_the_start(path: Path) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        Tokens(path)
    assert refused.value.reason == "NO_FILE"


def test_the_command_shows_the_token_once_and_keeps_its_hash(path: Path) -> None:
    arguments = ["token", "create", "ada", "--scope", "faces", "--scope", "gallery:*:read", "--file", str(path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0
    found = Tokens(path).find(done.stdout.strip())
    assert found is not None and (found.name, found.scopes) == ("ada", {"faces", "gallery:*:read"})
    assert done.stdout.strip() not in done.stderr


def test_the_command_refuses_what_is_no_scope(path: Path) -> None:
    done = CliRunner().invoke(app, ["token", "create", "ada", "--scope", "flying", "--file", str(path)])
    assert done.exit_code == 2 and "'flying' is not a scope" in done.stderr and not path.exists()
