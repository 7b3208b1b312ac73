"""Turns pictures from bytes into pixels and into a graph's input, and maps boxes and masks back to the picture."""
