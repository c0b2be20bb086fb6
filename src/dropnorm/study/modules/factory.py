"""The function that makes a user's own network: found by its name, module:function."""

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import nn

from dropnorm._user_code import exits_told
from dropnorm.errors import ArgumentError, ArgumentTypeError, UserCodeError
from dropnorm.study.modules.own_traceback import traceback_of_import
from dropnorm.surgery.dispatch import is_keras

_USE = "Expected module:function, such as nets:small for the function small in nets.py."


def is_factory(net: str) -> bool:
    """Whether the name of a net is that of a factory."""
    return ":" in net


def factory_name(factory: Callable[..., nn.Module]) -> str:
    """The name module:function by which a function is found again.

    Raises:      ArgumentTypeError for what is no function, ArgumentError for one that has no name in its module.
    """
    if not callable(factory) or isinstance(factory, nn.Module) or is_keras(factory):
        raise ArgumentTypeError(
            f"net={factory!r} is no factory: expected 'dense', 'conv', or a function that makes a torch.nn.Module or a "
            f"keras.Model anew at each call. Of a module give the function, or its class."
        )
    module, name = getattr(factory, "__module__", None), getattr(factory, "__qualname__", "")
    found: Any = sys.modules.get(module or "")
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not factory:
        raise ArgumentError(
            f"net={name or factory!r} cannot be found again by its name, as a resumed study and predict must: expected a "
            f"function at the top of a module. Write it with def there, and bind arguments in a function of its own."
        )
    return f"{module}:{name}"


def find_factory(name: str, argument: str = "net") -> Callable[..., Any]:
    """The function of a name module:function, whose module may lie in the current directory.

    Args:        argument: what messages call the name.
    Raises:      ArgumentError for a module that cannot be imported or does not have it; ArgumentTypeError for no function.
    """
    module_name, _, path = name.partition(":")
    if not module_name or not path:
        raise ArgumentError(f"{argument}={name!r} is no name of a factory. {_USE}")
    try:
        with _current_directory(), exits_told(f"{argument}={name!r}: the module {module_name!r}"):
            found: Any = importlib.import_module(module_name)
    except UserCodeError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name and module_name.startswith(error.name):
            raise ArgumentError(
                f"{argument}={name!r}: there is no module {error.name!r}, neither installed nor in {Path.cwd()}. {_USE} "
                f"Start in its folder."
            ) from error
        raise ArgumentError(
            f"{argument}={name!r}: the module {module_name!r} fails when it is imported. Expected one that can be. Mend it:\n"
            f"{traceback_of_import(error)}"
        ) from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise ArgumentError(
                f"{argument}={name!r}: {module_name!r} has no {path!r}. {_USE} A function of a script or notebook "
                f"is there in that one only."
            )
        found = getattr(found, part)
    if not callable(found) or isinstance(found, nn.Module) or is_keras(found):
        raise ArgumentTypeError(
            f"{argument}={name!r} is {type(found).__name__}, no function: expected one that makes a torch.nn.Module or a "
            f"keras.Model anew at each call. Write def {path}(features, outputs)."
        )
    return found  # type: ignore[no-any-return]


@contextlib.contextmanager
def _current_directory() -> Iterator[None]:
    """The current directory is looked into first, as `python -m` does."""
    path = str(Path.cwd())
    sys.path.insert(0, path)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(path)
