"""Which framework a model is of, found out without loading one that is not there."""

import sys
from typing import Any

from dropnorm._validate import Constraint
from dropnorm.errors import ArgumentTypeError


def is_keras(model: Any) -> bool:
    """Whether it is a model or layer of Keras. On the torch backend that is a `torch.nn.Module` too: ask this first."""
    keras = sys.modules.get("keras")
    layer = getattr(keras, "Layer", None)
    return layer is not None and isinstance(model, layer)


def is_torch(model: Any) -> bool:
    """Whether it is a `torch.nn.Module`."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


class Model(Constraint):
    """A torch.nn.Module or a Keras model."""

    def check(self, value: Any, name: str) -> Any:
        """Return the value as it is."""
        if not is_keras(value) and not is_torch(value):
            raise ArgumentTypeError(
                f"{name}={type(value).__name__} is no model: expected a torch.nn.Module or a Keras model. For a class give an "
                f"instance of it."
            )
        return value


def expect_torch(model: Any, function: str, instead: str) -> None:
    """Refuse a model of Keras where only torch's are taken.

    Raises:      ArgumentTypeError, which says what to do instead.
    """
    if is_keras(model):
        raise ArgumentTypeError(
            f"model={type(model).__name__} is of Keras, which {function} does not take: expected a torch.nn.Module. {instead}"
        )
