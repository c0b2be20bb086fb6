"""Records that are each in order and do not fit each other: whoever computes with them ends with an error of the run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from dropnorm.errors import DropnormError, RunError


@contextmanager
def told_as_damage(folder: str | Path) -> Iterator[None]:
    """Tell of whatever the records of a run's folder make fail that the run is damaged.

    Raises:      RunError that names the folder and what failed.
    """
    try:
        yield
    except DropnormError:
        raise
    except (
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
        AttributeError,
        RecursionError,
        StopIteration,
    ) as error:
        reason = f"{error.errors()[0]['loc']}" if isinstance(error, ValidationError) else error
        raise RunError(
            f"{folder}: is damaged, since its records do not fit each other ({type(error).__name__}: {reason}). Start the same "
            f"`dropnorm study` again with another --out, or remove the folder."
        ) from error
