"""Whatever a user gives as data, in Python or by a name, as a table with its target."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.sources.given import HeaderGiven, Reading
from dropnorm.study.data.sources.images import IMAGE, image_shape
from dropnorm.study.data.sources.memory import as_column, from_dataset, from_memory
from dropnorm.study.data.sources.naming import column_named
from dropnorm.study.data.sources.reading import read_source
from dropnorm.study.data.sources.table import Table, free_name, listed


def open_source(
    X: Any,
    y: Any = None,
    target: str | None = None,
    reading: Reading = Reading(),  # noqa: B008
    *,
    name: str = "X",
) -> tuple[Table, str]:
    """Read what is to be studied; returns the table, and the name of the column to predict.

    Args:        X: a bundled set's name, a path, a frame, an array or tensor (rows, *), or a torch Dataset; y: labels, if X
                 does not hold them; target: the column to predict, by name or place; name: X's, for errors.
    Raises:      ArgumentError unless it is said once what is to be predicted; DataError for data that cannot be read.
    """
    if isinstance(X, str | Path):
        if y is not None:
            raise ArgumentError("y is given beside a file: expected target, the name of the file's column to predict.")
        table = read_source(X, target, reading)
        target = table.target if target is None else column_named(target, table.frame.columns, X)
        if target is None:
            columns = listed(table.frame.columns, last=True)
            raise DataError(
                f"{Path(X)}: the column to predict is not given. Expected one of: {columns}. Name it with --target: by its "
                f"name, its number, first or last."
            )
        return table, target
    # A frame's names become texts, such as those of pandas' numbered columns.
    target = None if target is None else str(target)
    if isinstance(X, Dataset):
        if y is not None or target is not None:
            given = "y" if target is None else "target"
            raise ArgumentError(f"{given} is given beside a Dataset, whose items (x, y) hold y already. Leave it out.")
        X, y = from_dataset(X, name)
    frame, plain = from_memory(X), _is_array(X)
    if (y is None) == (target is None):
        raise ArgumentError("expected either y, the labels, or target, the name of a column of X.")
    if target is not None:
        target = column_named(target, frame.columns, name)
        return Table(frame, target=target, plain=plain), target
    column, target = as_column(y), free_name("target", frame.columns)
    if len(column) != frame.height:
        raise DataError(f"y has {len(column)} labels for {frame.height} rows of X: expected one label per row.")
    return Table(frame.with_columns(column.alias(target)), target=target, plain=plain), target


def open_test(
    test: Any,
    table: Table,
    target: str,
    reading: Reading = Reading(),  # noqa: B008
) -> Table | None:
    """Read a test part of its own: the one given, that which the table brings along, or None.

    Args:        test: of any kind that X may be, or a pair (X, y); table, target: what is to be learned from.
    Raises:      ArgumentError if there are two, DataError for data that cannot be read.
    """
    if test is None:
        return None if table.test is None else Table(table.test)
    if table.test is not None:
        raise ArgumentError(
            "test is given beside a file that holds X_test itself: expected one of them. Leave test out."
        )
    if isinstance(test, str | Path):
        studied = image_shape(table.frame.schema.get(IMAGE))
        # A header is looked for in both alike, as a short test part may look otherwise.
        header: HeaderGiven = "no" if reading.header == "auto" and not table.named else reading.header
        tested = read_source(test, target, replace(reading, studied=studied, header=header))
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


def open_features(X: Any, reading: Reading = Reading()) -> Table:  # noqa: B008
    """Read what is to be predicted, which needs no target.

    Args:        X: as for `open_source`, of a Dataset the x of its items.
    """
    if isinstance(X, str | Path):
        return read_source(X, reading=reading)
    return Table(from_memory(from_dataset(X, "X")[0] if isinstance(X, Dataset) else X), plain=_is_array(X))


def _is_array(X: Any) -> bool:
    """Whether X has no columns with names of their own."""
    return isinstance(X, Dataset) or not hasattr(X, "columns")


def _with_target(tested: Table, target: str) -> Table:
    """The same with its own target, if it has another name, under this one."""
    if tested.target is None or tested.target not in tested.frame.columns or target in tested.frame.columns:
        return tested
    return replace(tested, frame=tested.frame.rename({tested.target: target}), target=target)
