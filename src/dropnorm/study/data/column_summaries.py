"""What the columns of a table became, in few records: columns that are encoded alike share one."""

from collections.abc import Sequence

from dropnorm.study.data.columns import ColumnEncoding
from dropnorm.study.data.order import Order
from dropnorm.study.data.understanding import UnderstoodColumn
from dropnorm.study.records import ColumnSummary

NAMES = 6
NAMED, NOTICES = 3, 6  # columns that a notice names, and notices of single columns
LEFT_OUT = {
    "identifier": "identifiers",
    "text": "texts",
    "constant": "constant",
    "empty": "empty",
}
"""The kinds that are no features, with what they are called in a notice."""
IGNORED = "--ignore names it"
GROUPED = "it says which rows stay together; that of a new row would be unknown"
ORDERED = "it orders the rows in time; that of a new row would be beyond all known"


def summarize_columns(
    columns: Sequence[UnderstoodColumn], order: Order, ignored: Sequence[str]
) -> tuple[ColumnSummary, ...]:
    """One summary for all columns that are understood alike, in the order of the first of each, and then those left out."""
    alike: dict[ColumnSummary, list[UnderstoodColumn]] = {}
    for column in columns:
        alike.setdefault(summary_of(column), []).append(column)
    summaries = [
        summary.model_copy(
            update={
                "names": tuple(column.name for column in own[:NAMES]),
                "count": len(own),
                "features": sum(column.encoding.features for column in own if column.encoding),
            }
        )
        for summary, own in alike.items()
    ]
    summaries.sort(key=lambda summary: summary.kind in LEFT_OUT)
    reasons = (((order.group,), GROUPED), ((order.time,), ORDERED), (tuple(ignored), IGNORED))
    for given, reason in reasons:
        names = tuple(name for name in given if name is not None)
        if names:
            left_out = ColumnSummary(names=names[:NAMES], count=len(names), kind="left out", features=0, reason=reason)
            summaries.append(left_out)
    return tuple(summaries)


def notices_of(columns: Sequence[UnderstoodColumn]) -> tuple[str, ...]:
    """What to tell of columns before a study begins: those left out, by kind, and what else is to be known of others."""
    notices = []
    for kind, noun in LEFT_OUT.items():
        own = [column for column in columns if column.kind == kind]
        if own:
            shown = ", ".join(f"{column.name} ({column.reason})" for column in own[:NAMED])
            more = f", and {len(own) - NAMED} more" if len(own) > NAMED else ""
            remedy = f"; --as {own[0].name}=category uses it all the same" if kind in ("identifier", "text") else ""
            notices.append(f"left out as {noun}: {shown}{more}{remedy}")
    told = [f"{column.name} {column.notice}" for column in columns if column.notice]
    return (
        *notices,
        *told[:NOTICES],
        *([f"{len(told) - NOTICES} more columns have such notices"] if told[NOTICES:] else []),
    )


def summary_of(column: UnderstoodColumn) -> ColumnSummary:
    """What a column has in common with all that are understood alike."""
    encoding = column.encoding or ColumnEncoding(name="", kind="number")
    return ColumnSummary(
        names=(),
        count=0,
        kind=column.kind,
        features=0,
        categories=len(encoding.categories),
        cycles=encoding.cycles,
        shape=encoding.shape,
        has_missing=encoding.has_missing,
        reason=column.reason,
        notice=column.notice,
    )
