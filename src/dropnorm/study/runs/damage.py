"""Records that are each in order and do not fit each other: whoever computes with them ends with an error of the run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError

from dropnorm.errors import DropnormError, RunError

# How computing with records, or with weights of other shapes, ends.
_DAMAGES = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    StopIteration,
    SafetensorError,
)
_OF_THE_MACHINE = ("CUDA", "memory")  # in torch's errors that are of no file


@contextmanager
def told_as_damage(folder: str | Path) -> Iterator[None]:
    """Tell of whatever the records of a run's folder make fail that the run is damaged.

    Raises:      RunError that names the folder and what failed.
    """
    try:
        yield
    except DropnormError:
        raise
    except _DAMAGES as error:
        if isinstance(error, RuntimeError) and any(word in str(error) for word in _OF_THE_MACHINE):
            raise
        reason = f"{error.errors()[0]['loc']}" if isinstance(error, ValidationError) else error
        raise RunError(
            f"{folder}: is damaged, since its records do not fit each other ({type(error).__name__}: {reason}). Start the same "
            f"`dropnorm study` again with another --out, or remove the folder."
        ) from error
