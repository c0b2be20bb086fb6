"""Tables into numbers: what each column and the target become, kept as a record so that `predict` does the same."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from pydantic import Field

from dropnorm._record import Record
from dropnorm.study.data.columns import ColumnEncoding, encode_column
from dropnorm.study.data.lags import Lags, with_lags
from dropnorm.study.data.sources.naming import missing_column
from dropnorm.study.data.sources.table import Source
from dropnorm.study.data.target import guess_task, learn_classes, learn_quantity
from dropnorm.study.records import TaskName

_TARGET = ("target", "task", "classes")


class Encoding(Record):
    """All columns of a table, in order, the target's name, and its classes unless it is a quantity.

    Args:        merged: classes that were too rare to be learned, each with the one that it became; lags: the earlier values of
                 the target that are features, of a series in time.
    """

    columns: tuple[ColumnEncoding, ...]
    target: str
    task: TaskName
    classes: tuple[str, ...]
    merged: dict[str, str] = Field(default_factory=dict)
    lags: Lags | None = None

    @property
    def features(self) -> int:
        """The width of the encoded table."""
        return sum(column.features for column in self.columns)

    @property
    def outputs(self) -> int:
        """How many outputs a net needs: one per class, or one for a quantity."""
        return len(self.classes) or 1

    @property
    def identity(self) -> bytes:
        """What of it decides a study's numbers: how texts are written is no part of that."""
        fields = {"name", "kind", "categories", "cycles", "shape", "has_missing"}
        return self.model_dump_json(include={"columns": {"__all__": fields}, **dict.fromkeys(_TARGET, True)}).encode()

    def encode(self, table: pl.DataFrame, source: Source | str = "data") -> np.ndarray:
        """The table as float64 (rows, features); a missing number is NaN, an unknown category all zeros.

        Raises:      DataError for a column that is missing, infinite, or of another kind than the studied column.
        """
        source = Source(source) if isinstance(source, str) else source
        if self.lags is not None and not set(self.lags.names) <= set(table.columns):
            (table,) = with_lags([table], self.lags, [source])
        columns = {column.name: column for column in table}
        for column in self.columns:
            if column.name not in columns:
                raise missing_column(source, column.name, table.columns)
        parts = [encode_column(column, columns[column.name], source) for column in self.columns]
        if not parts:
            return np.empty((table.height, 0))
        # Polars turns columns into rows in a cache's blocks, in all threads.
        features = (values for part in parts for values in part.T)
        joined = pl.DataFrame([pl.Series(str(place), values) for place, values in enumerate(features)])
        return joined.to_numpy(order="c")


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


def learn_encoding(
    columns: Sequence[ColumnEncoding],
    target: pl.Series,
    source: Source,
    task: TaskName | None = None,
    lags: Lags | None = None,
) -> Encoding:
    """The encoding of understood columns, with the target's: of classes, or a quantity, unless `task` says which.

    Raises:      DataError that names the target and the remedy, for one that cannot be predicted.
    """
    task = task or guess_task(target).task
    classes: tuple[str, ...] = ()
    if task == "classification":
        classes = learn_classes(target, source)
    else:
        learn_quantity(target, source)
    return Encoding(columns=tuple(columns), target=target.name, task=task, classes=classes, lags=lags)
