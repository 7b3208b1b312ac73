"""A service that can read the tokens of others says so."""

from pathlib import Path

from convoy.core.security.neighbours import find_others
from convoy.core.settings import Settings


def test_tokens_of_others_are_found_and_ones_own_is_not(tmp_path: Path) -> None:
    for name in ("tls.crt", "tls.key", "ca.crt", "tokens", "recognition.token"):
        (tmp_path / name).write_text("x")
    faces = Settings(tls_cert=tmp_path, client_ca=tmp_path, tokens_file=tmp_path / "tokens")
    assert find_others(faces) == ["recognition.token"]
    recognition = Settings(tls_cert=tmp_path, client_token_file=tmp_path / "recognition.token")
    assert find_others(recognition) == []
    assert find_others(Settings()) == []
    assert find_others(Settings(tokens_file=tmp_path / "away" / "tokens")) == []
