"""Batches as Keras's `fit` takes them: the inputs alone, or a tuple or list with labels and weights of rows behind them."""

from collections.abc import Iterable, Iterator
from typing import Any

import keras

from dropnorm.surgery.modules.batches import check_batches

ROWS_OF_A_BATCH = 32
"""As many as `fit` has in a batch where it is not told."""


def inputs_of(model: Any, batch: Any) -> Any:
    """What the model takes of a batch of a loader: of a tuple or list the first, or as many as the model has inputs."""
    if not isinstance(batch, tuple | list) or not batch:
        return batch
    count = len(getattr(model, "inputs", None) or [None])
    is_of_inputs = count > 1 and not isinstance(batch[0], tuple | list | dict)
    return list(batch[:count]) if is_of_inputs else batch[0]


def batches_of(loader: Any, argument: str = "loader") -> Iterable[Any]:
    """Batches that can be gone through several times: those of a Dataset, DataLoader, PyDataset or list, or parts of arrays.

    Raises:      ArgumentTypeError for what can be gone through only once.
    """
    if isinstance(loader, tuple) or hasattr(loader, "__array__"):
        return _Parts(loader[0] if isinstance(loader, tuple) else loader)
    if isinstance(loader, keras.utils.PyDataset):
        return _Numbered(loader)
    return check_batches(loader, argument)


class _Parts:
    """The rows of an array, or of a list or dictionary of arrays, in batches."""

    def __init__(self, rows: Any) -> None:
        self.rows = keras.tree.map_structure(keras.ops.convert_to_numpy, rows)

    def __iter__(self) -> Iterator[tuple[Any]]:
        for start in range(0, len(keras.tree.flatten(self.rows)[0]), ROWS_OF_A_BATCH):
            part = slice(start, start + ROWS_OF_A_BATCH)
            yield (keras.tree.map_structure(lambda each, part=part: each[part], self.rows),)


class _Numbered:
    """The batches of a PyDataset, which has no end of its own."""

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Any]:
        return (self.batches[number] for number in range(len(self.batches)))
