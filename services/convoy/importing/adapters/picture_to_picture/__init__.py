"""Layouts of networks that make pictures."""
