"""What values an argument may have: numbers, and one of several names; `_constraints` has the others.

A constraint is declared once. Its check returns the value in one form or raises a three-part error; the same declaration says
in words what is allowed, and how the value is written on a command line. Layers use the short functions at the end.
"""

import contextlib
import difflib
import math
import numbers
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from dropnorm.errors import ArgumentError, ArgumentTypeError

Choice = TypeVar("Choice", bound=str)
_LONGEST = 80  # characters of a value in a message


class Constraint:
    """Which values are allowed. This one allows every value, and has no form on a command line.

    Args:        form: what a command line takes: int, float, str, bool, Path or list[str]; None where no words give the value.
    """

    form: ClassVar[Any] = None

    def allowed(self, unit: str = "") -> str:
        """What is allowed, in words and in a unit; nothing where the type says it all."""
        del unit
        return ""

    def check(self, value: Any, name: str) -> Any:
        """Return the value in its one form, or raise ArgumentError or ArgumentTypeError."""
        del name
        return value

    def read(self, word: Any, name: str) -> Any:
        """Return the value that a word of the command line means, unchecked."""
        del name
        return word

    def write(self, value: Any) -> str:
        """Write a checked value as a command line takes it."""
        return str(value)

    def spell(self, flag: str, value: Any) -> list[str]:
        """Write the words of a command line that give a checked value to the option `flag`."""
        return [flag, self.write(value)]


@dataclass(frozen=True)
class Whole(Constraint):
    """Whole numbers from `low` to `high`, NumPy's too; `why` says why the lowest is the lowest."""

    low: int
    high: int | None = None
    why: str = ""
    form: ClassVar[Any] = int

    def allowed(self, unit: str = "") -> str:
        """The bounds."""
        return f"{f'at least {self.low:,}' if self.high is None else f'{self.low:,} to {self.high:,}'} {unit}".rstrip()

    def check(self, value: Any, name: str) -> int:
        """Return the value as an int."""
        if isinstance(value, bool) or not isinstance(value, numbers.Integral):
            kind = f"an int {'of' if self.high is None else 'from'} {self.allowed()}"
            raise ArgumentTypeError(
                f"{name}={shown(value)} is not a whole number: expected {kind}.{self._hint(value, name)}"
            )
        checked = int(value)
        if checked < self.low or (self.high is not None and checked > self.high):
            size = "small" if checked < self.low else "large"
            reason = f" ({self.why})" if self.why and checked < self.low else ""
            raise ArgumentError(
                f"{name}={shown(value)} is too {size}: expected {self.allowed()}{reason}.{self._hint(checked, name)}"
            )
        return checked

    def _hint(self, value: Any, name: str) -> str:
        """Name the nearest number that is allowed; of what is no number the lowest."""
        try:
            number = value if isinstance(value, int) else round(float(value))
        except (TypeError, ValueError, OverflowError):
            number = self.low
        nearest = max(self.low, number)
        return f" Use {name}={nearest if self.high is None else min(nearest, self.high)}."


@dataclass(frozen=True)
class Real(Constraint):
    """Real numbers between two bounds, which `closed` counts in as pandas and scikit-learn do; NaN is never one.

    Args:        noun: what such a number is called; remedy: the end of a message, which says what to do, with {name} for the
                 argument's name.
    """

    low: float = -math.inf
    high: float = math.inf
    closed: Literal["both", "left", "right", "neither"] = "both"
    noun: str = "a number"
    remedy: str = ""
    form: ClassVar[Any] = float

    def allowed(self, unit: str = "") -> str:
        """The bounds."""
        if self.closed == "both" and math.isfinite(self.high):
            return f"{self.low:g} to {self.high:g} {unit}".rstrip()
        low = f"{'at least' if self.closed in ('both', 'left') else 'above'} {self.low:g}"
        high = f"{'at most' if self.closed in ('both', 'right') else 'below'} {self.high:g}"
        ends = [text for bound, text in ((self.low, low), (self.high, high)) if math.isfinite(bound)]
        return f"{' and '.join(ends)} {unit}".strip()

    def has(self, value: float) -> bool:
        """Whether a number is between the bounds."""
        above = self.low <= value if self.closed in ("both", "left") else self.low < value
        below = value <= self.high if self.closed in ("both", "right") else value < self.high
        return above and below

    def check(self, value: Any, name: str) -> float:
        """Return the value as a float."""
        checked = number(value, name)
        if not self.has(checked):
            raise ArgumentError(self._refusal(value, checked, name))
        return checked

    def _refusal(self, value: Any, checked: float, name: str) -> str:
        del checked
        noun = self.noun if math.isfinite(self.high) else self.noun.replace("a ", "a finite ", 1)
        bounds = self.allowed()
        link = "of " if bounds.startswith("at") else "from " if " to " in bounds else ""
        return f"{name}={shown(value)} is out of range: expected {noun} {link}{bounds}.{self._remedy(name)}"

    def _remedy(self, name: str) -> str:
        return f" {self.remedy.format(name=name)}" if self.remedy else f" Give {name} such a number."


