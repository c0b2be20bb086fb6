"""A user's own network as a study knows it, and the modules that its factory makes."""

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dropnorm._record import Record
from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.study.modules.factory import find_factory
from dropnorm.study.modules.own_traceback import failure
from dropnorm.study.modules.tensors import seeded

NAMES = {
    "features": "features",
    "in_features": "features",
    "outputs": "outputs",
    "out_features": "outputs",
    "image": "image",
}
"""The arguments that a factory may have, and what each is given."""
SAMPLE_ROWS = 4


class ModuleArchitecture(Record):
    """A net that a user's factory makes.

    Args:        factory: module:function; features, outputs: numbers per row; image: channels, height and width of a row that
                 is an image, and channels_last: whether its features have the channels last; parameters: of a plain net;
                 largest: how many numbers a row is at its largest; output_layer: the place among
                 `weighted_layers` of the one that is called last; fingerprint: of the layers and the shapes of their tensors.
    """

    factory: str
    features: int
    outputs: int
    image: tuple[int, int, int] | None = None
    channels_last: bool = False
    parameters: int = 0
    largest: int = 1
    output_layer: int | None = None
    fingerprint: str = ""

    @property
    def identity(self) -> dict[str, str]:
        """What decides the nets beside the configuration, by the words in which a change is told."""
        return {"layers of the net": self.fingerprint}

    def sample(self) -> Tensor:
        """A few rows of noise, as the net takes them, from torch's generator."""
        return torch.randn(SAMPLE_ROWS, *(self.image or (self.features,)))


def make_module(architecture: ModuleArchitecture, key: int) -> nn.Module:
    """The module that the factory makes; its random numbers are those of the key, and torch's generator is as it was.

    Raises:      ArgumentError for a factory that fails, with its own traceback; ArgumentTypeError for one that makes no module.
    """
    name = architecture.factory
    factory = find_factory(name)
    arguments = _arguments(factory, architecture)
    with seeded(key, "cpu"):
        try:
            made = factory(**arguments)
        except Exception as error:
            raise failure(f"net={name!r} fails", error, factory) from error
    if not isinstance(made, nn.Module):
        raise ArgumentTypeError(
            f"net={name!r} gives {type(made).__name__}: expected a torch.nn.Module. Return the net from the factory."
        )
    return made


def _arguments(factory: Callable[..., Any], architecture: ModuleArchitecture) -> dict[str, Any]:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return {}
    given = {}
    for parameter in parameters:
        known = NAMES.get(parameter.name)
        if known is not None and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            given[parameter.name] = getattr(architecture, known)
        elif parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        ):
            raise ArgumentError(
                f"net={architecture.factory!r} asks for {parameter.name!r}, which a study does not know: expected arguments "
                f"named {', '.join(NAMES)}, or none. Give others a default."
            )
    return given
