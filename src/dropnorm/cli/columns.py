"""`dropnorm columns`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropnorm._options import options_of
from dropnorm.cli.json_output import Json, print_record
from dropnorm.cli.options import options_for
from dropnorm.cli.printing import print_sentences, print_table, tell
from dropnorm.cli.progress import told_if_slow
from dropnorm.study.options import ColumnsOptions

if TYPE_CHECKING:
    from dropnorm.report.tables import Table
    from dropnorm.study.records import ColumnDescription, TableDescription

EXAMPLES = """[bold]Examples[/bold]

dropnorm columns churn.csv

dropnorm columns churn.csv --target churned --as zip=category --as joined=day-first

dropnorm columns sales.xlsx --sheet 2 --json
"""
LONGEST = 16  # letters of an example
_OPTIONS = options_of(ColumnsOptions)


@options_for(option for option in _OPTIONS.values() if option.in_words and option.name != "X")
def columns(
    given: dict[str, Any],
    data: Annotated[str, typer.Argument(help=f"{_OPTIONS['X'].summary}.")],
    json: Json = False,
) -> None:
    """Say what each column of your data holds, why that is thought, and what a study would make of it; nothing is trained."""
    from dropnorm.study.data.column_descriptions import describe_columns

    with told_if_slow(f"Reading {data} ..."):
        described = describe_columns(data, **given)
    if json:
        print_record(described)
        return
    for notice in described.notices:
        tell(f"{described.name}: {notice}.")
    print_table(_table(described), f"{described.name}: {described.rows:,} rows, {len(described.columns):,} columns")
    print_sentences([f"{column.name}: {note}." for column in described.columns if (note := _note(column))])


def _table(described: "TableDescription") -> "Table":
    from dropnorm.report.tables import NONE, Column, Table

    headers = ("column", "kind", "distinct", "missing", "examples", "becomes")
    right = ("distinct", "missing")
    rows = tuple(
        (
            column.name,
            column.kind,
            f"{column.distinct:,}",
            f"{column.missing:,}",
            ", ".join(map(_short, column.examples)) or NONE,
            _became(column),
        )
        for column in described.columns
    )
    return Table(tuple(Column(header, "right" if header in right else "left") for header in headers), rows, None)


def _became(column: "ColumnDescription") -> str:
    if column.kind == "target":
        return "the target"
    if not column.features:
        return "unclear" if column.kind == "unclear" else "nothing"
    return f"{column.features:,} feature{'s' if column.features > 1 else ''}"


def _note(column: "ColumnDescription") -> str:
    """What is to be known of a column beside its kind: how it is written, why it is left out, what else it may be."""
    plain = ("numbers", "texts", "dates")
    parts = [column.reason if column.reason not in plain else "", column.notice]
    return "; ".join(part.rstrip(".") for part in parts if part)


def _short(example: str) -> str:
    return example if len(example) <= LONGEST else f"{example[: LONGEST - 1]}…"
