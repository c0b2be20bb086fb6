"""Batch normalization: Keras's layer with moving statistics that a bad batch cannot poison."""

from typing import Any, Literal

import keras
from keras import ops

from dropnorm._arguments import told_of
from dropnorm._validate import choice
from dropnorm.errors import ArgumentError, ShapeError
from dropnorm.keras import _backend
from dropnorm.keras._normalization import accumulated, moments, normalize, scaled_and_shifted

Tensor = Any
NonFinite = Literal["skip", "propagate"]


@keras.saving.register_keras_serializable("dropnorm")
class BatchNormalization(keras.layers.BatchNormalization):
    """Normalizes each feature by its mean and variance in the batch, then scales and shifts it.

    Equation:    training: y = (x - mean) / sqrt(variance + epsilon) * gamma + beta, with the batch's mean and biased
                 variance; inference, and training of a layer with trainable=False: the same with the moving ones
    Shape:       input (*, C) with axis=-1, or with C at any other axis -> output of the same shape
    Args:        axis, momentum, epsilon, center, scale, the initializers, regularizers and constraints, renorm,
                 renorm_clipping, renorm_momentum, synchronized: as in Keras, with its defaults.
                 nonfinite: what a batch with NaN or infinity, or of padding alone, does to the moving statistics:
                 "skip" (default) leaves them as they were, "propagate" moves them, as Keras.
    Call:        training; mask: of the input's shape but for the last dimension, True where a position counts in the
                 statistics. All positions are normalized.
    State:       gamma, beta, moving_mean, moving_variance, each (C,), and with renorm three more, in Keras's order:
                 moving = momentum * moving + (1 - momentum) * new, with the biased variance.
    Numerics:    in float32 (float64 for float64). The variance is taken in two passes and the mean is taken off before
                 anything else, so that a mean of 1e4 does not swallow a deviation of 1.
    Raises:      ArgumentError for an unknown nonfinite or an axis that the input does not have; ShapeError for a mask that
                 does not fit; Keras's errors for its own arguments.
    Example:
        >>> import keras
        >>> from dropnorm.keras import BatchNormalization
        >>> norm = BatchNormalization()
        >>> tuple(norm(keras.random.normal((8, 3)), training=True).shape)
        (8, 3)
    Source:      Ioffe & Szegedy 2015, arXiv:1502.03167, algorithms 1 and 2; Ioffe 2017, arXiv:1702.03275, for renorm.
    See also:    keras.layers.BatchNormalization: same arguments, defaults and saved files. torch.nn.BatchNorm1d: momentum
                 weighs the new value (0.1), eps is 1e-5, the running variance is unbiased, channels come first.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: dict[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        *,
        nonfinite: NonFinite = "skip",
        **kwargs: Any,
    ) -> None:
        with told_of("Keras", type(self).__name__):
            super().__init__(
                axis=axis,
                momentum=momentum,
                epsilon=epsilon,
                center=center,
                scale=scale,
                beta_initializer=beta_initializer,
                gamma_initializer=gamma_initializer,
                moving_mean_initializer=moving_mean_initializer,
                moving_variance_initializer=moving_variance_initializer,
                beta_regularizer=beta_regularizer,
                gamma_regularizer=gamma_regularizer,
                beta_constraint=beta_constraint,
                gamma_constraint=gamma_constraint,
                renorm=renorm,
                renorm_clipping=renorm_clipping,
                renorm_momentum=renorm_momentum,
                synchronized=synchronized,
                **kwargs,
            )
        self.nonfinite = choice(nonfinite, "nonfinite", ("skip", "propagate"))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights, of which there is one of each kind per feature."""
        if not -len(input_shape) <= self.axis < len(input_shape):
            raise ArgumentError(
                f"axis={self.axis} is out of bounds for an input of shape {tuple(input_shape)}: expected the dimension of "
                f"the features, from {-len(input_shape)} to {len(input_shape) - 1}."
            )
        super().build(input_shape)

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        """Normalize by the batch's statistics in training, by the moving ones in inference."""
        if mask is not None and len(mask.shape) != len(inputs.shape) - 1:
            raise ShapeError(
                f"mask.shape={tuple(mask.shape)} does not fit inputs of shape {tuple(inputs.shape)}: expected "
                f"{tuple(inputs.shape[:-1])}, True where a position counts."
            )
        y = self._by_batch(inputs, mask) if training and self.trainable else self._by_moving(inputs)
        return ops.cast(y, self.compute_dtype)

    def _by_moving(self, inputs: Tensor) -> Tensor:
        mean, variance = self.moving_mean, self.moving_variance
        if self.trainable:  # so that a later call of the same graph, in training, may move them
            mean, variance = _backend.snapshot(mean), _backend.snapshot(variance)
        return _backend.normalize(inputs, mean, variance, self.gamma, self.beta, self.axis, self.epsilon)

    def _by_batch(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        if self.renorm:
            return self._renormalized(accumulated(inputs), mask)
        y, mean, variance = self._normalized(inputs, mask)
        counts = self._counts(variance, mask)
        self._move(self.moving_mean, mean, self.momentum, counts)
        self._move(self.moving_variance, variance, self.momentum, counts)
        return y

    def _normalized(self, inputs: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """By the batch's statistics, which are given too."""
        return _backend.batch_norm(inputs, self.gamma, self.beta, mask, self.axis, self.epsilon, self.synchronized)

    def _renormalized(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Ioffe 2017, algorithm 1; as in Keras the deviation has epsilon in it."""
        mean, variance = moments(x, mask, self.axis, self.synchronized)
        deviation = ops.sqrt(variance + self.epsilon)
        long_mean = ops.cast(_backend.snapshot(self.renorm_mean), mean.dtype)
        long_deviation = ops.cast(_backend.snapshot(self.renorm_stddev), mean.dtype)
        # Not divided by the zeros that it may begin with.
        long_deviation = ops.maximum(long_deviation, self.epsilon**0.5)
        limits = self.renorm_clipping or {}
        scale, shift = deviation / long_deviation, (mean - long_mean) / long_deviation
        if limits.get("rmin") is not None:
            scale = ops.maximum(scale, limits["rmin"])
        if limits.get("rmax") is not None:
            scale = ops.minimum(scale, limits["rmax"])
        if limits.get("dmax") is not None:
            shift = ops.clip(shift, -limits["dmax"], limits["dmax"])
        scale, shift = ops.stop_gradient(scale), ops.stop_gradient(shift)
        counts = self._counts(variance, mask)
        self._move(self.renorm_mean, mean, self.renorm_momentum, counts)
        self._move(self.renorm_stddev, deviation, self.renorm_momentum, counts)
        self._move(self.moving_mean, mean, self.momentum, counts)
        moved = self._move(self.moving_stddev, deviation, self.momentum, counts)
        self._move(self.moving_variance, ops.relu(ops.square(moved) - self.epsilon), 0.0, counts)
        renormalized = normalize(x, mean, variance, scale, shift, self.axis, self.epsilon)
        return scaled_and_shifted(renormalized, self.gamma, self.beta, self.axis)

    def _counts(self, variance: Tensor, mask: Tensor | None) -> Tensor | bool:
        """Whether a batch counts in the moving statistics."""
        if self.nonfinite == "propagate":
            return True
        return _backend.counts(variance, mask)

    def _move(self, variable: keras.Variable, new: Tensor, momentum: float, counts: Tensor | bool) -> Tensor:
        old = ops.cast(variable, new.dtype)
        if counts is False:
            return old
        moved = _backend.between(ops.stop_gradient(new), old, momentum)
        if counts is not True:
            moved = ops.where(counts, moved, old)
        variable.assign(moved)
        return moved

    def get_config(self) -> dict[str, Any]:
        """Keras's configuration; `nonfinite` is in it where it is not the default, so that Keras's layer takes it too."""
        own = {} if self.nonfinite == "skip" else {"nonfinite": self.nonfinite}
        config: dict[str, Any] = super().get_config()
        return config | own
