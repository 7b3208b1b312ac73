"""Layouts of classifiers."""
