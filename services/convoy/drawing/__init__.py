"""Draws answers into pictures, and writes pictures to files."""
