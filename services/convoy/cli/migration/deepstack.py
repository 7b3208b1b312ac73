"""Names from the database of DeepStack or CodeProject.AI: it has one mean of vectors for each person, and no photo."""

import sqlite3
from pathlib import Path

from convoy.cli.migration.source import Left, Somebody, Source
from convoy.core.errors import InvalidArgument

LOST = ("embeddings: one mean of vectors of another network for each person; no photo can be made of it",)
NO_PHOTO = "the database has no photos; register some (convoy register, or convoy migrate folders)"


def read_names(database: Path) -> Source:
    """Everybody by name, without photos. Raises InvalidArgument(BAD_ARGUMENT) for another file."""
    try:
        # Read alone: a database that a server has open is not touched.
        connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
        try:
            names = [name for (name,) in connection.execute("SELECT userid FROM TB_EMBEDDINGS ORDER BY userid")]
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeError) as error:
        message = f"{database.name} is no database of faces of DeepStack or CodeProject.AI ({error})"
        raise InvalidArgument("BAD_ARGUMENT", message) from error
    people = tuple(Somebody(str(name)) for name in names if name)
    left = tuple(Left("", one.name, "", "NO_PHOTO", NO_PHOTO) for one in people)
    return Source(people, left, LOST, keeps_empty=True)
