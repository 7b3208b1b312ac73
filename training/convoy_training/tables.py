"""Prints tables, complete even where the output is not a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

WIDEST = 400


def print_table(table: Table) -> None:
    """Prints a table as wide as the terminal, or as its numbers need: cut off, nobody could read them."""
    for column in table.columns:
        column.no_wrap = True
    console = Console()
    console.width = max(console.width, Console(width=WIDEST).measure(table).maximum)
    console.print(table)
