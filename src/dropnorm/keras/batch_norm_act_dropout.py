"""Batch normalization, an activation and dropout as one layer."""

from typing import Any

import keras

from dropnorm._validate import probability
from dropnorm.keras import _backend
from dropnorm.keras.batch_norm import BatchNormalization

Tensor = Any


@keras.saving.register_keras_serializable("dropnorm")
class BatchNormActDropout(BatchNormalization):
    """Normalizes each feature by the batch, applies an activation, and drops units, as one layer.

    Equation:    training: y = dropout(activation(batch_norm(x)), rate); inference: y = activation(batch_norm(x)) by moving
                 statistics
    Shape:       input (*, C) with axis=-1, or with C at any other axis -> output of the same shape
    Args:        rate: drop probability in [0, 1], default 0.5; activation: any of Keras's, by name or as a function, default
                 "relu"; seed: as in Dropout; channelwise: drop whole channels of a sample, default False; axis, momentum,
                 epsilon and all others by keyword: as in BatchNormalization.
    Call:        as BatchNormalization
    State:       BatchNormalization's, and Dropout's seed_generator
    Randomness:  as Dropout
    Raises:      as BatchNormalization and Dropout; ValueError for an unknown activation.
    Example:
        >>> import keras
        >>> from dropnorm.keras import BatchNormActDropout
        >>> block = keras.Sequential([keras.layers.Dense(16, use_bias=False), BatchNormActDropout(0.2)])
        >>> tuple(block(keras.ops.ones((4, 8))).shape)
        (4, 16)
    Source:      Ioffe & Szegedy 2015, arXiv:1502.03167; Srivastava et al. 2014; dropout comes last, since before a batch
                 norm it shifts the variance between training and inference (Li et al. 2019, arXiv:1801.05134).
    See also:    the three layers one after the other, of which it is the function; dropnorm.nn.BatchNormActDropout1d.
    """

    def __init__(
        self,
        rate: float = 0.5,
        activation: Any = "relu",
        seed: int | None = None,
        channelwise: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = probability(rate, "rate")
        self.activation = keras.activations.get(activation)
        self.seed, self.channelwise = seed, channelwise
        if rate > 0:
            self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        """Normalize, activate and, in training, drop units."""
        y = self.activation(super().call(inputs, training=training, mask=mask))
        if not training or self.rate == 0:
            return y
        if not self.channelwise:
            return _backend.dropout(y, self.rate, self.seed_generator)
        shared: list[int | None] = [1] * len(y.shape)
        shared[0] = shared[self.axis] = None
        return _backend.dropout(y, self.rate, self.seed_generator, shared)

    def get_config(self) -> dict[str, Any]:
        """The batch norm's configuration and what follows it."""
        activation = keras.activations.serialize(self.activation)
        following = {"rate": self.rate, "activation": activation, "seed": self.seed, "channelwise": self.channelwise}
        return super().get_config() | following
