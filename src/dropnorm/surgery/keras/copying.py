"""A layer made anew from its configuration, without weights: also where its functions are known to no registry of Keras's."""

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import keras

from dropnorm.errors import SurgeryError

_PARTS = (keras.initializers.Initializer, keras.regularizers.Regularizer, keras.constraints.Constraint)


def copied(operation: Any, path: str = "", **arguments: Any) -> Any:
    """A new layer, or one of `keras.ops`, of the same class and configuration but for these arguments.

    Raises:      SurgeryError if the class does not make it of its configuration.
    """
    try:
        config = config_of(operation) | arguments
        try:
            return type(operation).from_config(dict(config))
        except Exception:
            if not isinstance(operation, keras.layers.Layer):
                raise
            return _of_own_parts(operation, config, arguments)
    except Exception as error:
        raise uncopyable(operation, path, error) from error


def config_of(operation: Any) -> dict[str, Any]:
    """A layer's configuration, to be looked at."""
    with warnings.catch_warnings():
        # Nothing is stored that could not be loaded.
        warnings.filterwarnings("ignore", message="The object being serialized includes a `lambda`")
        config: dict[str, Any] = operation.get_config()
        return config


def _of_own_parts(layer: Any, config: dict[str, Any], arguments: dict[str, Any]) -> Any:
    """The layer made with the functions, initializers and the like of somebody's own that it has, and its layers have."""
    own = {name: getattr(layer, name, None) for name in config if name not in arguments}
    config = config | {name: value for name, value in own.items() if _is_own(value)}
    known = {getattr(part, "__name__", type(part).__name__): part for part in _own_parts(layer)}
    known = {name: part if inspect.isfunction(part) else type(part) for name, part in known.items()}
    with keras.saving.custom_object_scope(known):
        if isinstance(layer, keras.layers.Lambda):
            # Its from_config takes no function, and whoever made the model has it already.
            return type(layer)(**config | {"output_shape": layer._output_shape, "mask": layer.mask})
        return type(layer).from_config(config)


def _own_parts(layer: Any) -> Iterator[Any]:
    for inner in layer._flatten_layers():
        if not type(inner).__module__.startswith("keras."):
            yield inner
        yield from (value for value in vars(inner).values() if _is_own(value))


def _is_own(value: Any) -> bool:
    kind = value if inspect.isfunction(value) else type(value)
    return (inspect.isfunction(value) or isinstance(value, _PARTS)) and not kind.__module__.startswith("keras.")


def uncopyable(layer: Any, path: str, error: Exception | str) -> SurgeryError:
    """The error for a layer that cannot be made anew."""
    # Keras tells the whole configuration first.
    told = error if isinstance(error, str) else f"{type(error).__name__}: {(str(error).splitlines() or [''])[-1]}"
    return SurgeryError(
        f"{path or layer.name!r} ({type(layer).__name__}) cannot be copied ({told}): expected layers that "
        f"keras.models.clone_model takes, since the model stays as it is. Give the class a get_config() with all arguments "
        f"of its __init__, and register its own functions with keras.saving.register_keras_serializable."
    )
