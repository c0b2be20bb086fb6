"""What rematerialization does to a layer that has a seed: on torch nothing, as that has moved on by the backward pass."""

from collections.abc import Callable
from typing import Any

import keras


class Keyed:
    """A layer that draws a key per training call, beside Keras's class.

    Computed again in the backward pass it would drop other units, and move the seed once more. On torch nothing is lost by
    keeping it: its gradient needs its input at most, and the key.
    """

    def rematerialized_call(self, layer_call: Callable[..., Any], *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """Return what is called in a `keras.RematScope`."""
        if keras.backend.backend() == "torch":
            return layer_call
        chosen: Callable[..., Any] = super().rematerialized_call(layer_call, *args, **kwargs)  # type: ignore[misc] # Keras's
        return chosen
