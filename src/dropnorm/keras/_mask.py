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


Rows = int | Tensor | tuple[Tensor, Tensor]


def keep_mask(key: Tensor, rows: Rows, columns: int | Tensor, p: float, site: int | Tensor = 0) -> Tensor:
    """Which units stay: bool (rows, columns).

    key: two words, uint32 (2,), low and high; rows: how many, numbered from 0, or the low and the high words of their numbers,
    uint32 (rows,) each; rows, columns: tensors where only the run will tell; site: an int, or uint32 ().
    """
    numbers = rows if isinstance(rows, tuple) else None
    count = rows if numbers is None else ops.shape(numbers[0])[0]
    limit = threshold(p)
    high, low = limit >> 16, limit & 0xFFFF
    tiles = -(-columns // TILE_COLUMNS)
    words, lanes = _part(columns) if isinstance(columns, int) else (WORDS, TILE_BLOCKS)
    tile = ops.arange(count * tiles, dtype="int32")
    row = _row_words(tile // tiles, numbers)
    draws = _halves(_words(key, row, tile % tiles, lanes, site)[:words])
    if low == 0:
        units = [draw >= _uint32(high) for draw in draws]
    else:
        # A second draw for all where few have a tie: to pick those out takes longer.
        second = _halves(_words(key, row, tile % tiles, lanes, _uint32(TIE_SITE) | ops.cast(site, "uint32"))[:words])
        units = [
            (draw > _uint32(high)) | ((draw == _uint32(high)) & (settling >= _uint32(low)))
            for draw, settling in zip(draws, second, strict=True)
        ]
    # In two steps, of which XLA lays out a byte per unit: with a transposition it computes each word anew for each unit.
    of_words = [ops.stack(halves, axis=-1) for halves in zip(units[::2], units[1::2], strict=True)]
    kept = ops.stack(of_words, axis=1)  # (tiles, words, lanes, halves)
    return ops.reshape(kept, (count, tiles * words * lanes * 2))[:, :columns]


def _part(columns: int) -> tuple[int, int]:
    """How many words and lanes of a tile are needed: a narrow row has one tile, and uses its first words and lanes alone."""
    if columns <= WORD_COLUMNS:
        return 1, (columns + 1) // 2
    return min(WORDS, -(-columns // WORD_COLUMNS)), TILE_BLOCKS


def _halves(words: tuple[Tensor, ...]) -> list[Tensor]:
    """The low and the high half of each word."""
    return [half for word in words for half in (word & _uint32(0xFFFF), ops.right_shift(word, _uint32(16)))]


def _row_words(index: Tensor, numbers: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """The low and the high word of the rows at these places."""
    if numbers is None:
        low = ops.cast(index, "uint32")
        return low, ops.zeros_like(low)
    low, high = (ops.take(words, index) for words in numbers)
    return low, high


def _words(key: Tensor, row: tuple[Tensor, Tensor], tile: Tensor, lanes: int, site: int | Tensor) -> tuple[Tensor, ...]:
    """The four words of the blocks of these tiles of these rows: each (tiles, lanes)."""
    lane = ops.cast(np.arange(lanes), "uint32")
    zero = ops.zeros_like(ops.expand_dims(row[0], 1) + lane)
    block = ops.cast(ops.expand_dims(tile, 1), "uint32") * _uint32(TILE_BLOCKS) + lane
    low, high = (ops.expand_dims(word, 1) + zero for word in row)
    return philox((block, low, high, zero + ops.cast(site, "uint32")), (key[0], key[1]))


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
