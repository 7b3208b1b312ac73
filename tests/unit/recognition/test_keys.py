import base64
import secrets
from pathlib import Path

import numpy as np
import pytest
from convoy.core.errors import FailedPrecondition
from convoy.recognition.domain.keys import MasterKeys
from convoy.recognition.domain.templates import Plain, Sealed
from cryptography.exceptions import InvalidTag

OLD, NEW = b"o" * 32, b"n" * 32
EMBEDDING = np.linspace(-1, 1, 8, dtype=np.float32)


def test_a_data_key_opens_for_its_gallery_alone() -> None:
    keys = MasterKeys([OLD])
    wrapped = keys.new_data_key("staff")
    assert len(keys.unwrap("staff", wrapped)) == 32
    with pytest.raises(FailedPrecondition, match="damaged"):
        keys.unwrap("guests", wrapped)


def test_no_master_key_makes_no_data_key_and_opens_none() -> None:
    wrapped = MasterKeys([OLD]).new_data_key("staff")
    assert MasterKeys([]).new_data_key("staff") == ""
    with pytest.raises(FailedPrecondition, match="CONVOY_TEMPLATE_KEY_FILE"):
        MasterKeys([]).unwrap("staff", wrapped)


def test_a_rotated_key_opens_with_the_new_one_alone() -> None:
    wrapped = MasterKeys([OLD]).new_data_key("staff")
    both = MasterKeys([NEW, OLD])
    rewrapped = both.rewrap("staff", wrapped)
    assert both.rewrap("staff", rewrapped) == rewrapped != wrapped
    assert MasterKeys([NEW]).unwrap("staff", rewrapped) == both.unwrap("staff", wrapped)
    assert both.rewrap("plain", "") == ""


def test_the_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(base64.b64encode(OLD).decode())
    one, other = MasterKeys.load(path), MasterKeys.load(path)
    wrapped = one.new_data_key("staff")
    path.write_text("\n".join(base64.b64encode(key).decode() for key in (NEW, OLD)))
    one.reload()
    rewrapped = one.rewrap("staff", wrapped)
    assert rewrapped != wrapped
    # The other has not been told, and finds the new key when it needs it.
    assert other.unwrap("staff", rewrapped) == one.unwrap("staff", wrapped)
    path.write_text("half of a fi")
    with pytest.raises(FailedPrecondition, match="base64"):
        one.reload()
    assert one.unwrap("staff", rewrapped) == other.unwrap("staff", wrapped)


@pytest.mark.parametrize("text", ["", "not base64!", base64.b64encode(b"short").decode()])
def test_a_bad_key_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys").write_text(text)
    with pytest.raises(FailedPrecondition, match="base64"):
        MasterKeys.load(tmp_path / "keys")


def test_a_key_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("\n".join(base64.b64encode(key).decode() for key in (NEW, OLD)) + "\n")
    assert MasterKeys.load(tmp_path / "keys").current == MasterKeys([NEW]).current
    assert MasterKeys.load(None).current == ""


@pytest.mark.parametrize("codec", [Plain(), Sealed("staff", secrets.token_bytes(32))])
def test_an_embedding_comes_back_as_it_was(codec: Plain | Sealed) -> None:
    assert np.array_equal(codec.decode("ada", "f1", codec.encode("ada", "f1", EMBEDDING)), EMBEDDING)


def test_a_sealed_template_shows_nothing_and_does_not_move() -> None:
    codec = Sealed("staff", secrets.token_bytes(32))
    template = codec.encode("ada", "f1", EMBEDDING)
    assert EMBEDDING.tobytes()[:8] not in template
    assert codec.encode("ada", "f1", EMBEDDING) != template
    for person_id, face_id in (("eve", "f1"), ("ada", "f2")):
        with pytest.raises(InvalidTag):
            codec.decode(person_id, face_id, template)
