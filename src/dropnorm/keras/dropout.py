"""Dropout of units and of whole channels: Keras's layers with a mask that is a function of the seed alone."""

from collections.abc import Sequence
from typing import Any

import keras

from dropnorm._arguments import told_of
from dropnorm._validate import probability
from dropnorm.keras import _backend
from dropnorm.keras._rematerialization import Keyed

Tensor = Any
registered = keras.saving.register_keras_serializable("dropnorm")


@registered
class Dropout(Keyed, keras.layers.Dropout):
    """Zeroes each unit with a probability in training, and scales the others so that the mean stays.

    Equation:    training: y = x * kept / (1 - rate), kept ~ Bernoulli(1 - rate); inference: y = x
    Shape:       input (N, *) -> output (N, *)
    Args:        rate: drop probability in [0, 1]; noise_shape: the mask's shape, which broadcasts against the input, default
                 None: that of the input, as is None in it; seed: int, default None: drawn when the layer is made.
    State:       seed_generator: two numbers, the seed and how often it was used; as in Keras not saved with the weights
    Numerics:    scaled in float32 (float64 for float64), rounded once. The rate is exact to 2**-32.
    Randomness:  a training call uses the key seed + 2**32 * calls so far, and counts. The same seed gives the same mask on
                 TensorFlow, JAX, torch and NumPy, in eager and compiled code, and `dropnorm.nn.Dropout` gives it for that key.
    Raises:      ArgumentError if rate is not in [0, 1]; ArgumentTypeError if it is no number, or the input not floating
                 point; ShapeError if noise_shape does not fit the input; RuntimeError, on torch, where a backward pass calls
                 it again, as that of a checkpointed model does: the seed has moved on.
    Example:
        >>> import keras
        >>> from dropnorm.keras import Dropout
        >>> y = Dropout(0.5, seed=7)(keras.ops.ones((2, 3)), training=True)
        >>> tuple(y.shape)
        (2, 3)
    Source:      Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".
    See also:    keras.layers.Dropout: same arguments, defaults and saved files; another mask for each backend and the same
                 seed. torch.nn.Dropout: `p` for rate.
    """

    def __init__(
        self, rate: float, noise_shape: Sequence[int | None] | None = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        with told_of("Keras", type(self).__name__):
            super().__init__(probability(rate, "rate"), noise_shape=noise_shape, seed=seed, **kwargs)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Drop units in training; return the inputs themselves in inference."""
        if not training or self.rate == 0:
            return inputs
        return _backend.dropout(inputs, self.rate, self.seed_generator, self.noise_shape)


class _SpatialDropout(Keyed):
    """What the dropouts of channels share: all positions of a sample's channel have one decision."""

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Drop channels in training; return the inputs themselves in inference."""
        if not training or self.rate == 0:  # type: ignore[attr-defined] # of Keras's class beside this one
            return inputs
        positions = (1,) * (len(inputs.shape) - 2)
        channels_first = getattr(self, "data_format", "channels_last") == "channels_first"
        noise_shape = (None, None, *positions) if channels_first else (None, *positions, None)
        return _backend.dropout(inputs, self.rate, self.seed_generator, noise_shape)  # type: ignore[attr-defined]


class _SpatialDropoutWithFormat(_SpatialDropout):
    """What those share whose channels may come first."""

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        with told_of("Keras", type(self).__name__):
            super().__init__(probability(rate, "rate"), data_format, seed=seed, name=name, dtype=dtype)  # type: ignore[call-arg] # of Keras


@registered
class SpatialDropout1D(_SpatialDropout, keras.layers.SpatialDropout1D):
    """Zeroes each channel of a sequence with a probability in training, and scales the others so that the mean stays.

    Equation:    training: y[n, :, c] = x[n, :, c] * kept[n, c] / (1 - rate); inference: y = x
    Shape:       input (N, L, C) -> output of the same shape
    Args:        rate, seed: as in Dropout; name, dtype: as in Keras.
    State:       as Dropout
    Randomness:  as Dropout; one decision per sample and channel
    Raises:      ValueError if the input is not 3-d; otherwise as Dropout.
    Example:
        >>> import keras
        >>> from dropnorm.keras import SpatialDropout1D
        >>> tuple(SpatialDropout1D(0.2)(keras.ops.ones((8, 50, 16)), training=True).shape)
        (8, 50, 16)
    Source:      Tompson et al. 2015, "Efficient object localization using convolutional networks", arXiv:1411.4280, 3.2.
    See also:    keras.layers.SpatialDropout1D; torch.nn.Dropout1d, whose channels come first.
    """

    def __init__(self, rate: float, seed: int | None = None, name: str | None = None, dtype: Any = None) -> None:
        with told_of("Keras", type(self).__name__):
            super().__init__(probability(rate, "rate"), seed=seed, name=name, dtype=dtype)


@registered
class SpatialDropout2D(_SpatialDropoutWithFormat, keras.layers.SpatialDropout2D):
    """Zeroes each channel of an image with a probability in training, and scales the others so that the mean stays.

    Equation:    training: y[n, :, :, c] = x[n, :, :, c] * kept[n, c] / (1 - rate); inference: y = x
    Shape:       input (N, H, W, C), or (N, C, H, W) with channels first -> output of the same shape
    Args:        rate, seed: as in Dropout; data_format: "channels_last" or "channels_first", default None: Keras's setting;
                 name, dtype: as in Keras.
    State:       as Dropout
    Randomness:  as Dropout; one decision per sample and channel
    Raises:      ValueError if the input is not 4-d or data_format is unknown; otherwise as Dropout.
    Example:
        >>> import keras
        >>> from dropnorm.keras import SpatialDropout2D
        >>> tuple(SpatialDropout2D(0.2)(keras.ops.ones((8, 5, 5, 16)), training=True).shape)
        (8, 5, 5, 16)
    Source:      Tompson et al. 2015, "Efficient object localization using convolutional networks", arXiv:1411.4280, 3.2.
    See also:    keras.layers.SpatialDropout2D; torch.nn.Dropout2d, whose channels come first.
    """


@registered
class SpatialDropout3D(_SpatialDropoutWithFormat, keras.layers.SpatialDropout3D):
    """Zeroes each channel of a volume with a probability in training, and scales the others so that the mean stays.

    Equation:    training: y[n, :, :, :, c] = x[n, :, :, :, c] * kept[n, c] / (1 - rate); inference: y = x
    Shape:       input (N, D, H, W, C), or (N, C, D, H, W) with channels first -> output of the same shape
    Args:        as SpatialDropout2D
    State:       as Dropout
    Randomness:  as Dropout; one decision per sample and channel
    Raises:      ValueError if the input is not 5-d or data_format is unknown; otherwise as Dropout.
    Example:
        >>> import keras
        >>> from dropnorm.keras import SpatialDropout3D
        >>> tuple(SpatialDropout3D(0.2)(keras.ops.ones((2, 3, 3, 3, 4)), training=True).shape)
        (2, 3, 3, 3, 4)
    Source:      Tompson et al. 2015, "Efficient object localization using convolutional networks", arXiv:1411.4280, 3.2.
    See also:    keras.layers.SpatialDropout3D; torch.nn.Dropout3d, whose channels come first.
    """
