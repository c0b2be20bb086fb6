"""Keras on TensorFlow: what XLA compiles, and gradients in few steps, as a graph outside of XLA takes each step by itself."""

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from dropnorm.keras import _normalization, _xla
from dropnorm.keras._normalization import accumulated, along, between, counts, moments, normalize
from dropnorm.keras._xla import Noise

__all__ = ["batch_norm", "between", "counts", "dropout", "masked", "normalize"]

Tensor = Any


def dropout(x: Tensor, rate: float, generator: keras.random.SeedGenerator, noise: Noise) -> Tensor:
    """Drop units of x; see `_backend`."""
    key = _next_key(generator)
    compiled = _compiled(rate, noise, len(x.shape))

    @tf.custom_gradient
    def drop(x: Tensor) -> Any:
        # To call compiled code takes longer than it does to drop a small batch, so that the mask is not made again.
        y, kept = compiled(x, key)
        return y, lambda grad: _xla.chosen(grad, kept, rate)

    return drop(x)


def _next_key(generator: keras.random.SeedGenerator) -> Tensor:
    """The seed, then how often it was used, of 64 bits each; `generator.next()` in half as many steps."""
    key = tf.convert_to_tensor(generator.state.value)
    generator.state.assign(key + tf.constant([0, 1], key.dtype))
    return key


@functools.lru_cache(maxsize=256)
def _compiled(rate: float, noise: Noise, rank: int) -> Any:  # noqa: ARG001 - what is traced keeps its rank
    def both(x: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        kept = _xla.kept(x, tf.cast(key, tf.uint32), rate, noise)
        return _xla.chosen(x, kept, rate), kept

    return tf.function(both, jit_compile=True, reduce_retracing=True, autograph=False)


def masked(x: Tensor, rate: float, key: int, site: int, rows: np.ndarray, noise: Noise) -> Tensor:
    """Drop units of x by a mask of this key and site; see `_backend`."""
    return _compiled_masked(len(x.shape))(x, *_xla.words(key, site, rows), rate, noise)


@functools.cache
def _compiled_masked(rank: int) -> Any:  # noqa: ARG001 - what is traced keeps its rank
    return tf.function(_xla.drop_rows, jit_compile=True, reduce_retracing=True, autograph=False)


def batch_norm(
    x: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    mask: Tensor | None,
    axis: int,
    epsilon: float,
    synchronized: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalize by the batch's own statistics, which have no gradient here; see `_normalization`."""
    if mask is not None or synchronized:
        return _normalization.batch_norm(x, gamma, beta, mask, axis, epsilon, synchronized)
    x = accumulated(x)
    weights = {name: ops.cast(each, x.dtype) for name, each in (("gamma", gamma), ("beta", beta)) if each is not None}

    @tf.custom_gradient
    def normalized(x: Tensor, *values: Tensor) -> Any:
        of = dict(zip(weights, values, strict=True))
        mean, variance = moments(x, None, axis, synchronized=False)
        y = normalize(x, mean, variance, of.get("gamma"), of.get("beta"), axis, epsilon)

        def gradient(dy: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
            """Ioffe & Szegedy 2015, section 3, solved for x: dy without what lies along a shift and a scaling of it."""
            axes = [other for other in range(len(x.shape)) if other != axis % len(x.shape)]
            inverse = tf.math.rsqrt(variance + epsilon)
            centered = x - along(x, mean, axis)
            shift, slope = tf.reduce_mean(dy, axes), tf.reduce_mean(dy * centered, axes) * inverse
            factor = inverse * of["gamma"] if "gamma" in of else inverse
            rest = dy - along(x, shift, axis) - centered * along(x, slope * inverse, axis)
            count = tf.cast(tf.size(x, tf.int64) // tf.size(mean, tf.int64), x.dtype)
            by_weight = {"gamma": slope * count, "beta": shift * count}
            return rest * along(x, factor, axis), *(by_weight[name] for name in of)

        return (y, mean, variance), gradient

    y, mean, variance = normalized(x, *weights.values())
    return y, mean, variance
