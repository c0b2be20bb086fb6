"""Batches as Keras's `fit` takes them: the inputs alone, or a tuple that labels and weights of rows are in behind them."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from dropnorm.surgery.batches import check_batches

ROWS_OF_A_BATCH = 32
"""As many as `fit` has in a batch where it is not told."""


def inputs_of(batch: Any) -> Any:
    """What the model takes of a batch: of several inputs a list or dictionary, of a tuple the first."""
    return batch[0] if isinstance(batch, tuple) else batch


def batches_of(loader: Any) -> Iterable[Any]:
    """Batches that can be gone through several times: those of a Dataset, DataLoader, PyDataset or list, or parts of arrays.

    Raises:      ArgumentTypeError for what can be gone through only once.
    """
    if isinstance(loader, tuple) or hasattr(loader, "__array__"):
        return _Parts(np.asarray(inputs_of(loader)))
    if isinstance(loader, keras.utils.PyDataset):
        return _Numbered(loader)
    return check_batches(loader, "loader")


class _Parts:
    """The rows of an array, in batches."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[np.ndarray]:
        for start in range(0, len(self.rows), ROWS_OF_A_BATCH):
            yield self.rows[start : start + ROWS_OF_A_BATCH]


class _Numbered:
    """The batches of a PyDataset, which has no end of its own."""

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        return (self.batches[number] for number in range(len(self.batches)))
