"""The kinds of picture files that Convoy reads. To add one, add it here and in `decoding`, which opens them."""

PILLOW_FORMATS = ("JPEG", "PNG", "WEBP")
"""Pillow's names for them."""
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp")
"""File endings, in lower case, by which commands and data sets find pictures in a folder."""
NAMES = "JPEG, PNG or WebP"
"""Their names, for messages."""
