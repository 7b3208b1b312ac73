"""Keys for the doors of other systems' clients: a tokens file, and the keys in it."""

from pathlib import Path

from convoy.core.security.tokens import write_line

OLD_KEY = "b6c7dd3e-4a5b-4c56-9a30-5f1e0b9a7c11"
"""A key as CompreFace made it, taken over."""


def write_tokens(folder: Path, gallery: str, *more: str) -> Path:
    """A tokens file with OLD_KEY for everything on one gallery. more: further lines."""
    path = folder / "tokens"
    scopes = (f"gallery:{gallery}:admin", "scores", "faces", "detection", "classification")
    path.write_text("\n".join([write_line("cameras", OLD_KEY, scopes), *more]) + "\n")
    return path
