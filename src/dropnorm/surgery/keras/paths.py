"""The layers of a Keras model by their paths."""

from typing import Any

import keras


def layers_of(model: keras.Model) -> dict[str, Any]:
    """All layers inside of a model, each once, by their names joined to those of the models and layers around them."""
    found: dict[str, Any] = {}
    seen: set[int] = set()

    def enter(parent: Any, prefix: str) -> None:
        for layer in parent._flatten_layers(include_self=False, recursive=False):
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            path = prefix + layer.name
            # Names are unique in a functional model, and may be the same in layers of layers.
            number = 2
            while path in found:
                path, number = f"{prefix}{layer.name}~{number}", number + 1
            found[path] = layer
            enter(layer, f"{path}/")

    enter(model, "")
    return found
