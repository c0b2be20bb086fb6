"""Where in a model a layer sits, for error messages."""

import inspect

from torch import nn


def path_of(layer: nn.Module) -> str:
    """The layer's dotted path in the outermost module that is being called, or its class name if it is called alone.

    Modules do not know their parents, so the callers' frames are asked: only when an error is about to be raised.
    """
    path = ""
    frame = inspect.currentframe()
    while frame is not None:
        caller = frame.f_locals.get("self")
        if isinstance(caller, nn.Module) and caller is not layer:
            path = next((name for name, module in caller.named_modules() if module is layer), path)
        frame = frame.f_back
    return f"{path!r} ({type(layer).__name__})" if path else type(layer).__name__
