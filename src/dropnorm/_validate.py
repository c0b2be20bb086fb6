"""Checks of arguments that several layers share: each returns the checked value or raises a three-part error."""

import difflib
import math
import numbers
from collections.abc import Iterable
from typing import TypeVar

from dropnorm.errors import ArgumentError, ArgumentTypeError

Choice = TypeVar("Choice", bound=str)


def closest(value: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that `value` was probably meant to be, if one is near."""
    matches = difflib.get_close_matches(value, list(allowed), n=1, cutoff=0.6)
    return matches[0] if matches else None


def number(value: object, name: str) -> float:
    """Return `value` as a float, or raise ArgumentTypeError if it is no real number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ArgumentTypeError(
            f"{name}={value!r} is not a number: expected a real number, got {type(value).__name__}."
        )
    return float(value)


def probability(value: object, name: str = "p") -> float:
    """Return `value` as a float in [0, 1]. NaN is refused."""
    checked = number(value, name)
    if not 0.0 <= checked <= 1.0:
        hint = f" To drop {checked:g} % of the units use {name}={checked / 100:g}." if 1.0 < checked <= 100.0 else ""
        raise ArgumentError(f"{name}={value!r} is not a probability: expected 0 <= {name} <= 1.{hint}")
    return checked


def positive(value: object, name: str) -> float:
    """Return `value` as a finite float above zero."""
    checked = number(value, name)
    if not (checked > 0.0 and math.isfinite(checked)):
        raise ArgumentError(f"{name}={value!r} is out of range: expected a finite number above 0.")
    return checked


def whole(value: object, name: str, at_least: int, why: str = "") -> int:
    """Return `value` as an int of `at_least` or more."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ArgumentTypeError(f"{name}={value!r} is not a whole number: expected an int of at least {at_least}.")
    if value < at_least:
        raise ArgumentError(f"{name}={value!r} is too small: expected at least {at_least}{why and f' ({why})'}.")
    return int(value)


def choice(value: Choice, name: str, allowed: Iterable[str]) -> Choice:
    """Return `value` if it is one of `allowed`; the error suggests the nearest one."""
    names = list(allowed)
    if value not in names:
        meant = closest(value, names) if isinstance(value, str) else None
        hint = f" Did you mean {meant!r}?" if meant else ""
        raise ArgumentError(f"{name}={value!r} is unknown: expected one of {', '.join(map(repr, names))}.{hint}")
    return value
