"""What the commands say, and where: results to standard output, all else beside them."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import table as rich_table
from rich.console import Console

if TYPE_CHECKING:
    from dropnorm.report.tables import Table
    from dropnorm.study.records import Summary

_ANY_WIDTH = 10_000


def complain(message: str) -> None:
    """Say what is wrong."""
    tell(f"dropnorm: {message}")


def tell(message: str, console: Console | None = None) -> None:
    """Say something beside the results, which alone go to standard output."""
    console = console or Console(stderr=True)
    console.print(message, markup=False, highlight=False, soft_wrap=True)


def print_results(summary: "Summary") -> None:
    """The table of arms, the recommended one marked, and the verdict."""
    from dropnorm.report.tables import arm_table, repetitions
    from dropnorm.study.learning_curve import describe_curve
    from dropnorm.study.task import TASKS

    title = f"{summary.data.name}: {repetitions(summary.config)}; intervals 95 %"
    print_table(arm_table(summary), title)
    curve = summary.learning_curve
    said = [describe_curve(curve, TASKS[summary.data.task].metric)] if curve else []
    print_sentences([*summary.verdict, *said])


def print_table(table: "Table", title: str | None = None, *, or_list: bool = False) -> None:
    """A table under its title, with an arrow to the row that is marked.

    Args:        or_list: on a terminal that is too narrow for it, a paragraph for each row instead of cells of a few letters.
    """
    console = _console()
    drawn = rich_table.Table(title=title, title_justify="left")
    for column in table.columns:
        drawn.add_column(column.header, justify=column.align, no_wrap=column.align == "left")
    for index, row in enumerate(table.rows):
        marked = index == table.marked
        first = row[0] if table.marked is None else ("→ " if marked else "  ") + row[0]
        drawn.add_row(first, *row[1:], style="bold" if marked else "")
    whole = console.measure(drawn, options=console.options.update(max_width=_ANY_WIDTH)).maximum
    if or_list and whole > console.width:
        _print_list(table, console)
    else:
        console.print(drawn)


def _print_list(table: "Table", console: Console) -> None:
    from dropnorm.report.tables import NONE

    headers = [column.header for column in table.columns[1:]]
    for first, *cells in table.rows:
        console.print(first, style="bold", markup=False, highlight=False, soft_wrap=True)
        told = [f"{header} {cell}" for header, cell in zip(headers, cells, strict=True) if cell != NONE]
        # No line ends between a header and its cell, nor before a unit.
        text = ", ".join(told).replace(" ", "\N{NO-BREAK SPACE}").replace(",\N{NO-BREAK SPACE}", ", ")
        lines = textwrap.fill(text, console.width, initial_indent="  ", subsequent_indent="  ")
        console.print(lines.replace("\N{NO-BREAK SPACE}", " "), markup=False, highlight=False, soft_wrap=True)


def print_sentences(sentences: Sequence[str]) -> None:
    """What the numbers say, one sentence a line, on a terminal broken between words."""
    console = _console()
    console.print("\n".join(sentences), markup=False, highlight=False, soft_wrap=not console.is_terminal)


def _console() -> Console:
    """Standard output; wide enough for tables where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=160)
