"""What a model does with a sample: how often each module is called, and with how many dimensions."""

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dropnorm.errors import SurgeryError


@dataclass(frozen=True)
class Observation:
    """Counts of calls, and the numbers of dimensions of each module's first argument, by the modules' paths."""

    calls: Counter[str] = field(default_factory=Counter)
    dimensions: dict[str, set[int]] = field(default_factory=dict)


def observe(model: nn.Module, sample: Any) -> Observation:
    """Run a copy of the model on the sample, with the random state as it was."""
    seen = Observation()
    watched = copy.deepcopy(model).eval()

    def watch(path: str, module: nn.Module) -> None:
        def note(_: nn.Module, arguments: tuple[Any, ...]) -> None:
            seen.calls[path] += 1
            if arguments and isinstance(arguments[0], Tensor):
                seen.dimensions.setdefault(path, set()).add(arguments[0].ndim)

        module.register_forward_pre_hook(note)

    for path, module in watched.named_modules():
        watch(path, module)
    outputs(watched, sample)
    return seen


def outputs(model: nn.Module, sample: Any) -> Any:
    """What the model makes of the sample, a tensor, a tuple of arguments or a dict of named ones, in the mode that it is in."""
    arguments, named = (), {}
    if isinstance(sample, Mapping):
        named = dict(sample)
    else:
        arguments = tuple(sample) if isinstance(sample, tuple | list) else (sample,)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            return model(*arguments, **named)
    except Exception as error:
        raise SurgeryError(
            f"sample={described(sample)} cannot be given to {type(model).__name__} ({type(error).__name__}: {error}): "
            f"expected what its forward takes: a tensor, a tuple of its arguments or a dictionary of its named ones."
        ) from error


def described(sample: Any) -> str:
    """A batch as it is called in messages."""
    if isinstance(sample, Tensor):
        return f"a tensor of shape {tuple(sample.shape)}"
    if isinstance(getattr(sample, "shape", None), tuple):
        return f"an array of shape {tuple(sample.shape)}"
    return f"a {type(sample).__name__}"
