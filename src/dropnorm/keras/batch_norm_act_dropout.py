"""Batch normalization, an activation and dropout as one layer."""

from typing import Any

import keras

from dropnorm._arguments import told_of
from dropnorm._validate import probability
from dropnorm.keras import _backend
from dropnorm.keras._rematerialization import Keyed
from dropnorm.keras.batch_norm import BatchNormalization

Tensor = Any


@keras.saving.register_keras_serializable("dropnorm")
class BatchNormActDropout(Keyed, BatchNormalization):
    """Normalizes each feature by the batch, applies an activation, and drops units, as one layer.

    Equation:    training: y = dropout(activation(batch_norm(x)), rate); inference: y = activation(batch_norm(x)) by moving
                 statistics
    Shape:       input (*, C) with axis=-1, or with C at any other axis -> output of the same shape
    Args:        rate: drop probability in [0, 1], default 0.5; activation: any of Keras's, by name or as a function, default
                 "relu"; seed: as in Dropout; channelwise: drop whole channels of a sample, default False; axis, momentum,
                 epsilon and all others by keyword: as in BatchNormalization.
    Call:        as BatchNormalization
    Numerics:    as BatchNormalization; on torch, where the order of the mask's columns allows (two dimensions, axis=1, or
                 channelwise), one native kernel for all three, which keeps nothing of what is in between.
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
        with told_of("Keras", type(self).__name__):
            super().__init__(**kwargs)
            self.rate = probability(rate, "rate")
            self.activation = keras.activations.get(activation)
            self.seed, self.channelwise = seed, channelwise
            if rate > 0:
                self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        """Normalize, activate and, in training, drop units."""
        y = super().call(inputs, training=training, mask=mask)
        if training and self.trainable and self._is_one_kernel(inputs, mask):
            return y  # `_normalized` did it all
        y = self.activation(y)
        if not training or self.rate == 0:
            return y
        if not self.channelwise:
            return _backend.dropout(y, self.rate, self.seed_generator)
        shared: list[int | None] = [1] * len(y.shape)
        shared[0] = shared[self.axis] = None
        return _backend.dropout(y, self.rate, self.seed_generator, shared)

    def _is_one_kernel(self, inputs: Tensor, mask: Tensor | None) -> bool:
        """Whether the backend takes the three in one pass, with the mask that `dropout` would make."""
        dims = len(inputs.shape)
        if (
            self.renorm
            or dims < 2
            or getattr(inputs, "is_meta", False)
            or self.activation not in _backend.fused_activations
        ):
            return False
        # The kernel sees the channels first. Of units, the order of the mask's columns would be another one.
        in_order = dims == 2 or self.axis % dims == 1 or self.channelwise or self.rate == 0
        # A mask has all dimensions but the last, so that it is one of positions only where the features are last.
        return in_order and (mask is None or self.axis % dims == dims - 1)

    def _normalized(self, inputs: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        if not self._is_one_kernel(inputs, mask):
            return super()._normalized(inputs, mask)
        generator = self.seed_generator if self.rate > 0 else None
        dropping = (self.rate, generator, self.channelwise)
        y, mean, variance = _backend.batch_norm_act_dropout(
            inputs, self.gamma, self.beta, mask, self.axis, self.epsilon, self.activation, *dropping
        )
        return y, mean, variance

    def get_config(self) -> dict[str, Any]:
        """The batch norm's configuration and what follows it."""
        activation = keras.activations.serialize(self.activation)
        following = {"rate": self.rate, "activation": activation, "seed": self.seed, "channelwise": self.channelwise}
        return super().get_config() | following
