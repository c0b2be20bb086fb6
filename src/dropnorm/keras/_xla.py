"""Keras on JAX, TensorFlow and NumPy: the mask and what it drops, as one function that XLA compiles.

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

__all__ = ["batch_norm", "between", "counts", "dropout", "masked", "normalize"]

Tensor = Any
Noise = tuple[int | None, ...] | None


def dropout(x: Tensor, rate: float, generator: keras.random.SeedGenerator, noise: Noise) -> Tensor:
    """Drop units of x; see `_backend`."""
    return _compiled(keras.backend.backend())(x, _next_key(generator), rate, noise)


def masked(x: Tensor, rate: float, key: int, site: int, rows: np.ndarray, noise: Noise) -> Tensor:
    """Drop units of x by a mask of this key and site; see `_backend`."""
    drop = _compiled_masked(keras.backend.backend(), len(x.shape))
    low, high = ((rows >> shift & 0xFFFFFFFF).astype(np.uint32) for shift in (0, 32))
    words = np.array([key & 0xFFFFFFFF, key >> 32 & 0xFFFFFFFF], np.uint32)
    tensors = [ops.convert_to_tensor(each, "uint32") for each in (words, low, high, np.uint32(site))]
    return drop(x, *tensors, rate, noise)


def _next_key(generator: keras.random.SeedGenerator) -> Tensor:
    """The seed, then how often it was used: two words, low and high."""
    words = generator.next()
    if keras.backend.backend() == "tensorflow":  # whose seeds have 64 bits each
        import tensorflow as tf

        return tf.cast(tf.bitwise.bitwise_and(words, 0xFFFFFFFF), tf.uint32)
    return ops.cast(words, "uint32")


@functools.cache
def _compiled(backend: str) -> Any:
    if backend == "jax":
        import jax

        return jax.jit(_dropout, static_argnums=(2, 3))
    return _dropout_in_tensorflow if backend == "tensorflow" else _dropout


@functools.cache
def _compiled_masked(backend: str, rank: int) -> Any:  # noqa: ARG001 - what TensorFlow traces keeps its rank
    if backend == "jax":
        import jax

        return jax.jit(_masked, static_argnums=(5, 6))
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(_masked, jit_compile=True, reduce_retracing=True, autograph=False)
    return _masked


def _masked(x: Tensor, key: Tensor, low: Tensor, high: Tensor, site: Tensor, rate: float, noise: Noise) -> Tensor:
    return _chosen(x, _kept(x, key, rate, noise, (low, high), site), rate)


def _dropout(x: Tensor, key: Tensor, rate: float, noise: Noise) -> Tensor:
    return _chosen(x, _kept(x, key, rate, noise), rate)


def _kept(
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


def _chosen(x: Tensor, kept: Tensor, rate: float) -> Tensor:
    dtype = keras.backend.standardize_dtype(x.dtype)
    scaled = ops.cast(x, "float64" if dtype == "float64" else "float32") * (1.0 / (1.0 - rate))
    # Chosen and not multiplied: a dropped unit is zero, even if it was infinite.
    return ops.where(kept, ops.cast(scaled, dtype), ops.zeros_like(x))


def _dropout_in_tensorflow(x: Tensor, key: Tensor, rate: float, noise: Noise) -> Tensor:
    import tensorflow as tf

    compiled = _tensorflow_function(rate, noise, len(x.shape))

    @tf.custom_gradient
    def drop(x: Tensor) -> Any:
        # To call compiled code takes longer than it does to drop a small batch, so that the mask is not made again.
        y, kept = compiled(x, key)
        return y, lambda grad: _chosen(grad, kept, rate)

    return drop(x)


@functools.lru_cache(maxsize=256)
def _tensorflow_function(rate: float, noise: Noise, rank: int) -> Any:  # noqa: ARG001 - what is traced keeps its rank
    import tensorflow as tf

    def both(x: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        kept = _kept(x, key, rate, noise)
        return _chosen(x, kept, rate), kept

    return tf.function(both, jit_compile=True, reduce_retracing=True, autograph=False)
