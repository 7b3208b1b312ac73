"""Layouts of face embedders."""
