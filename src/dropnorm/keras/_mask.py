"""The mask contract of `dropnorm.random` in Keras's backend operations: the same bits on JAX, TensorFlow and NumPy.

XLA makes one pass of it. What is laid out in memory is a byte per unit, never a matrix of uniforms.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from dropnorm._contract import (
    MASK_ROUNDS,
    PHILOX_MULTIPLIERS,
    PHILOX_WEYL,
    TIE_SITE,
    TILE_BLOCKS,
    TILE_COLUMNS,
    threshold,
)

Tensor = Any

WORDS = 4
WORD_COLUMNS = TILE_COLUMNS // WORDS
# Of 128 columns, 0.2 % have a tie. So many tiles are settled at once, and the loop seldom has a second turn.
SETTLED_AT_ONCE = 128
DROPPED, KEPT, TIED = 0, 1, 2


def keep_mask(key: Tensor, rows: int | Tensor, columns: int | Tensor, p: float) -> Tensor:
    """Which units stay: bool (rows, columns).

    key: two words, uint32 (2,), low and high; rows, columns: tensors where only the run will tell.
    """
    limit = threshold(p)
    high, low = limit >> 16, limit & 0xFFFF
    tiles = -(-columns // TILE_COLUMNS)
    words, lanes = _part(columns) if isinstance(columns, int) else (WORDS, TILE_BLOCKS)
    each_tile = ops.arange(rows * tiles, dtype="int32")
    first = _words(key, each_tile, tiles, lanes, site=0)[:words]
    if low == 0:
        kept = _units(first, lambda draws: draws >= _uint32(high))
    else:
        states = _units(first, lambda draws: _state(draws, high))
        kept = _settled(states, key, each_tile, tiles, lanes, low) == _byte(KEPT)
    return ops.reshape(kept, (rows, tiles * words * lanes * 2))[:, :columns]


def _part(columns: int) -> tuple[int, int]:
    """How many words and lanes of a tile are needed: a narrow row has one tile, and uses its first words and lanes alone."""
    if columns <= WORD_COLUMNS:
        return 1, (columns + 1) // 2
    return min(WORDS, -(-columns // WORD_COLUMNS)), TILE_BLOCKS


def _state(draws: Tensor, high: int) -> Tensor:
    at_least, equal = draws >= _uint32(high), draws == _uint32(high)
    return ops.cast(at_least, "uint8") + ops.cast(equal, "uint8")


def _settled(states: Tensor, key: Tensor, each_tile: Tensor, tiles: int, lanes: int, low: int) -> Tensor:
    """Replace TIED, tile by tile, by what a second draw decides."""
    words = states.shape[1] // (2 * lanes)
    # A count that is a constant, as the compiler wants it, even where that of the tiles is not.
    spare = ops.zeros((SETTLED_AT_ONCE,), dtype="int32")

    def tied(states: Tensor) -> Tensor:
        return ops.cast(ops.any(states == _byte(TIED), axis=1), "int32")

    def unsettled(states: Tensor, ties: Tensor) -> Tensor:  # noqa: ARG001
        return ops.any(ties > 0)

    def settle(states: Tensor, ties: Tensor) -> tuple[Tensor, Tensor]:
        _, found = ops.top_k(ops.concatenate([ties, spare]), SETTLED_AT_ONCE)
        # The spare ones are the last tile once more, which is then settled as well as any other.
        found = ops.minimum(ops.cast(found, "int32"), ops.shape(each_tile)[0] - 1)
        second = _units(_words(key, found, tiles, lanes, TIE_SITE)[:words], lambda draws: draws >= _uint32(low))
        given = ops.take(states, found, axis=0)
        settled = ops.where(given == _byte(TIED), ops.cast(second, "uint8"), given)
        at = ops.expand_dims(found, 1)
        return (
            ops.scatter_update(states, at, settled),
            ops.scatter_update(ties, at, ops.zeros_like(found)),
        )

    states, _ = ops.while_loop(unsettled, settle, (states, tied(states)))
    return states


def _units(words: tuple[Tensor, ...], decide: Any) -> Tensor:
    """What `decide` makes of the draws of these words, in the columns' order: (tiles, units)."""
    halves = [
        ops.stack([decide(word & _uint32(0xFFFF)), decide(ops.right_shift(word, _uint32(16)))], axis=-1)
        for word in words
    ]
    units = ops.stack(halves, axis=1)  # (tiles, words, lanes, halves)
    return ops.reshape(units, (-1, len(words) * words[0].shape[1] * 2))


def _words(key: Tensor, tile: Tensor, tiles: int, lanes: int, site: int) -> tuple[Tensor, ...]:
    """The four words of the blocks of these tiles, numbered over all rows: each (tiles, lanes)."""
    tile = ops.expand_dims(tile, 1)
    lane = ops.cast(np.arange(lanes), "uint32")
    row = ops.cast(tile // tiles, "uint32") + ops.zeros_like(lane)
    block = ops.cast(tile % tiles, "uint32") * _uint32(TILE_BLOCKS) + lane
    zero = ops.zeros_like(row)
    return philox((block, row, zero, zero + _uint32(site)), (key[0], key[1]))


def philox(
    counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[Tensor, Tensor], rounds: int = MASK_ROUNDS
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`dropnorm.random.philox` of uint32 tensors, all of one shape; key: two words that broadcast against them."""
    (x0, x1, x2, x3), (k0, k1) = counter, key
    for _ in range(rounds):
        high0, low0 = _product(x0, PHILOX_MULTIPLIERS[0])
        high1, low1 = _product(x2, PHILOX_MULTIPLIERS[1])
        x0, x1, x2, x3 = high1 ^ x1 ^ k0, low1, high0 ^ x3 ^ k1, low0
        k0, k1 = k0 + _uint32(PHILOX_WEYL[0]), k1 + _uint32(PHILOX_WEYL[1])
    return x0, x1, x2, x3


def _product(x: Tensor, multiplier: int) -> tuple[Tensor, Tensor]:
    """The high and the low word of a product of 64 bits, in each backend's own operations: Keras's shift cuts 64 bits to 32."""
    match keras.backend.backend():
        case "jax":  # which has no 64 bits unless asked to
            import jax

            factor = ops.full_like(x, multiplier)
            return jax.lax.mulhi(x, factor), x * factor
        case "tensorflow":
            import tensorflow as tf

            product = tf.cast(x, tf.uint64) * tf.constant(multiplier, tf.uint64)
            high = tf.bitwise.right_shift(product, tf.constant(32, tf.uint64))
            return tf.cast(high, tf.uint32), tf.cast(product, tf.uint32)
        case _:
            product = x.astype(np.uint64) * np.uint64(multiplier)
            return (product >> np.uint64(32)).astype(np.uint32), product.astype(np.uint32)


def _uint32(value: int) -> Tensor:
    return ops.convert_to_tensor(value, "uint32")


def _byte(value: int) -> Tensor:
    return ops.convert_to_tensor(value, "uint8")
