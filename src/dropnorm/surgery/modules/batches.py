"""Batches as people have them: what a model takes, alone or with labels beside it."""

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from dropnorm.errors import ArgumentTypeError

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def arguments_of(batch: Any) -> Arguments:
    """A batch as the model takes it: a tensor, a tuple of arguments, or a dictionary of named ones."""
    if isinstance(batch, Mapping):
        return (), dict(batch)
    return (tuple(batch) if isinstance(batch, tuple | list) else (batch,)), {}


def inputs_of(model: nn.Module, batch: Any) -> Arguments:
    """A batch of a loader: of a tuple the model gets as many as its forward requires, without the labels after them."""
    arguments, named = arguments_of(batch)
    if len(arguments) > 1:
        parameters = inspect.signature(model.forward).parameters.values()
        required = [each for each in parameters if each.default is each.empty and each.kind in _POSITIONAL]
        arguments = arguments[: max(1, len(required))]
    if named:
        known = inspect.signature(model.forward).parameters
        if not any(each.kind is each.VAR_KEYWORD for each in known.values()):
            named = {name: value for name, value in named.items() if name in known}
    device = next((each.device for each in model.parameters()), None)
    moved = [value.to(device) if isinstance(value, Tensor) and device is not None else value for value in arguments]
    return tuple(moved), {
        name: value.to(device) if isinstance(value, Tensor) and device is not None else value
        for name, value in named.items()
    }


def cloned(given: Arguments) -> Arguments:
    """The same with tensors of their own, since a forward may write into what it is given."""
    copies: Arguments = tree_map(lambda value: value.clone() if isinstance(value, Tensor) else value, given)
    return copies


def check_batches(batches: Any, argument: str) -> Iterable[Any]:
    """Refuse what is no collection of batches, or one that can be gone through only once."""
    if isinstance(batches, Tensor | np.ndarray | Mapping | Iterator) or not isinstance(batches, Iterable):
        raise ArgumentTypeError(
            f"{argument}={type(batches).__name__} cannot be gone through several times: expected a DataLoader or a list of "
            f"batches. Of one batch give [batch], of an iterator list(...)."
        )
    return batches


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
