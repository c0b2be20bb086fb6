"""What a model consists of, as a hash that is the same for models made alike."""

import hashlib
import json
from typing import Any

import keras

_NAMES = ("name",)  # counts the layers that were made before


def fingerprint_of(model: keras.Model) -> str:
    """A hash of the layers, their settings, and the shapes of their variables, whatever their names."""
    shapes = [f"{variable.name} {tuple(variable.shape)} {variable.dtype}" for variable in model.variables]
    return hashlib.sha256(
        json.dumps([_described(model), shapes], default=lambda one: type(one).__name__).encode()
    ).hexdigest()


def _described(layer: Any) -> Any:
    if isinstance(layer, keras.Model):
        return [type(layer).__name__, [_described(each) for each in layer.layers]]
    try:
        config = layer.get_config()
    except Exception:  # of a user's own layer, which need not have any
        config = {}
    return [type(layer).__name__, _nameless(config)]


def _nameless(config: Any) -> Any:
    if isinstance(config, dict):
        return {str(key): _nameless(value) for key, value in config.items() if key not in _NAMES}
    if isinstance(config, list | tuple):
        return [_nameless(value) for value in config]
    return config
