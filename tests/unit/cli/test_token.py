"""`convoy token create --value-file`: a key that clients have already."""

from pathlib import Path

from convoy.cli.app import app
from convoy.core.security.tokens import Tokens
from typer.testing import CliRunner

from tests.door_keys import OLD_KEY

WORDS = ["token", "create", "cameras", "--scope", "gallery:home:write"]


def test_a_random_uuid_becomes_a_token_and_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{OLD_KEY}\n")
    tokens = tmp_path / "tokens"
    done = CliRunner().invoke(app, [*WORDS, "--value-file", str(tmp_path / "key"), "--file", str(tokens)])
    assert (done.exit_code, done.stdout) == (0, "")
    found = Tokens(tokens).find(OLD_KEY)
    assert found is not None and found.name == "cameras"
    assert OLD_KEY not in tokens.read_text()


def test_a_password_does_not(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    done = CliRunner().invoke(app, [*WORDS, "--value-file", "-", "--file", str(tokens)], input="geheim")
    assert done.exit_code != 0 and not tokens.exists()
    assert "UUID" in done.output and "geheim" not in done.output
