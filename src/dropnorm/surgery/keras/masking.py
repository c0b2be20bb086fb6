"""A Keras model's dropout layers switched on, everything else in inference mode, with masks by row and sample."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np
import torch

from dropnorm import keras as own
from dropnorm.errors import ArgumentError, DropnormError, ShapeError
from dropnorm.keras import _backend
from dropnorm.surgery.keras.calls import replaced_call
from dropnorm.surgery.keras.layers import drops_by_itself, is_channelwise, is_dropout, noise_shape, rate_of
from dropnorm.surgery.keras.paths import layers_of
from dropnorm.surgery.modules.masking import SELU_LIMIT, Run

Tensor = Any


def arrays(x: Any) -> tuple[Any, int]:
    """What a model is given, as arrays, and how many rows it has.

    Raises:      ShapeError for inputs of different lengths.
    """
    given = keras.tree.map_structure(keras.ops.convert_to_numpy, x)
    lengths = {len(each) for each in keras.tree.flatten(given)}
    if len(lengths) != 1:
        raise ShapeError(
            f"x has inputs of {' and '.join(map(str, sorted(lengths)))} rows: expected the same number in each. Give each row "
            f"all its inputs."
        )
    return given, lengths.pop()


@contextmanager
def masked_passes(model: keras.Model, key: int) -> Iterator[Run]:
    """A function of (x, rows, samples) that gives outputs (samples, rows, *); afterwards the model is as it was.

    The mask of row n in sample s is that of row index s * 2**32 + n under the key, with a site per call of a dropout.
    """
    layers = layers_of(model)
    _check(layers)
    call = _Call(key)
    with ExitStack() as stack:
        for path, layer in layers.items():
            if is_dropout(layer) and rate_of(layer) > 0.0:
                stack.enter_context(replaced_call(layer, call.dropping(path, layer)))
            elif isinstance(layer, keras.layers.BatchNormalization):
                stack.enter_context(replaced_call(layer, call.inferring(path, layer)))

        def run(x: Any, rows: torch.Tensor, samples: torch.Tensor) -> torch.Tensor:
            chosen = keras.tree.map_structure(lambda each: each[rows.numpy()], x)
            outputs: Tensor = None
            if call.may_share:
                try:
                    call.begin(rows, samples, shared=True)
                    outputs = _output(model(chosen, training=False))
                except Exception:
                    # A value from before the first dropout meets one from behind it, or the model knows how many rows it got.
                    outputs = None
                call.may_share = outputs is not None and outputs.shape[0] == len(call.rows)
            if not call.may_share:
                call.begin(rows, samples, shared=False)
                repeated = keras.tree.map_structure(lambda each: np.concatenate([each] * len(samples)), chosen)
                try:
                    outputs = _output(model(repeated, training=False))
                except Exception:
                    if call.refusal is not None:  # which Keras has wrapped into one of its own
                        raise call.refusal from None
                    raise
            if not call.site:
                raise ArgumentError(
                    "no dropout layer of the model is called in its forward pass: expected one, whose masks are what is "
                    "sampled. Call it as a layer, not as keras.random.dropout."
                )
            values = torch.from_numpy(np.array(keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32"))))
            return values.reshape(len(samples), len(rows), *values.shape[1:])

        yield run


class _Call:
    """The masks of one pass: whose rows they are, and how many dropouts were called before.

    What comes before the first dropout is the same in all samples: if shared it is computed once, and repeated there.
    """

    def __init__(self, key: int) -> None:
        self.key, self.may_share = key, True
        self.rows, self.site, self.copies = np.empty(0, np.int64), 0, 1
        self.refusal: DropnormError | None = None

    def begin(self, rows: torch.Tensor, samples: torch.Tensor, shared: bool) -> None:
        self.rows, self.site = ((samples[:, None] << 32) | rows).flatten().numpy(), 0
        self.copies = len(samples) if shared else 1

    def dropping(self, path: str, layer: Any) -> Callable[..., Tensor]:
        inference, rate = layer.call, rate_of(layer)

        def call(inputs: Tensor, **named: Any) -> Tensor:
            output = inference(inputs, **{**named, "training": False})
            site, self.site = self.site, self.site + 1
            if self.copies > 1 and site == 0 and len(output.shape) and output.shape[0] * self.copies == len(self.rows):
                output = _repeated(output, self.copies)
            noise = noise_shape(layer, output)
            self._check(path, layer, output, noise)
            if not isinstance(layer, keras.layers.AlphaDropout):
                return _backend.masked(output, rate, self.key, site, self.rows, noise)
            if rate == 1.0:
                return keras.ops.zeros_like(output)
            kept = _backend.masked(keras.ops.ones_like(output), rate, self.key, site, self.rows, noise) != 0
            # Dropped units are SELU's limit; then all are scaled and shifted so that mean and variance stay, as Keras does.
            scale = ((1.0 - rate) * (1.0 + rate * SELU_LIMIT**2)) ** -0.5
            return scale * keras.ops.where(kept, output, SELU_LIMIT) - scale * rate * SELU_LIMIT

        return call

    def inferring(self, path: str, layer: Any) -> Callable[..., Tensor]:
        inference = layer.call

        def call(inputs: Tensor, **named: Any) -> Tensor:
            if named.get("training") and layer.trainable:
                self._refuse(
                    ArgumentError(
                        f"the batch norm {path!r} is called with training=True: expected one that uses its moving statistics, "
                        f"since samples must not depend on the rows beside them. Leave training out of the call."
                    )
                )
            return inference(inputs, **named)

        return call

    def _check(self, path: str, layer: Any, output: Tensor, noise: tuple[int | None, ...] | None) -> None:
        if output.shape[0] != len(self.rows):
            wanted = f"({len(self.rows)}, {'*, channels' if is_channelwise(layer) else '*'})"
            self._refuse(
                ShapeError(
                    f"the dropout {path!r} got the shape {tuple(output.shape)}: expected {wanted}, the samples along the first "
                    f"dimension. Move the batch there to sample this model."
                )
            )
        if noise is not None and len(noise) == len(output.shape) and noise[0] is not None:
            self._refuse(
                ArgumentError(
                    f"the dropout {path!r} has noise_shape={noise}, which names the samples' dimension: expected None for it, "
                    f"since each sample has a mask of its own. Write None there."
                )
            )

    def _refuse(self, error: DropnormError) -> None:
        self.refusal = error
        raise error


def _repeated(x: Tensor, times: int) -> Tensor:
    shape = tuple(x.shape)
    return keras.ops.reshape(keras.ops.broadcast_to(x, (times, *shape)), (times * shape[0], *shape[1:]))


def _output(outputs: Any) -> Tensor:
    flat = keras.tree.flatten(outputs)
    if len(flat) != 1:
        raise ArgumentError(
            f"model has {len(flat)} outputs: expected one, whose spread is told. Make a model of one of them: "
            f"keras.Model(model.inputs, model.outputs[0])."
        )
    return flat[0]


def _check(layers: dict[str, Any]) -> None:
    for path, layer in layers.items():
        if drops_by_itself(layer):
            raise ArgumentError(
                f"the layer {path!r} of the class {type(layer).__name__} drops by noise of its own: expected dropout layers of "
                f"Keras's or dropnorm's alone, whose masks are known. Put a keras.layers.Dropout in its place, or before a "
                f"recurrent layer."
            )
    if not any(is_dropout(layer) and rate_of(layer) > 0.0 for layer in layers.values()):
        raise ArgumentError(
            f"model has no dropout layer with a rate above 0: expected one, whose masks are what is sampled. Put a "
            f"keras.layers.Dropout or dropnorm.keras.{own.Dropout.__name__} in, and train the model with it."
        )
