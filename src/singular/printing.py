"""How the ``singular`` command prints: tables, headed facts, JSON. Imports nothing heavy before it is called."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

FOLDED = 100
"""Columns to which a page is folded where no terminal is."""
LEFT = ("flags", "question", "oracle", "family", "method", "quantity", "estimates")
"""Columns of text."""


def status(line: str) -> None:
    """Print a line of progress to the standard error."""
    typer.echo(line, err=True)


def print_json(frame: pd.DataFrame) -> None:
    """Print the rows of a frame as JSON."""
    from singular.analysis.tables import as_json

    typer.echo(as_json(frame))


def print_table(title: str, frame: pd.DataFrame, notes: Sequence[str] = ()) -> None:
    """Print a frame of strings, with notes below: as wide as it needs in a pipe, fitted to the window on a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for column in frame.columns:
        left = column == frame.columns[0] or column in LEFT
        whole = not left or column == frame.columns[0]
        table.add_column(str(column), justify="left" if left else "right", overflow="fold", no_wrap=whole)
    for row in frame.itertuples(index=False, name=None):
        table.add_row(*map(Text, row))
    page = console()
    page.print(title, style="italic", highlight=False, markup=False)
    page.print(table, soft_wrap=not sys.stdout.isatty())
    for note in notes:
        page.print(note, markup=False, highlight=False)


def print_facts(title: str, facts: Mapping[str, str], note: str) -> None:
    """Print headings with their texts beside them, and a paragraph below, folded to the window."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style="italic", no_wrap=True)
    grid.add_column(overflow="fold")
    for heading, text in facts.items():
        grid.add_row(heading, Text(text))
    page = console(FOLDED)
    page.print(title, style="bold", highlight=False)
    page.print(grid)
    if note:
        page.print(f"\n{note}", markup=False, highlight=False)


def console(width: int = 240) -> Console:
    """Return the terminal, or a page of ``width`` columns where the output is none."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=width)
