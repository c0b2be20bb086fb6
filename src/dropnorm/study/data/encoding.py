"""Tables into numbers: what each column and the target become, kept as a record so that `predict` does the same."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from dropnorm._record import Record
from dropnorm._validate import closest
from dropnorm.errors import DataError
from dropnorm.study.data.columns import ColumnEncoding, encode_column, learn_column
from dropnorm.study.data.sources.table import listed
from dropnorm.study.data.target import infer_task, learn_classes, learn_quantity
from dropnorm.study.records import TaskName


class Encoding(Record):
    """All columns of a table, in order, the target's name, and its classes unless it is a quantity."""

    columns: tuple[ColumnEncoding, ...]
    target: str
    task: TaskName
    classes: tuple[str, ...]

    @property
    def features(self) -> int:
        """The width of the encoded table."""
        return sum(column.features for column in self.columns)

    @property
    def outputs(self) -> int:
        """How many outputs a net needs: one per class, or one for a quantity."""
        return len(self.classes) or 1

    def encode(self, table: pl.DataFrame, source: str = "data") -> np.ndarray:
        """The table as float64 (rows, features); a missing number is NaN, an unknown category all zeros.

        Raises:      DataError for a column that is missing, infinite, or of another kind than the studied column.
        """
        names = [column.name for column in self.columns]
        for name in names:
            if name not in table.columns:
                raise missing_column(source, name, table.columns)
        parts = [encode_column(column, table[column.name], source) for column in self.columns]
        return np.concatenate(parts, axis=1) if parts else np.empty((table.height, 0))


def image_layout(shape: tuple[int, ...]) -> tuple[tuple[int, int, int] | None, bool]:
    """Channels, height and width of an array of this shape if it is an image, and whether its channels come last.

    Of three dimensions the channels are the last, as Pillow has them, unless only the first is as few as 1, 3 or 4.
    """
    match shape:
        case (height, width):
            return (1, height, width), False
        case (first, height, last) if first in (1, 3, 4) and last not in (1, 3, 4):
            return (first, height, last), False
        case (height, width, last):
            return (last, height, width), True
    return None, False


def missing_column(source: str, name: str, columns: Sequence[str]) -> DataError:
    """The error for a column that is not there, with the closest one that is."""
    meant = closest(name, columns)
    hint = f" Did you mean {meant!r}?" if meant else ""
    return DataError(f"{source}: there is no column {name!r}.{hint} The columns are: {listed(columns)}.")


def learn_encoding(
    table: pl.DataFrame, target: str, ignore: Sequence[str], source: str, task: TaskName | None = None
) -> Encoding:
    """Decide for each column what it becomes, and whether the target is of classes, unless `task` says so.

    Raises:      DataError that names the column and the remedy, for one that cannot be encoded.
    """
    for name in (target, *ignore):
        if name not in table.columns:
            raise missing_column(source, name, table.columns)
    names = [name for name in table.columns if name != target and name not in ignore]
    if not names:
        raise DataError(f"{source}: no column is left to learn from, besides the target {target!r}.")
    columns = tuple(learn_column(table[name], source) for name in names)
    task = task or infer_task(table[target])
    classes: tuple[str, ...] = ()
    if task == "classification":
        classes = learn_classes(table[target], source)
    else:
        learn_quantity(table[target], source)
    return Encoding(columns=columns, target=target, task=task, classes=classes)
