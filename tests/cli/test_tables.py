"""Tables on terminals of any width: nothing is cut off, whatever the layout."""

import re

import pytest
from rich.console import Console

from dropnorm.cli.tables import draw_table
from dropnorm.report.tables import Column, Table

TABLE = Table(
    columns=(Column("arm", "left"), Column("test accuracy, %"), Column("epochs to plain's best"), Column("p (Holm)")),
    rows=(
        ("plain", "97.4 (96.6 to 98.2)", "13.5 (445.5 steps, 10 of 10 nets)", "–"),
        ("dropout+batch_norm", "98.0 (97.1 to 98.9)", "11.5 (379.5 steps, 9 of 10 nets)", "0.21"),
    ),
    marked=1,
)


def shown(width, table=TABLE, **given):
    console = Console(width=width, force_terminal=False, color_system=None, file=None)
    with console.capture() as captured:
        console.print(draw_table(table, console, **given))
    return [line.rstrip() for line in captured.get().splitlines()]


def cells(line):
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_where_there_is_room_each_row_is_a_line():
    lines = shown(120, title="digits")
    assert lines[0] == "digits"
    assert [cells(line) for line in lines if line.startswith("│")] == [
        list(TABLE.rows[0]),
        [f"→ {TABLE.rows[1][0]}", *TABLE.rows[1][1:]],
    ]


def test_where_there_is_less_cells_are_broken_between_their_parts():
    lines = shown(80)
    body = [cells(line) for line in lines if line.startswith("│")]
    assert [row[2] for row in body] == [
        "13.5",
        "(445.5 steps,",
        "10 of 10 nets)",
        "11.5",
        "(379.5 steps,",
        "9 of 10 nets)",
    ]
    assert [row[1] for row in body if row[1]] == ["97.4", "(96.6 to 98.2)", "98.0", "(97.1 to 98.9)"]


def test_where_there_is_too_little_rows_are_lists():
    assert shown(50, title="digits") == [
        "digits",
        "  plain",
        "    test accuracy, %        97.4 (96.6 to 98.2)",
        "    epochs to plain's best  13.5 (445.5 steps, 10",
        "of 10 nets)",
        "→ dropout+batch_norm",
        "    test accuracy, %        98.0 (97.1 to 98.9)",
        "    epochs to plain's best  11.5 (379.5 steps, 9",
        "of 10 nets)",
        "    p (Holm)                0.21",
    ]


def test_compact_rows_are_paragraphs_that_keep_header_and_cell_together():
    assert shown(40, compact=True)[3:] == [
        "  (445.5 steps, 10 of 10 nets)",
        "→ dropout+batch_norm",
        "  test accuracy, % 98.0 (97.1 to 98.9);",
        "  epochs to plain's best 11.5",
        "  (379.5 steps, 9 of 10 nets);",
        "  p (Holm) 0.21",
    ]


@pytest.mark.parametrize("width", [40, 50, 60, 70, 80, 90, 100, 120, 200])
@pytest.mark.parametrize("compact", [False, True])
def test_nothing_is_cut_off_at_any_width(width, compact):
    lines = shown(width, compact=compact)
    assert max(map(len, lines)) <= width
    assert "…" not in "".join(lines)
    words = set(re.findall(r"[\w.%]+", " ".join(lines)))
    assert words >= {word for row in TABLE.rows for cell in row for word in re.findall(r"[\w.%]+", cell)}
