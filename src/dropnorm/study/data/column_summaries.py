"""What the columns of a table became, in few records: columns that are encoded alike share one."""

from collections.abc import Sequence

from dropnorm.study.data.columns import ColumnEncoding
from dropnorm.study.data.order import Order
from dropnorm.study.records import ColumnSummary

NAMES = 6
IGNORED = "--ignore names it"
GROUPED = "it says which rows stay together; that of a new row would be unknown"
ORDERED = "it orders the rows in time; that of a new row would be beyond all known"


def summarize_columns(
    columns: Sequence[ColumnEncoding], order: Order, ignored: Sequence[str]
) -> tuple[ColumnSummary, ...]:
    """One summary for all columns that are encoded alike, in the order of the first of each, and then those left out."""
    alike: dict[ColumnSummary, list[ColumnEncoding]] = {}
    for column in columns:
        alike.setdefault(_encoded(column), []).append(column)
    summaries = [
        summary.model_copy(
            update={
                "names": tuple(column.name for column in own[:NAMES]),
                "count": len(own),
                "features": sum(column.features for column in own),
            }
        )
        for summary, own in alike.items()
    ]
    reasons = (((order.group,), GROUPED), ((order.time,), ORDERED), (tuple(ignored), IGNORED))
    for given, reason in reasons:
        names = tuple(name for name in given if name is not None)
        if names:
            left_out = ColumnSummary(names=names[:NAMES], count=len(names), kind="left out", features=0, reason=reason)
            summaries.append(left_out)
    return tuple(summaries)


def _encoded(column: ColumnEncoding) -> ColumnSummary:
    """What columns that are encoded alike have in common."""
    return ColumnSummary(
        names=(),
        count=0,
        kind=column.kind,
        features=0,
        categories=len(column.categories),
        cycles=column.cycles,
        shape=column.shape,
        has_missing=column.has_missing,
    )
