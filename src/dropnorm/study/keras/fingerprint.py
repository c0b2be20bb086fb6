"""What a model consists of, as a hash that is the same for models made alike."""

import hashlib
import json
from typing import Any

import keras
import numpy as np
from keras.src.models import Functional  # which is not exported: what keras.Model(inputs, outputs) makes

from dropnorm.surgery.keras.graph import nodes_of

_NAMES = ("name",)  # counts the layers that were made before


def fingerprint_of(model: keras.Model) -> str:
    """A hash of the layers, their settings, how they are connected, and the shapes of their variables, whatever their names."""
    shapes = [f"{variable.name} {tuple(variable.shape)} {variable.dtype}" for variable in model.variables]
    return hashlib.sha256(
        json.dumps([_described(model), shapes], default=lambda one: type(one).__name__).encode()
    ).hexdigest()


def _described(layer: Any) -> Any:
    if isinstance(layer, keras.Model):
        connections = _connections(layer) if isinstance(layer, Functional) else []
        return [type(layer).__name__, [_described(each) for each in layer.layers], connections]
    try:
        config = layer.get_config()
    except Exception:  # of a user's own layer, which need not have any
        config = {}
    return [type(layer).__name__, _nameless(config)]


def _connections(model: Functional) -> Any:
    """What each call takes, tensors by their numbers and constants as they are, and what the model gives."""
    numbers = {id(tensor): number for number, tensor in enumerate(model.inputs)}
    operations: dict[int, int] = {}
    calls = []

    def numbered(value: Any) -> Any:
        return ["tensor", numbers[id(value)]] if isinstance(value, keras.KerasTensor) else _constant(value)

    for node in nodes_of(model):
        of, arguments = node.operation, node.arguments
        number = operations.setdefault(id(of), len(operations))
        what = number if isinstance(of, keras.layers.Layer) else _described(of)
        given = keras.tree.map_structure(numbered, [list(arguments.args), dict(arguments.kwargs)])
        calls.append([type(of).__name__, what, _nameless(given)])
        numbers |= {id(tensor): len(numbers) + place for place, tensor in enumerate(node.outputs)}
    return [calls, [numbers[id(tensor)] for tensor in model.outputs]]


def _constant(value: Any) -> Any:
    """What a call was given beside tensors, such as bounds of a slice or an array, so that JSON tells it from another."""
    if isinstance(value, slice):
        return str(value)
    if isinstance(value, np.ndarray | np.generic) or keras.ops.is_tensor(value):
        array = keras.ops.convert_to_numpy(value)
        return [str(array.dtype), array.shape, hashlib.sha256(array.tobytes()).hexdigest()]
    return value


def _nameless(config: Any) -> Any:
    if isinstance(config, dict):
        return {str(key): _nameless(value) for key, value in config.items() if key not in _NAMES}
    if isinstance(config, list | tuple):
        return [_nameless(value) for value in config]
    return config
