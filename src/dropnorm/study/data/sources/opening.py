"""Whatever a user gives as data, in Python or by a name, as a table with its target."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from torch.utils.data import Dataset

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.sources.images import IMAGE, image_shape
from dropnorm.study.data.sources.memory import as_column, from_dataset, from_memory
from dropnorm.study.data.sources.reading import read_source
from dropnorm.study.data.sources.table import Table, free_name, listed


def open_source(
    X: Any,
    y: Any = None,
    target: str | None = None,
    *,
    texts: Sequence[str] = (),
    skip_broken: bool = False,
    name: str = "X",
) -> tuple[Table, str]:
    """Read what is to be studied; returns the table, and the name of the column to predict.

    Args:        X: a bundled set's name, a path, a frame, an array or tensor (rows, *), or a torch Dataset; y: labels, if X
                 does not hold them; texts: columns that stay as they are written; name: X's, for errors.
    Raises:      ArgumentError unless it is said once what is to be predicted; DataError for data that cannot be read.
    """
    if isinstance(X, str | Path):
        if y is not None:
            raise ArgumentError("y is given beside a file: expected target, the name of the file's column to predict.")
        table = read_source(X, target, texts=texts, skip_broken=skip_broken)
        target = target or table.target
        if target is None:
            columns = listed(table.frame.columns)
            raise DataError(f"{Path(X)}: the column to predict is not given. Name it with --target, one of: {columns}.")
        return table, target
    # A frame's names become texts, such as those of pandas' numbered columns.
    target = None if target is None else str(target)
    if isinstance(X, Dataset):
        if y is not None or target is not None:
            given = "y" if target is None else "target"
            raise ArgumentError(f"{given} is given beside a Dataset, whose items (x, y) hold y already. Leave it out.")
        X, y = from_dataset(X, name)
    frame = from_memory(X)
    if (y is None) == (target is None):
        raise ArgumentError("expected either y, the labels, or target, the name of a column of X.")
    if target is not None:
        return Table(frame, target=target), target
    column, target = as_column(y), free_name("target", frame.columns)
    if len(column) != frame.height:
        raise DataError(f"y has {len(column)} labels for {frame.height} rows of X: expected one label per row.")
    return Table(frame.with_columns(column.alias(target)), target=target), target


def open_test(
    test: Any, table: Table, target: str, *, texts: Sequence[str] = (), skip_broken: bool = False
) -> Table | None:
    """Read a test part of its own: the one given, that which the table brings along, or None.

    Args:        test: of any kind that X may be, or a pair (X, y); table, target: what is to be learned from;
                 texts: columns that stay as they are written.
    Raises:      ArgumentError if there are two, DataError for data that cannot be read.
    """
    if test is None:
        return None if table.test is None else Table(table.test)
    if table.test is not None:
        raise ArgumentError(
            "test is given beside a file that holds X_test itself: expected one of them. Leave test out."
        )
    if isinstance(test, str | Path):
        # What were texts in the one file are texts in the other, whatever they look like there.
        schema = table.frame.schema
        kept = [name for name, dtype in schema.items() if dtype == pl.String and name != target]
        studied = image_shape(schema.get(IMAGE))
        tested = read_source(test, target, texts=[*texts, *kept], skip_broken=skip_broken, studied=studied)
        if tested.test is not None:
            raise DataError(
                f"{test}: it holds both X_train and X_test: expected one table to test on. Save its X_test and y_test as X "
                f"and y, or study the file itself."
            )
        return _with_target(tested, target)
    if isinstance(test, tuple):
        if len(test) != 2:
            raise ArgumentError(
                f"test is a tuple of {len(test)}: expected a pair (X, y), or one table that holds both."
            )
        return _with_target(open_source(*test, name="test")[0], target)
    tested, _ = open_source(test, None, None if isinstance(test, Dataset) else target, name="test")
    return _with_target(tested, target)


def open_features(
    X: Any, texts: Sequence[str] = (), *, skip_broken: bool = False, studied: tuple[int, ...] = ()
) -> Table:
    """Read what is to be predicted, which needs no target.

    Args:        X: as for `open_source`, of a Dataset the x of its items; texts: columns that stay as they are written;
                 skip_broken: leave out images that cannot be used; studied: the shape of the studied images.
    """
    if isinstance(X, str | Path):
        return read_source(X, texts=texts, skip_broken=skip_broken, labelled=False, studied=studied)
    return Table(from_memory(from_dataset(X, "X")[0] if isinstance(X, Dataset) else X))


def _with_target(tested: Table, target: str) -> Table:
    """The same with its own target, if it has another name, under this one."""
    if tested.target is None or tested.target not in tested.frame.columns or target in tested.frame.columns:
        return tested
    return replace(tested, frame=tested.frame.rename({tested.target: target}), target=target)
