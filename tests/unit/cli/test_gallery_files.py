"""Gallery files: what was written is read, and nothing else."""

import base64
from pathlib import Path

import pytest
from convoy.cli.gallery_files import GalleryFile
from convoy.client.gallery_format import HEAD, Secret
from convoy.core.errors import FailedPrecondition
from convoy.v1 import recognition_pb2 as api

KEY = Secret("hkdf-sha256", bytes(range(32)))
BAD = "BAD_GALLERY_FILE"
PARTS = [
    api.ExportGalleryResponse(gallery=api.Gallery(name="staff"), next_page_token="a"),
    api.ExportGalleryResponse(people=[api.ExportedPerson(embeddings=[b"template of b"])], next_page_token="b"),
    api.ExportGalleryResponse(people=[api.ExportedPerson(embeddings=[b"template of c"])]),
]


@pytest.fixture(params=[None, KEY], ids=["in the clear", "encrypted"])
def secret(request: pytest.FixtureRequest) -> Secret | None:
    return request.param  # type: ignore[no-any-return]


def written(path: Path, secret: Secret | None, parts: list[api.ExportGalleryResponse] = PARTS) -> Path:
    file = GalleryFile.create(path, secret)
    for number, part in enumerate(parts):
        file.append(part, number)
    return path


def refused(path: Path, secret: Secret | None) -> bool:
    try:
        list(GalleryFile.open(path, secret).parts())
    except FailedPrecondition as error:
        return error.reason == BAD
    return False


def pieces(path: Path) -> tuple[bytes, list[bytes]]:
    """What stands before the parts, and the parts as they lie in the file."""
    whole, parts = path.read_bytes(), []
    at = start = 17 + 4 + int.from_bytes(whole[17:21], "little")
    while at < len(whole):
        length, _ = HEAD.unpack_from(whole, at)
        parts.append(whole[at : at + HEAD.size + length])
        at += HEAD.size + length
    return whole[:start], parts


def test_what_was_written_is_read(tmp_path: Path, secret: Secret | None) -> None:
    path = written(tmp_path / "f", secret)
    assert list(GalleryFile.open(path, secret).parts()) == PARTS
    assert path.stat().st_mode & 0o077 == 0
    assert (b"template of b" in path.read_bytes()) == (secret is None)


def test_a_file_that_is_cut_anywhere_is_noticed(tmp_path: Path, secret: Secret | None) -> None:
    whole = written(tmp_path / "f", secret).read_bytes()
    cut = tmp_path / "cut"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        assert refused(cut, secret), length


def test_a_file_that_is_cut_within_a_part_is_said_to_be_cut(tmp_path: Path) -> None:
    path = written(tmp_path / "f", KEY)
    start, (first, _, _) = pieces(path)
    for length in (1, HEAD.size, len(first) - 1):
        (tmp_path / "cut").write_bytes((start + first)[: len(start) + length])
        with pytest.raises(FailedPrecondition, match="ends within part 1"):
            list(GalleryFile.open(tmp_path / "cut", KEY).parts())


def test_a_changed_byte_is_noticed_wherever_it_is(tmp_path: Path, secret: Secret | None) -> None:
    whole = written(tmp_path / "f", secret).read_bytes()
    changed = tmp_path / "changed"
    for place in range(len(whole)):
        changed.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert refused(changed, secret), place


def test_parts_that_are_moved_left_out_or_repeated_are_noticed(tmp_path: Path, secret: Secret | None) -> None:
    start, (a, b, c) = pieces(written(tmp_path / "f", secret))
    _, (_, other, _) = pieces(written(tmp_path / "other", secret))
    mixed = tmp_path / "mixed"
    for parts in ([b, a, c], [a, c], [a, b], [a, a, b, c], [a, b, c, c], [a, other, c]):
        mixed.write_bytes(start + b"".join(parts))
        assert refused(mixed, secret)


def test_only_the_right_key_opens(tmp_path: Path) -> None:
    path = written(tmp_path / "f", KEY)
    for wrong in (None, Secret("hkdf-sha256", bytes(32)), Secret.passphrase("open")):
        assert refused(path, wrong)
    with_words = written(tmp_path / "words", Secret.passphrase("correct horse"))
    assert list(GalleryFile.open(with_words, Secret.passphrase("correct horse")).parts()) == PARTS
    assert refused(with_words, Secret.passphrase("battery"))


def test_writing_goes_on_after_the_last_whole_part(tmp_path: Path, secret: Secret | None) -> None:
    whole = written(tmp_path / "f", secret).read_bytes()
    start, parts = pieces(tmp_path / "f")
    path = tmp_path / "cut"
    for length in range(len(start), len(whole)):
        path.write_bytes(whole[:length])
        file = GalleryFile.open(path, secret)
        kept = file.resume()
        assert kept == PARTS[: len(kept)] and len(kept) == sum(
            length >= len(start) + sum(map(len, parts[: i + 1])) for i in range(3)
        )
        for number in range(len(kept), 3):
            file.append(PARTS[number], number)
        assert list(file.parts()) == PARTS


def test_key_files_hold_one_key(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(base64.b64encode(bytes(range(32))).decode() + "\n")
    assert Secret.read(path) == KEY
    for bad in ("", "hello", base64.b64encode(bytes(31)).decode()):
        path.write_text(bad)
        with pytest.raises(FailedPrecondition, match="32 bytes"):
            Secret.read(path)