@dataclass(frozen=True)
class Probability(Real):
    """Probabilities from 0 to 1, or, with `closed`, without 0 or 1."""

    low: float = 0.0
    high: float = 1.0

    def _refusal(self, value: Any, checked: float, name: str) -> str:
        low, high = ("<=" if self.closed in sides else "<" for sides in (("both", "left"), ("both", "right")))
        percent = 1.0 < checked <= 100.0 and self.has(checked / 100)
        hint = f" To drop {checked:g} % of the units use {name}={checked / 100:g}." if percent else self._remedy(name)
        noun = "a rate to try" if checked in (0.0, 1.0) else "a probability"
        return f"{name}={shown(value)} is not {noun}: expected 0 {low} {name} {high} 1.{hint}"


@dataclass(frozen=True)
class OneOf(Constraint):
    """One of several names."""

    names: tuple[str, ...]
    form: ClassVar[Any] = str

    def allowed(self, unit: str = "") -> str:
        """All names."""
        del unit
        return " or ".join(part for part in (", ".join(self.names[:-1]), self.names[-1]) if part)

    def check(self, value: Any, name: str) -> str:
        """Return the value; an error suggests the nearest name."""
        if not isinstance(value, str) or value not in self.names:
            meant = closest(value, self.names) if isinstance(value, str) else None
            hint = f" Did you mean {meant!r}?" if meant else f" Use {name}={self.names[0]!r}."
            allowed = ", ".join(map(repr, self.names))
            raise ArgumentError(f"{name}={shown(value)} is unknown: expected one of {allowed}.{hint}")
        return str(value)


def shown(value: Any) -> str:
    """The value as a message shows it: on one line, and no longer than can be read."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an object's own repr; or of an int of thousands of digits, which Python refuses to write
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def closest(value: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that `value` was probably meant to be, if one is near."""
    matches = difflib.get_close_matches(value, list(allowed), n=1, cutoff=0.6)
    return matches[0] if matches else None


def number(value: object, name: str) -> float:
    """Return `value` as a float, or raise ArgumentTypeError if it is no real number."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ArgumentTypeError(
            f"{name}={shown(value)} is not a number: expected a real number, got {type(value).__name__}.{_meant(value, name)}"
        )
    try:
        return float(value)
    except OverflowError:  # an int of more digits than a float has
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def _meant(value: object, name: str) -> str:
    """Propose the number that a text holds, or any."""
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return f" Use {name}={float(value):g}."
    return " Give a float or an int."


_PROBABILITY = Probability()


def probability(value: object, name: str = "p") -> float:
    """Return `value` as a float in [0, 1]. NaN is refused."""
    return _PROBABILITY.check(value, name)


def whole(value: object, name: str, at_least: int, why: str = "") -> int:
    """Return `value` as an int of `at_least` or more."""
    return Whole(at_least, why=why).check(value, name)


def choice(value: Choice, name: str, allowed: Iterable[str]) -> Choice:
    """Return `value` if it is one of `allowed`; the error suggests the nearest one."""
    OneOf(tuple(allowed)).check(value, name)
    return value
