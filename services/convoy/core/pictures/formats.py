"""The kinds of picture files that Convoy reads: a new one is added here and in `decoding`, which opens them."""

PILLOW_FORMATS = ("JPEG", "PNG", "WEBP")
"""As Pillow calls them."""
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp")
"""Endings of file names, in lower case, by which commands and data sets find pictures in a folder."""
NAMES = "JPEG, PNG or WebP"
"""For sentences."""
