"""What each column of the data became, as rows of text."""

from dropnorm.report.tables import NONE, Column, Table
from dropnorm.study.conclusions.column_words import what_it_became, what_it_holds
from dropnorm.study.conclusions.wording import counted, joined
from dropnorm.study.records import ColumnSummary, DataDescription

SHOWN = 20


def encoding_table(data: DataDescription) -> Table:
    """List columns that are encoded alike in one row: what they hold, what each became, and how many features all are.

    After the first rows, what the others are is summed up in a last one.
    """
    summaries = data.columns_encoded
    rows = [(_names(one), _held(one), what_it_became(one), f"{one.features:,}") for one in summaries[:SHOWN]]
    if rest := summaries[SHOWN:]:
        columns = counted(sum(one.count for one in rest), "columns")
        kinds = counted(len(rest), "kinds")
        rows.append((f"{columns} more", f"of {kinds} more", "", f"{sum(one.features for one in rest):,}"))
    headers = ("column", "what it holds", "what it became", "features")
    return Table(
        tuple(Column(header, "right" if header == "features" else "left") for header in headers), tuple(rows), None
    )


def _names(one: ColumnSummary) -> str:
    """Name the first columns, and count the others."""
    more = one.count - len(one.names)
    return joined([*one.names, *([f"{more:,} more"] if more else [])])


def _held(one: ColumnSummary) -> str:
    """Say what was in a column, as it was written where that is no matter of course."""
    written = one.reason if one.kind in ("number", "date", "boolean") else ""
    held = what_it_holds(one) or NONE
    if written:
        held = f"{written}, some missing" if one.has_missing else written
    return f"{held}; {one.notice}" if one.notice else held
