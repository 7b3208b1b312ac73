"""Layouts of object detectors."""
