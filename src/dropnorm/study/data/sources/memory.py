"""What Python users have in memory: frames of polars and pandas, arrays, tensors, and torch's map-style Datasets."""

from typing import Any

import numpy as np
import polars as pl
from torch.utils.data import Dataset, IterableDataset

from dropnorm.errors import ArgumentTypeError, DataError

ARRAY_COLUMN = "x"


def from_memory(X: Any) -> pl.DataFrame:
    """A polars frame of a frame, an array or a tensor.

    An array (rows, columns) has columns x0, x1, ...; one of more dimensions, such as images, is a single column of arrays.
    """
    if isinstance(X, pl.DataFrame):
        return X
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        columns: dict[str, pl.Series] = {}
        for index, name in enumerate(map(str, X.columns)):
            if name in columns:
                raise DataError(f"X: the column name {name!r} is there twice. Expected each name once: rename one.")
            columns[name] = _series(X.iloc[:, index])
        return pl.DataFrame(columns)
    array = _array(X)
    if array.ndim < 2 or array.dtype.kind not in "biuf":
        raise ArgumentTypeError(
            f"X of shape {array.shape} and dtype {array.dtype} is not a table: expected a frame, or a numeric array of "
            f"shape (rows, columns). Convert it."
        )
    return frame_of_array(array)


def frame_of_array(array: np.ndarray) -> pl.DataFrame:
    """A frame of a numeric array (rows, columns) or (rows, *)."""
    if array.ndim > 2:
        return pl.DataFrame([array_column(ARRAY_COLUMN, array)])
    return pl.DataFrame({f"x{index}": array[:, index] for index in range(array.shape[1])})


def array_column(name: str, array: np.ndarray) -> pl.Series:
    """A column whose every value is an array of one shape."""
    return pl.Series(name, array, dtype=pl.Array(pl.Series(array.reshape(-1)[:0]).dtype, array.shape[1:]))


def as_column(y: Any) -> pl.Series:
    """A polars column of a series, list, array or tensor of labels."""
    if isinstance(y, pl.Series):
        return y.alias("target")
    column = _series(y) if hasattr(y, "iloc") else _labels(_array(y).reshape(-1))
    return column.alias("target")


def from_dataset(dataset: Dataset[Any], name: str) -> tuple[np.ndarray, list[Any]]:
    """X (rows, *) and labels of a map-style Dataset, whose items are pairs (x, y).

    Raises:      ArgumentTypeError for an iterable Dataset, DataError that names the item for one that does not fit in.
    """
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        raise ArgumentTypeError(
            f"{name} is a Dataset without a length: expected a map-style one, with __len__ and __getitem__. Collect its "
            f"items into arrays first."
        )
    features: list[np.ndarray] = []
    labels: list[Any] = []
    for index in range(len(dataset)):
        item = dataset[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(
                f"{name}: item {index} of the Dataset is a {type(item).__name__}: expected a pair (x, y). Wrap the Dataset "
                f"in one whose items are such pairs."
            )
        x, label = _array(item[0]), _array(item[1])
        if x.dtype.kind not in "biuf" or (features and x.shape != features[0].shape):
            wanted = f"numbers of shape {features[0].shape}, as item 0 has" if features else "numbers"
            raise DataError(
                f"{name}: x of item {index} of the Dataset has shape {x.shape} and dtype {x.dtype}: expected {wanted}. Bring "
                f"all items to one shape first."
            )
        if label.size != 1:
            raise DataError(
                f"{name}: y of item {index} of the Dataset has shape {label.shape}: expected one label or number."
            )
        features.append(x)
        labels.append(label.item())
    if not features:
        raise DataError(f"{name}: the Dataset has no item. Expected pairs (x, y).")
    stacked = np.stack(features)
    return stacked.reshape(len(stacked), -1) if stacked.ndim == 1 else stacked, labels


def _array(values: Any) -> np.ndarray:
    """A NumPy array of a list, array or tensor; of a tensor its values, wherever they lie and in whatever precision."""
    try:
        if not hasattr(values, "detach"):
            return np.asarray(values)
        values = values.detach().cpu()
        return np.asarray(values.double() if values.is_floating_point() else values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(
            f"the data cannot be read as an array ({error}): expected rows of one length, all there. Make an array or a frame "
            f"of them."
        ) from error


def _labels(labels: np.ndarray) -> pl.Series:
    """Labels, among which None is a missing one."""
    return pl.Series(labels.tolist(), strict=False) if labels.dtype == object else pl.Series(labels)


def _series(values: Any) -> pl.Series:
    """A pandas series, whose missing values may be None, NaN or NA, and whose categories are texts."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biufM" and not values.isna().any():
        return pl.Series(values.to_numpy())
    plain = values.astype(object).where(values.notna(), None).to_list()
    if hasattr(values, "cat"):
        plain = [None if value is None else str(value) for value in plain]
    return pl.Series(plain, strict=False)
