"""Finds, aligns, judges and embeds faces."""
