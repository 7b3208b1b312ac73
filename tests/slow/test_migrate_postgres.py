"""Dumps of a real PostgreSQL, in every form that pg_dump writes as text, give the people who were put in."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from convoy.cli.migration.compreface_dump import read_dump
from convoy.core.errors import InvalidArgument

from tests.compreface_stub import KEY, CompreFaceStub, copied

SCHEMA = """
CREATE TABLE app (id bigint PRIMARY KEY, name varchar(50), guid varchar(36), api_key varchar(36));
CREATE TABLE model (id bigint PRIMARY KEY, name varchar(50), type varchar(10), app_id bigint, guid varchar(36),
    api_key varchar(36) UNIQUE);
CREATE TABLE subject (id uuid PRIMARY KEY, api_key varchar(36), subject_name text);
CREATE TABLE img (id uuid PRIMARY KEY, content bytea NOT NULL);
CREATE TABLE embedding (id uuid PRIMARY KEY, subject_id uuid REFERENCES subject (id), embedding float8[] NOT NULL,
    calculator varchar(255) NOT NULL, img_id uuid REFERENCES img (id));
INSERT INTO app VALUES (1, 'App; with '' quote', 'g', 'a');
"""
NAMES = [
    "Ada",
    "O'Neil; \\.",
    "tab\there",
    "line\nbreak'; INSERT INTO x (",
    "\\N",
    "\u0141\u00f3d\u017a",
    "back\\slash",
    "x\\",
]
WAYS = (
    [],
    ["--inserts"],
    ["--column-inserts"],
    ["--rows-per-insert=3"],
    ["--data-only"],
    ["--quote-all-identifiers"],
    ["--quote-all-identifiers", "--inserts"],
)


def programs() -> Path | None:
    """The folder of PostgreSQL's programs."""
    places = [path.resolve().parent for path in map(Path, filter(None, [shutil.which("pg_ctl")]))]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((one for one in places if all((one / name).exists() for name in ("initdb", "pg_dump", "psql"))), None)


BIN = programs()
pytestmark = pytest.mark.skipif(BIN is None, reason="there is no PostgreSQL (pg_ctl) on this machine")


@pytest.fixture(scope="module")
def database() -> Iterator[list[str]]:
    """A server on a socket of its own; gives the options that reach it."""
    # It refuses to run as root, and a socket's path is short.
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        os.chmod(folder, 0o777)
        data = f"{folder}/data"

        def run(name: str, *words: str) -> None:
            done = subprocess.run(
                [str(BIN and BIN / name), *words], user=user, capture_output=True, text=True, timeout=120, cwd=folder
            )
            assert done.returncode == 0, done.stderr

        run("initdb", "-D", data, "-U", "frs", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        run(
            "pg_ctl",
            "-D",
            data,
            "-w",
            "-o",
            f"-k {folder} -c listen_addresses= -c fsync=off",
            "-l",
            f"{folder}/log",
            "start",
        )
        try:
            yield ["-h", folder, "-U", "frs"]
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


@pytest.fixture(scope="module")
def stub(database: list[str]) -> CompreFaceStub:
    """What is in the database: names and photos of every kind of byte, and a face without photo."""
    stub = CompreFaceStub()
    for number, name in enumerate(NAMES):
        stub.add(name, bytes(range(256)) * (number + 1), b"\\x" + b"\\134'\n\t\r\0" * number + b"!", None)
    stub.add("Nobody")
    # The data without the statements that make tables: the schema has types.
    blocks = [block.partition("\n\\.\n")[0] + "\n\\.\n" for block in copied(stub).decode().split("COPY public.")[1:]]
    order = ("model", "subject", "img", "embedding")
    filling = "".join("COPY public." + next(one for one in blocks if one.startswith(name)) for name in order)
    ask("psql", database, "postgres", "-v", "ON_ERROR_STOP=1", given="CREATE DATABASE frs;")
    ask("psql", database, "frs", "-v", "ON_ERROR_STOP=1", given=SCHEMA + filling)
    return stub


def ask(name: str, database: list[str], *words: str, given: str = "", **environment: str) -> bytes:
    done = subprocess.run(
        [str(BIN and BIN / name), *database, *words],
        input=given.encode(),
        capture_output=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("output", ["hex", "escape"])
@pytest.mark.parametrize("words", WAYS, ids=" ".join)
def test_everybody_is_read(
    database: list[str], stub: CompreFaceStub, tmp_path: Path, words: list[str], output: str
) -> None:
    dump = tmp_path / "frs.sql"
    dump.write_bytes(ask("pg_dump", database, *words, "frs", PGOPTIONS=f"-c bytea_output={output}"))
    if words == ["--inserts"] and output == "hex":
        assert dump.read_bytes().count(b"INSERT INTO public.img") == 2 * len(NAMES)
    source = read_dump(dump, KEY)
    read = {one.name: {photo.face_id: photo.read() for photo in one.photos} for one in source.people}
    kept = {
        name: {i: photo for i, (subject, photo) in stub.faces.items() if subject == name and photo}
        for name in stub.subjects
    }
    assert read == kept
    assert {(one.name, one.reason) for one in source.left} == {
        *((name, "NO_PICTURE") for name in NAMES),
        ("Nobody", "NO_PHOTO"),
    }


def test_its_own_format_is_refused_with_the_way_to_text(
    database: list[str], stub: CompreFaceStub, tmp_path: Path
) -> None:
    dump = tmp_path / "frs.dump"
    dump.write_bytes(ask("pg_dump", database, "-Fc", "frs"))
    with pytest.raises(InvalidArgument) as error:
        read_dump(dump, KEY)
    assert error.value.hint and "pg_restore" in error.value.hint
    text = tmp_path / "frs.sql"
    subprocess.run([str(BIN and BIN / "pg_restore"), "-f", str(text), str(dump)], check=True, timeout=60)
    assert len(read_dump(text, KEY).people) == len(NAMES) + 1
