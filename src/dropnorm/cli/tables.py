"""Tables as wide as the terminal allows: whole, with cells broken where their parts end, or as a list."""

import textwrap
from typing import TYPE_CHECKING

from rich import table as rich_table
from rich.console import Console, RenderableType
from rich.text import Text

from dropnorm.cli.control_characters import visible

if TYPE_CHECKING:
    from dropnorm.report.tables import Table

_ANY_WIDTH = 10_000
_JOINED = "\N{NO-BREAK SPACE}"


def draw_table(table: "Table", console: Console, title: str | None = None, *, compact: bool = False) -> RenderableType:
    """A table under its title, with an arrow to the row that is marked; never with a number cut off.

    Args:        compact: where the terminal is too narrow for a table, each row is a paragraph, and not a list.
    """
    for broken in (False, True):
        drawn = _drawn(table, title, broken=broken)
        if console.measure(drawn, options=console.options.update(max_width=_ANY_WIDTH)).maximum <= console.width:
            return drawn
    rows = [_listed(table, index, console.width, compact=compact) for index in range(len(table.rows))]
    return Text("\n").join([Text(visible(title), style="italic"), *rows] if title else rows)


def _drawn(table: "Table", title: str | None, *, broken: bool) -> rich_table.Table:
    drawn = rich_table.Table(title=title, title_justify="left")
    rows = [[_broken(cell) if broken and index else cell for index, cell in enumerate(row)] for row in _cells(table)]
    for index, column in enumerate(table.columns):
        widths = [len(line) for row in rows for line in row[index].splitlines()]
        width = max([*widths, *map(len, column.header.split())]) if broken else None
        drawn.add_column(column.header, justify=column.align, no_wrap=column.align == "left", width=width)
    for index, row in enumerate(rows):
        drawn.add_row(*row, style="bold" if index == table.marked else "")
    return drawn


def _cells(table: "Table") -> list[tuple[str, ...]]:
    """The rows, with an arrow before the one that is marked."""
    rows = [tuple(visible(cell).replace("\n", "\\n") for cell in row) for row in table.rows]
    if table.marked is None:
        return rows
    return [(f"{'→' if index == table.marked else ' '} {row[0]}", *row[1:]) for index, row in enumerate(rows)]


def _broken(cell: str) -> str:
    """A cell in lines: an interval, and what is in brackets or behind a comma, on its own."""
    return cell.replace(" (", "\n(").replace(", ", ",\n")


def _listed(table: "Table", index: int, width: int, *, compact: bool) -> Text:
    """A row by its headers."""
    from dropnorm.report.tables import NONE

    first, *cells = _cells(table)[index]
    told = [(column.header, cell) for column, cell in zip(table.columns[1:], cells, strict=True) if cell != NONE]
    if compact:
        # No line ends between a header and its cell, nor before a unit, but before what is in brackets.
        told_whole = [
            f"{header} ".replace(" ", _JOINED)
            + " ".join(part.replace(" ", _JOINED) for part in _broken(cell).splitlines())
            for header, cell in told
        ]
        lines = textwrap.fill("; ".join(told_whole), width, initial_indent="  ", subsequent_indent="  ").replace(
            _JOINED, " "
        )
    else:
        longest = max((len(header) for header, _ in told), default=0)
        lines = "\n".join(f"    {header:{longest}}  {cell}" for header, cell in told)
    return Text(first, style="bold").append("\n" + lines, style="not bold")
