"""Who computes: native kernels on the torch backend, operations that XLA compiles on JAX and TensorFlow, NumPy as it is.

Each of the modules has `dropout(x, rate, generator, noise)`, `masked(x, rate, key, site, rows, noise)`, and what batch norm
needs of `_normalization`. torch and TensorFlow are imported where they are the backend, and nowhere else.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dropnorm.errors import ArgumentTypeError, ShapeError

match keras.backend.backend():
    case "torch":
        from dropnorm.keras import _torch as backend
    case "tensorflow":
        from dropnorm.keras import _tensorflow as backend  # type: ignore[no-redef]
    case _:
        from dropnorm.keras import _xla as backend  # type: ignore[no-redef]

Tensor = Any
batch_norm, normalize = backend.batch_norm, backend.normalize
between, counts = backend.between, backend.counts
# What has a kernel of its own together with batch norm and dropout; XLA fuses what it is given.
fused_activations: Mapping[Any, str] = getattr(backend, "ACTIVATIONS", {})
batch_norm_act_dropout: Any = getattr(backend, "batch_norm_act_dropout", None)
# A variable's value for a backward pass that may come after it has been moved. Only torch's compiler would look again.
snapshot: Any = getattr(backend, "snapshot", lambda variable: variable)


def dropout(
    x: Tensor, rate: float, generator: keras.random.SeedGenerator, noise_shape: Sequence[int | None] | None = None
) -> Tensor:
    """Drop units of x by the next key of the generator.

    noise_shape: the mask's shape, which broadcasts against x; None is that of x, as is None in it.
    """
    dtype = keras.backend.standardize_dtype(x.dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise ArgumentTypeError(
            f"inputs.dtype={dtype} cannot be dropped from: expected floating point. Convert with keras.ops.cast(x, "
            f"'float32')."
        )
    if rate == 1.0:
        return keras.ops.zeros_like(x)
    return backend.dropout(x, rate, generator, None if noise_shape is None else _noise(x, noise_shape))


def masked(
    x: Tensor, rate: float, key: int, site: int, rows: np.ndarray, noise_shape: Sequence[int | None] | None = None
) -> Tensor:
    """Drop units of x by the mask of a key, a site and the rows' numbers, int64 (N,), by the contract of `dropnorm.random`.

    noise_shape: as in `dropout`, with the samples' dimension its own.
    """
    if rate == 1.0:
        return keras.ops.zeros_like(x)
    return backend.masked(x, rate, key, site, rows, None if noise_shape is None else _noise(x, noise_shape))


def _noise(x: Tensor, noise_shape: Sequence[int | None]) -> tuple[int | None, ...]:
    """The mask's shape with one length for each dimension of x; None is that of x."""
    missing = len(x.shape) - len(noise_shape)
    fits = missing >= 0 and all(
        length in (None, 1) or size is None or length == size
        for length, size in zip(noise_shape, x.shape[missing:], strict=True)
    )
    if not fits:
        raise ShapeError(
            f"noise_shape={tuple(noise_shape)} does not fit inputs of shape {tuple(x.shape)}: expected for each dimension 1, "
            f"to share a decision along it, or its length or None, for decisions of their own."
        )
    return (1,) * missing + tuple(
        None if length == size else length for length, size in zip(noise_shape, x.shape[missing:], strict=True)
    )
