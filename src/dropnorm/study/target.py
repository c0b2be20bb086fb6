"""The column to predict: its classes, and which of them each row has."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from dropnorm.errors import DataError
from dropnorm.study.values import as_text, is_number, is_text, without_value

MAX_CLASSES = 100


def learn_classes(column: pl.Series, source: str) -> tuple[str, ...]:
    """The names of the classes in their order: of numbers, or of the alphabet.

    Raises:      DataError for a column that is none of classes.
    """
    if not (is_number(column) or is_text(column) or column.dtype.is_temporal()):
        raise DataError(
            f"{source}: the target {column.name!r} holds {column.dtype}: expected texts, whole numbers, true or false."
        )
    present = column.filter(~without_value(column))
    classes = as_text(present.unique().sort())
    numbers = _as_numbers(classes)
    if numbers and is_text(column):
        # A target in a file is read as text, which is its classes' names; numbers among them keep their order.
        classes.sort(key=float)
    fractional = any(not number.is_integer() for number in numbers) and len(classes) > 10
    if len(classes) > MAX_CLASSES or fractional:
        raise DataError(
            f"{source}: the target {column.name!r} has {len(classes)} different values, so it looks like a quantity or an "
            f"identifier: expected at most {MAX_CLASSES} classes. Bin it into classes, or name another --target."
        )
    if len(classes) < 2:
        found = f"only the class {classes[0]!r}" if classes else "no value in any row"
        raise DataError(f"{source}: the target {column.name!r} has {found}: expected at least two classes.")
    return tuple(classes)


def encode_target(column: pl.Series, classes: Sequence[str]) -> np.ndarray:
    """The index of each row's class, int64."""
    index = {name: position for position, name in enumerate(classes)}
    return np.array([index[text] for text in as_text(column)], dtype=np.int64)


def _as_numbers(texts: Sequence[str]) -> list[float]:
    """The numbers that all the texts are, or none."""
    try:
        return [float(text) for text in texts]
    except ValueError:
        return []
