"""Rows of the data as a Keras model takes them: flat, or images in either order. Nothing here imports Keras."""

from typing import Any, Literal

import numpy as np

from dropnorm.errors import ArgumentError
from dropnorm.study.modules.architecture import FactoryArchitecture

Layout = Literal["rows", "channels_last", "channels_first"]


def arranged(features: np.ndarray, given: FactoryArchitecture, shape: tuple[int, ...], layout: Layout) -> np.ndarray:
    """Rows (n, features) as a model takes them, (n, *shape)."""
    if given.image is not None and layout != "rows":
        channels, *size = given.image
        last = layout == "channels_last"
        if given.channels_last != last:
            stored, order = ((channels, *size), (0, 2, 3, 1)) if last else ((*size, channels), (0, 3, 1, 2))
            features = features.reshape(-1, *stored).transpose(order)
    return np.ascontiguousarray(features.reshape(len(features), *shape))


def input_of(model: Any, given: FactoryArchitecture, argument: str = "net") -> tuple[tuple[int, ...], Layout]:
    """The shape of a row as the model takes it, and the order of an image in it.

    Args:        argument: what messages call the model.
    Raises:      ArgumentError for a model that takes no such rows.
    """
    taken = getattr(model, "input_shape", None) or (None, *given.built_shape)
    shapes: dict[tuple[int, ...], Layout] = {}
    if given.image is not None:
        channels, *size = given.image
        last: Layout = "channels_last"
        orders = {(*size, channels): last, (channels, *size): "channels_first"}
        shapes[given.keras_shape] = orders[given.keras_shape]
        shapes |= {shape: layout for shape, layout in orders.items() if shape not in shapes}
        if channels == 1:
            shapes[tuple(size)] = last
    shapes[(given.features,)] = "rows"
    for shape, layout in shapes.items():
        if _fits(taken, shape):
            return shape, layout
    expected = " or ".join(map(str, shapes))
    raise ArgumentError(
        f"{argument}={given.factory!r} takes an input of shape {_without_rows(taken)}, where a row of the data has "
        f"{given.features} features: expected one input of shape {expected}. Give the first layer that shape; the factory is "
        f"told it as input_shape, if it asks for that."
    )


def _fits(taken: Any, shape: tuple[int, ...]) -> bool:
    """Whether rows of this shape go into one input, whose lengths may be open."""
    if not isinstance(taken, tuple) or len(taken) != len(shape) + 1:
        return False
    return all(length in (None, other) for length, other in zip(taken[1:], shape, strict=True))


def _without_rows(taken: Any) -> Any:
    """An input's shape without the rows; of several inputs all of them."""
    return taken[1:] if isinstance(taken, tuple) and not isinstance(taken[0], tuple | list) else taken
