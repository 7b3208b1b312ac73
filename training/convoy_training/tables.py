"""Tables for people, whole also where the output is no terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

NARROWEST = 118
"""Below so many columns numbers would be cut off, which nobody can read; a terminal wraps lines instead."""


def print_table(table: Table) -> None:
    """Prints a table as wide as the terminal, or as its numbers need."""
    for column in table.columns:
        column.no_wrap = True
    console = Console()
    console.width = max(console.width, NARROWEST)
    console.print(table)
