"""Layouts of face detectors with five landmarks."""
