"""What the columns of a table hold and would become, without a study."""

from pathlib import Path
from typing import Any

import polars as pl

from dropnorm._options import with_options
from dropnorm.errors import DataError
from dropnorm.study.conclusions.column_words import what_it_became
from dropnorm.study.data.column_summaries import summary_of
from dropnorm.study.data.dataset import reading_of
from dropnorm.study.data.sources.naming import column_named, columns_named
from dropnorm.study.data.sources.opening import open_features
from dropnorm.study.data.sources.reading import read_source
from dropnorm.study.data.sources.table import Source, Table
from dropnorm.study.data.target import guess_task
from dropnorm.study.data.understanding import understand_columns
from dropnorm.study.data.values import as_texts, without_value
from dropnorm.study.options import ColumnsOptions, kinds_in
from dropnorm.study.records import ColumnDescription, KindGiven, TableDescription

_EXAMPLES, _LONGEST = 3, 24


@with_options(ColumnsOptions)
def describe_columns(options: ColumnsOptions) -> TableDescription:
    """Say what each column of a table holds, why that is thought, and what a study would make of it.

    Args:        {options}
    Raises:      DataError for data that cannot be read, ArgumentError for a column or an option that is not there.
    Example:
        >>> import dropnorm as dn
        >>> import polars as pl
        >>> table = dn.describe_columns(pl.DataFrame({"paid": ["yes", "No", "yes"], "price": ["1,200.50 $", "900 $", "5 $"]}))
        >>> [(column.name, column.kind, column.reason) for column in table.columns]
        [('paid', 'boolean', 'yes and no'), ('price', 'number', 'numbers with thousands separated by commas, in $')]
    """
    X = options.X
    table = _opened(X, options)
    source = Source(str(X) if isinstance(X, str | Path) else "X", line=table.line)
    columns = table.frame.columns
    target = table.target if options.target is None else column_named(options.target, columns, source)
    ignored = columns_named(options.ignore, columns, f"ignore={list(options.ignore)!r}")
    given = kinds_in(options.kinds).items()
    kinds = {column_named(name, columns, f"--as {name}={kind}"): kind for name, kind in given}
    described = tuple(
        _target(table.frame[name])
        if name == target
        else _ignored(table.frame[name])
        if name in ignored
        else _described(table.frame[name], source, kinds, first=place == 0 and len(columns) > 1, plain=table.plain)
        for place, name in enumerate(columns)
    )
    return TableDescription(name=source.name, rows=table.frame.height, columns=described, notices=table.notices)


def _opened(X: Any, options: ColumnsOptions) -> Table:
    if isinstance(X, str | Path):
        return read_source(X, options.target, reading_of(options))
    return open_features(X)


def _described(
    column: pl.Series, source: Source, kinds: dict[str, KindGiven], *, first: bool, plain: bool
) -> ColumnDescription:
    counted = _counted(column)
    own = {name: kind for name, kind in kinds.items() if name == column.name}
    try:
        (understood,) = understand_columns(column.to_frame(), [column.name], source, own, plain=plain, first=first)
    except DataError as error:
        return counted.model_copy(update={"kind": "unclear", "notice": str(error)})
    summary = summary_of(understood)
    return counted.model_copy(
        update={
            "kind": understood.kind,
            "reason": understood.reason,
            "encoding": what_it_became(summary),
            "features": understood.encoding.features if understood.encoding else 0,
            "notice": understood.notice,
        }
    )


def _target(column: pl.Series) -> ColumnDescription:
    guess = guess_task(column)
    became = "the classes to predict" if guess.task == "classification" else "the quantity to predict"
    return _counted(column).model_copy(update={"kind": "target", "encoding": became, "reason": guess.words})


def _ignored(column: pl.Series) -> ColumnDescription:
    return _counted(column).model_copy(update={"kind": "left out", "encoding": "nothing: --ignore names it"})


def _counted(column: pl.Series) -> ColumnDescription:
    """What can be counted of a column of whatever kind."""
    present = column.filter(~without_value(column))
    hashable = not isinstance(column.dtype, pl.Array | pl.List | pl.Struct | pl.Object)
    different = present.unique(maintain_order=True) if hashable else present
    examples = [str(value) for value in as_texts(different.head(_EXAMPLES))] if hashable else []
    return ColumnDescription(
        name=column.name,
        kind="unclear",
        distinct=len(different),
        missing=len(column) - len(present),
        examples=tuple(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…" for text in examples),
    )
