"""The variables of a model or optimizer as tensors by name, read and written."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor


def tensors_of(variables: Sequence[Any]) -> dict[str, Tensor]:
    """A copy of each value, by its place and name, such as "0.kernel"; of an optimizer's by its place alone."""
    # A backend may use the memory of a variable for something else as soon as that is trained.
    values = (torch.from_numpy(np.array(keras.ops.convert_to_numpy(variable))) for variable in variables)
    return dict(zip(_names(variables), values, strict=True))


def assign(variables: Sequence[Any], tensors: Mapping[str, Tensor]) -> None:
    """Write values back.

    Raises:      RuntimeError if they are not those of the variables.
    """
    names = _names(variables)
    shapes = {name: tuple(variable.shape) for name, variable in zip(names, variables, strict=True)}
    if shapes != {name: tuple(tensor.shape) for name, tensor in tensors.items()}:
        raise RuntimeError("the tensors are those of other variables")
    for name, variable in zip(names, variables, strict=True):
        variable.assign(tensors[name].cpu().numpy())


def _names(variables: Sequence[Any]) -> list[str]:
    """Names that are the same for models made alike.

    Full names count the models that were made before. An optimizer puts them, all but the slashes, into those of its own.
    """
    is_optimizer = any(variable.name == "iteration" for variable in variables)
    return [str(place) if is_optimizer else f"{place}.{variable.name}" for place, variable in enumerate(variables)]
