"""What changes in a Keras model, layer by layer: `-` what goes, `+` what comes."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import keras

from dropnorm.surgery.keras.copying import config_of
from dropnorm.surgery.keras.graph import Graph, Operation, Place
from dropnorm.surgery.keras.rebuild import Changes, New
from dropnorm.surgery.kinds import Kind

# What a layer has whatever it is, or what would only be read by its number.
_LEFT_OUT = ("name", "dtype", "trainable", "build_config", "autocast", "mask_value", "synchronized")


def difference(graph: Graph, changes: Changes) -> str:
    """The layers in the order of the signal, those of nested models by their paths, each once."""
    seen = set[Place]()
    lines = []
    for operation in graph.operations:
        if operation.kind is not Kind.OUTPUT and operation.place not in seen:
            seen.add(operation.place)
            lines += [f"{mark} {line}" for mark, line in _of_call(operation, changes)]
    return "\n".join(lines)


def _of_call(operation: Operation, changes: Changes) -> Iterator[tuple[str, str]]:
    path, place = operation.path, operation.place
    line = f"{path or 'inputs'}: {described(operation.layer)}"
    if path in changes.removed:
        yield "-", line
    elif path in changes.instead and not operation.call:
        new = f"{path}: {described(changes.instead[path].layer)}"
        # Where only values are others, nothing is to be seen.
        yield from [(" ", line)] if new == line else [("-", line), ("+", new)]
    else:
        yield " ", line
    yield from _new(path, changes.after.get(place, []))


def _new(path: str, new: Sequence[New]) -> Iterator[tuple[str, str]]:
    holder = path.rpartition("/")[0]
    for each in new:
        yield "+", f"{holder and f'{holder}/'}{each.layer.name}: {described(each.layer)}"


def described(layer: Any) -> str:
    """A layer as it would be made, with the arguments that are not the defaults."""
    if layer is None:
        return "of any shape"
    if isinstance(layer, keras.layers.InputLayer):
        return f"Input({tuple(layer.batch_shape[1:])})"
    if not isinstance(layer, keras.layers.Layer):
        return f"{type(layer).__name__}()"
    parameters = inspect.signature(type(layer).__init__).parameters
    config = config_of(layer) if _has_config(layer) else {}
    told = []
    for name, parameter in list(parameters.items())[1:]:
        if name not in config or name in _LEFT_OUT or name.endswith("_initializer"):
            continue
        value = _short(config[name])
        if value in (_short(parameter.default), None, "linear") or (name, value) == ("data_format", "channels_last"):
            continue
        told.append(repr(value) if parameter.default is parameter.empty else f"{name}={value!r}")
    return f"{type(layer).__name__}({', '.join(told)})"


def _has_config(layer: Any) -> bool:
    return type(layer).get_config is not keras.layers.Layer.get_config


def _short(value: Any) -> Any:
    """A value of a configuration: of an object its class, of a list a tuple, as defaults are."""
    if isinstance(value, dict):
        kind = value.get("class_name", "__lambda__" if "value" in value else value)
        return value["config"] if kind == "function" else "lambda" if kind == "__lambda__" else kind
    if isinstance(value, list | tuple):
        return value[0] if len(set(map(repr, value))) == 1 and len(value) > 1 else tuple(value)
    return value
