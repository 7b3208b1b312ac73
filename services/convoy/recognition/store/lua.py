"""The scripts that run inside Redis, as text."""

import hashlib
from functools import cache
from importlib import resources

# Those that write begin with plan.lua: they decide first and write last.
PLANNED = (
    "create_gallery",
    "update_gallery",
    "delete_gallery",
    "change_people",
    "open_gallery",
    "begin_epoch",
    "begin_found",
    "end_found",
)


@cache
def script_text(name: str) -> tuple[str, str]:
    """A script of the folder scripts, and the digest by which Redis knows it."""
    folder = resources.files("convoy.recognition.store").joinpath("scripts")
    text = folder.joinpath(f"{name}.lua").read_text()
    if name in PLANNED:
        text = folder.joinpath("plan.lua").read_text() + text
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
