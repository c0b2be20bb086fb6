"""What Keras's layers drop: which are dropouts, at what rate, and what their masks share."""

from typing import Any

import keras

from dropnorm import keras as own

Tensor = Any

CHANNELWISE = (keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D, keras.layers.SpatialDropout3D)
_DROPOUTS = (
    keras.layers.Dropout,
    *CHANNELWISE,
    keras.layers.AlphaDropout,
    own.Dropout,
    own.SpatialDropout1D,
    own.SpatialDropout2D,
    own.SpatialDropout3D,
    own.BatchNormActDropout,
)
# Under these names layers keep the rate of what they drop.
_RATES = ("rate", "dropout", "recurrent_dropout", "drop_path_rate", "drop_rate")


def is_dropout(layer: Any) -> bool:
    """Whether a layer drops as Keras's or our own do: it is one of them, or of a class that only makes them otherwise."""
    return any(isinstance(layer, kind) and type(layer).call is kind.call for kind in _DROPOUTS)


def rate_of(layer: Any) -> float:
    """The drop probability of a dropout layer."""
    return float(layer.rate)


def drops_by_itself(layer: Any) -> bool:
    """Whether a layer draws something of its own to drop by: GaussianDropout, cells of recurrent layers, classes of others."""
    draws = any(isinstance(value, keras.random.SeedGenerator) for value in vars(layer).values())
    if not draws or is_dropout(layer):
        return False
    rates = (getattr(layer, name, 0.0) for name in _RATES)
    return any(isinstance(rate, float | int) and rate > 0.0 for rate in rates)


def is_channelwise(layer: Any) -> bool:
    """Whether a dropout drops whole channels."""
    return isinstance(layer, CHANNELWISE) or bool(getattr(layer, "channelwise", False))


def noise_shape(layer: Any, x: Tensor) -> tuple[int | None, ...] | None:
    """The shape of a dropout's mask for x, None where it is that of x."""
    if isinstance(layer, keras.layers.BatchNormalization):
        if not getattr(layer, "channelwise", False):
            return None
        channels = layer.axis % len(x.shape)
        return tuple(None if axis in (0, channels) else 1 for axis in range(len(x.shape)))
    if isinstance(layer, CHANNELWISE):
        positions = (1,) * (len(x.shape) - 2)
        first = getattr(layer, "data_format", "channels_last") == "channels_first"
        return (None, None, *positions) if first else (None, *positions, None)
    shape: tuple[int | None, ...] | None = layer.noise_shape
    return shape
