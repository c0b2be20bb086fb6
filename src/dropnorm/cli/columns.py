"""`dropnorm columns`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dropnorm._options import options_of
from dropnorm.cli.json_output import Json, print_record
from dropnorm.cli.options import options_for
from dropnorm.cli.printing import print_table, tell
from dropnorm.cli.progress import told_if_slow
from dropnorm.study.options import ColumnsOptions

if TYPE_CHECKING:
    from dropnorm.report.tables import Table
    from dropnorm.study.records import TableDescription

EXAMPLES = """[bold]Examples[/bold]

dropnorm columns churn.csv

dropnorm columns churn.csv --target churned --as zip=category --as joined=day-first

dropnorm columns sales.xlsx --sheet 2 --json
"""
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
    for column in described.columns:
        if column.notice:
            tell(f"{column.name}: {column.notice}")


def _table(described: "TableDescription") -> "Table":
    from dropnorm.report.tables import Column, Table

    headers = ("column", "kind", "distinct", "missing", "examples", "becomes", "why")
    right = ("distinct", "missing")
    rows = tuple(
        (
            column.name,
            column.kind,
            f"{column.distinct:,}",
            f"{column.missing:,}",
            " | ".join(column.examples),
            column.encoding,
            column.reason,
        )
        for column in described.columns
    )
    return Table(tuple(Column(header, "right" if header in right else "left") for header in headers), rows, None)
