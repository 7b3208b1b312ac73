"""Layouts of segmenters."""
