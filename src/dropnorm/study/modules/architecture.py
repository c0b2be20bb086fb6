"""A user's own network as a study knows it, and the modules that its factory makes."""

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dropnorm._record import Record
from dropnorm._user_code import exits_told
from dropnorm.errors import ArgumentError, ArgumentTypeError, UserCodeError
from dropnorm.study.modules.factory import find_factory
from dropnorm.study.modules.own_traceback import failure
from dropnorm.study.modules.tensors import seeded

NAMES = {
    "features": "features",
    "in_features": "features",
    "outputs": "outputs",
    "out_features": "outputs",
    "image": "image",
    "input_shape": "keras_shape",
}
"""The arguments that a factory may have, and what each is given."""
SAMPLE_ROWS = 4


class FactoryArchitecture(Record):
    """A net that a user's factory makes, of whatever framework.

    Args:        factory: module:function; features, outputs: numbers per row; image: channels, height and width of a row that
                 is an image, and channels_last: whether its features have the channels last; parameters: of a plain net;
                 largest: how many numbers a row is at its largest; fingerprint: of the layers and the shapes of their tensors.
    """

    factory: str
    features: int
    outputs: int
    image: tuple[int, int, int] | None = None
    channels_last: bool = False
    parameters: int = 0
    largest: int = 1
    fingerprint: str = ""

    @property
    def keras_shape(self) -> tuple[int, ...]:
        """The shape of a row in the order of dimensions that Keras is set to: its own is height, width, channels."""
        if self.image is None:
            return (self.features,)
        channels, *size = self.image
        keras = sys.modules.get("keras")
        first = keras is not None and keras.config.image_data_format() == "channels_first"
        return (channels, *size) if first else (*size, channels)

    @property
    def asks_for_rows(self) -> bool:
        """Whether the factory asks how many features a row has, and not for the shape of an image: then rows are given."""
        asked = {NAMES.get(name) for name in _parameters(find_factory(self.factory))}
        return "features" in asked and not asked & {"image", "keras_shape"}

    @property
    def built_shape(self) -> tuple[int, ...]:
        """The shape of a row for which a Keras model that does not say its input is built."""
        return (self.features,) if self.asks_for_rows else self.keras_shape

    @property
    def identity(self) -> dict[str, str]:
        """What decides the nets beside the configuration, by the words in which a change is told."""
        return {"layers of the net": self.fingerprint}


class ModuleArchitecture(FactoryArchitecture):
    """A torch.nn.Module of a user's factory.

    Args:        output_layer: the place among `weighted_layers` of the one that is called last.
    """

    output_layer: int | None = None

    def sample(self) -> Tensor:
        """A few rows of noise, as the net takes them, from torch's generator."""
        return torch.randn(SAMPLE_ROWS, *(self.image or (self.features,)))


def make_module(architecture: ModuleArchitecture, key: int) -> nn.Module:
    """The module that the factory makes; its random numbers are those of the key, and torch's generator is as it was.

    Raises:      ArgumentError for a factory that fails, with its own traceback; ArgumentTypeError for one that makes no module.
    """
    with seeded(key, "cpu"):
        return checked_module(call_factory(architecture), architecture.factory)


def checked_module(made: Any, factory: str) -> nn.Module:
    """What a factory gives, if it is a module.

    Raises:      ArgumentTypeError if it is none.
    """
    if not isinstance(made, nn.Module):
        raise ArgumentTypeError(
            f"net={factory!r} gives {type(made).__name__}: expected a torch.nn.Module or a keras.Model. Return "
            f"the net from the factory."
        )
    return made


def call_factory(architecture: FactoryArchitecture) -> Any:
    """What the factory gives for the arguments that it asks for.

    Raises:      ArgumentError for a factory that fails, with its own traceback.
    """
    factory = find_factory(architecture.factory)
    arguments = _arguments(factory, architecture)
    try:
        with exits_told(f"net={architecture.factory!r}"):
            return factory(**arguments)
    except UserCodeError:
        raise
    except Exception as error:
        raise failure(f"net={architecture.factory!r} fails", error, factory) from error


def _arguments(factory: Callable[..., Any], architecture: FactoryArchitecture) -> dict[str, Any]:
    given = {}
    for parameter in _parameters(factory).values():
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


def _parameters(factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """What a factory may be given, by name; nothing where Python cannot tell."""
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}
