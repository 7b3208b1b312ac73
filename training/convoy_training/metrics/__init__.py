"""Measures, one idea a file: arrays in, numbers out."""
