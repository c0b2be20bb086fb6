"""Keras on JAX and NumPy, and what TensorFlow shares: the mask and what it drops, as one function that XLA compiles.

It is compiled on its own, too, where nothing around it is: in eager code each of its many small steps would be a pass.
"""

import functools
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from dropnorm.keras._mask import keep_mask
from dropnorm.keras._normalization import batch_norm, between, counts, normalize

__all__ = ["batch_norm", "between", "chosen", "counts", "drop_rows", "dropout", "kept", "masked", "normalize", "words"]

Tensor = Any
Noise = tuple[int | None, ...] | None


def dropout(x: Tensor, rate: float, generator: keras.random.SeedGenerator, noise: Noise) -> Tensor:
    """Drop units of x; see `_backend`."""
    # The seed, then how often it was used: two words, low and high.
    return _compiled(drop, (2, 3))(x, ops.cast(generator.next(), "uint32"), rate, noise)


def masked(x: Tensor, rate: float, key: int, site: int, rows: np.ndarray, noise: Noise) -> Tensor:
    """Drop units of x by a mask of this key and site; see `_backend`."""
    return _compiled(drop_rows, (5, 6))(x, *words(key, site, rows), rate, noise)


@functools.cache
def _compiled(function: Any, static: tuple[int, ...]) -> Any:
    if keras.backend.backend() == "numpy":
        return function
    import jax

    return jax.jit(function, static_argnums=static)


def drop(x: Tensor, key: Tensor, rate: float, noise: Noise) -> Tensor:
    """Drop units of x; key: two words, uint32."""
    return chosen(x, kept(x, key, rate, noise), rate)


def drop_rows(x: Tensor, key: Tensor, low: Tensor, high: Tensor, site: Tensor, rate: float, noise: Noise) -> Tensor:
    """Drop units of rows that have numbers, by `words` of them."""
    return chosen(x, kept(x, key, rate, noise, (low, high), site), rate)


def words(key: int, site: int, rows: np.ndarray) -> list[Tensor]:
    """Key, low and high words of the rows' numbers, and site: each uint32."""
    low, high = ((rows >> shift & 0xFFFFFFFF).astype(np.uint32) for shift in (0, 32))
    of_key = np.array([key & 0xFFFFFFFF, key >> 32 & 0xFFFFFFFF], np.uint32)
    return [ops.convert_to_tensor(each, "uint32") for each in (of_key, low, high, np.uint32(site))]


def kept(
    x: Tensor,
    key: Tensor,
    rate: float,
    noise: Noise,
    rows: tuple[Tensor, Tensor] | None = None,
    site: int | Tensor = 0,
) -> Tensor:
    """Which units stay: bool, of a shape that broadcasts against that of x; rows, site: as in `keep_mask`."""
    sizes = ops.shape(x)
    shape = [
        size if length is None else length for length, size in zip(noise or (None,) * len(sizes), sizes, strict=True)
    ]
    count = shape[0] if shape else 1
    return ops.reshape(keep_mask(key, count if rows is None else rows, math.prod(shape[1:]), rate, site), shape)


def chosen(x: Tensor, kept: Tensor, rate: float) -> Tensor:
    """Return x where it is kept, scaled, and zero elsewhere."""
    dtype = keras.backend.standardize_dtype(x.dtype)
    scaled = ops.cast(x, "float64" if dtype == "float64" else "float32") * (1.0 / (1.0 - rate))
    # Chosen and not multiplied: a dropped unit is zero, even if it was infinite.
    return ops.where(kept, ops.cast(scaled, dtype), ops.zeros_like(x))
