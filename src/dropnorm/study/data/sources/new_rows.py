"""What Python users have in memory to be predicted: frames, arrays by position, dictionaries, and single rows of them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from torch.utils.data import Dataset

from dropnorm.errors import ArgumentTypeError, DataError
from dropnorm.study.data.sources.memory import array_column, from_dataset, from_memory
from dropnorm.study.data.sources.table import listed

_WANTED = (
    "a frame, a dictionary or a list of dictionaries by the columns' names, or an array of the columns in their order"
)


def frame_of_new_rows(X: Any, shapes: Mapping[str, tuple[int, ...]]) -> pl.DataFrame:
    """A frame with the studied columns.

    Args:        X: a frame, whose other columns do no harm; a dictionary of one row, or of columns; a list of dictionaries; a
                 Series or another sequence, which is a row; an array or tensor (rows, columns) in the studied order; a torch
                 Dataset, of whose items x is taken; shapes: of the studied columns by name, () of those that hold no arrays.
    Raises:      ArgumentTypeError for what is none of these, DataError for another number of columns than were studied.
    """
    if isinstance(X, Dataset):
        X = from_dataset(X, "X")[0]
    if isinstance(X, pl.DataFrame) or (hasattr(X, "iloc") and hasattr(X, "columns")):
        return from_memory(X)
    if isinstance(X, Mapping):
        return _of_records(X)
    if isinstance(X, list | tuple) and X and all(isinstance(row, Mapping) for row in X):
        return _of_rows(X)
    if hasattr(X, "iloc") and hasattr(X, "index"):  # a pandas Series
        named = {str(name): value for name, value in zip(X.index, X.tolist(), strict=True)}
        return (
            _of_rows([named]) if shapes.keys() <= named.keys() else _by_position(np.array([X.tolist()], object), shapes)
        )
    if isinstance(X, pl.Series):
        return _by_position(np.array([X.to_list()], dtype=object), shapes)
    return _by_position(_array(X), shapes)


def _of_records(X: Mapping[Any, Any]) -> pl.DataFrame:
    """One row, whose values stand alone, or columns of one length."""
    values = {str(name): value for name, value in X.items()}
    long = [name for name, value in values.items() if _is_column(value)]
    if not long:
        return _of_rows([values])
    sizes = {len(values[name]) for name in long}
    if len(long) < len(values) or len(sizes) > 1:
        raise DataError(
            f"X is a dictionary of columns of {listed(sorted(sizes))} values{' and single ones' * (len(long) < len(values))}: "
            f"expected one length for all, or one value of each for a single row. Bring them to one length."
        )
    return _told(lambda: pl.DataFrame({name: _column(name, value) for name, value in values.items()}, strict=False))


def _of_rows(rows: Sequence[Mapping[Any, Any]]) -> pl.DataFrame:
    named = [{str(name): value for name, value in row.items()} for row in rows]
    names = list(dict.fromkeys(name for row in named for name in row))
    return _told(lambda: pl.DataFrame([_column(name, [row.get(name) for row in named]) for name in names]))


def _column(name: str, values: Any) -> pl.Series:
    """A column of whatever numbers, texts and gaps."""
    if isinstance(values, pl.Series):
        return values.alias(name)
    if hasattr(values, "iloc"):
        return from_memory(values.to_frame(name))[name]
    array = np.asarray(values) if not isinstance(values, list | tuple) else None
    if array is not None and array.ndim > 1:
        return array_column(name, array)
    own = [value.item() if isinstance(value, np.generic) else value for value in values]
    own = [None if isinstance(value, float) and math.isnan(value) else value for value in own]
    mixed = {type(value) for value in own if value is not None} - {int, float, bool}
    texts = bool(mixed) and str in mixed and len({type(value) for value in own if value is not None}) > 1
    return pl.Series(name, [None if value is None else str(value) for value in own] if texts else own, strict=False)


def _by_position(array: np.ndarray, shapes: Mapping[str, tuple[int, ...]]) -> pl.DataFrame:
    """Columns in their studied order; of one column of arrays, the arrays themselves or their numbers in a row."""
    names = list(shapes)
    shape = shapes[names[0]] if len(names) == 1 else ()
    if array.ndim == 0 or array.dtype.kind not in "biufOUS":
        raise ArgumentTypeError(f"X of shape {array.shape} and dtype {array.dtype} is not a table: expected {_WANTED}.")
    if shape and array.dtype.kind in "biuf" and math.prod(array.shape[-len(shape) :]) == math.prod(shape):
        own = array if array.shape[1:] == shape else array.reshape(-1, *shape)
        return pl.DataFrame([array_column(names[0], own)])
    if shape and array.ndim == 2 and array.dtype.kind in "biuf" and array.shape[1] == math.prod(shape):
        return pl.DataFrame([array_column(names[0], array.reshape(-1, *shape))])
    if array.ndim > 2:
        return pl.DataFrame([array_column(names[0], array)]) if len(names) == 1 else _refused(array.shape, names)
    if array.ndim == 1:
        array = array[:, None] if len(names) == 1 else array[None]
    if array.shape[1] != len(names):
        return _refused(array.shape, names)
    if array.dtype.kind in "biuf":
        return pl.DataFrame({name: array[:, place] for place, name in enumerate(names)})
    return _told(lambda: pl.DataFrame([_column(name, array[:, place].tolist()) for place, name in enumerate(names)]))


def _refused(shape: tuple[int, ...], names: Sequence[str]) -> pl.DataFrame:
    raise DataError(
        f"X of shape {shape} has no names, and not as many columns as were studied: expected (rows, {len(names)}), in the "
        f"order {listed(names, last=True)}. Bring the columns into that order, or give a frame with their names."
    )


def _array(X: Any) -> np.ndarray:
    try:
        array = X.detach().cpu().numpy() if hasattr(X, "detach") else np.asarray(X)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ArgumentTypeError(
            f"X of type {type(X).__name__} is not a table: expected {_WANTED}. Convert it."
        ) from error
    if array.ndim == 0 or array.dtype.kind not in "biufOUS":
        raise ArgumentTypeError(f"X of type {type(X).__name__} is not a table: expected {_WANTED}. Convert it.")
    return array


def _is_column(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str | bytes | Mapping)


def _told(make: Any) -> pl.DataFrame:
    try:
        frame: pl.DataFrame = make()
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise ArgumentTypeError(
            f"X holds what is no table ({str(error).partition(chr(10))[0]}): expected {_WANTED}. Convert its values."
        ) from error
    return frame
