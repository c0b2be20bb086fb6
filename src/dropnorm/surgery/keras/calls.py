"""A layer's call replaced for a while: what a model does is watched, or changed, whichever class it is of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced_call(operation: Any, call: Callable[..., Any]) -> Iterator[None]:
    """A layer, or operation of `keras.ops`, that computes something else; afterwards it is as it was."""
    # In the instance's dictionary, past Keras's tracking of attributes: the class's own is behind it.
    own = vars(operation)
    before = own.get("call")
    own["call"] = call
    try:
        yield
    finally:
        if before is None:
            del own["call"]
        else:
            own["call"] = before
