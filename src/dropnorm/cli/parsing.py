"""Words of the command line into values."""

from collections.abc import Callable
from typing import TypeVar

from dropnorm.errors import ArgumentError

Number = TypeVar("Number", int, float)


def numbers(text: str, name: str, kind: Callable[[str], Number]) -> tuple[Number, ...]:
    """Numbers separated by commas."""
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError:
        example = "128,128" if kind is int else "0.1,0.3"
        raise ArgumentError(
            f"--{name} {text!r} is no list of numbers: expected numbers with commas, such as {example}."
        ) from None
