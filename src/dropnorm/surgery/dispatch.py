"""Which framework a model is of, found out without loading one that is not there."""

import sys
from typing import Any


def is_keras(model: Any) -> bool:
    """Whether it is a model or layer of Keras. On the torch backend that is a `torch.nn.Module` too: ask this first."""
    keras = sys.modules.get("keras")
    layer = getattr(keras, "Layer", None)
    return layer is not None and isinstance(model, layer)
