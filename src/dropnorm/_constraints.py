"""What values an option may have: truth values, texts, paths, functions and lists; `_validate` has numbers and names."""

import contextlib
import numbers
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from dropnorm._validate import Constraint, shown
from dropnorm.errors import ArgumentError, ArgumentTypeError


@dataclass(frozen=True)
class Flag(Constraint):
    """True or False; on a command line, the option's name alone means that it is not as by default."""

    form: ClassVar[Any] = bool

    def check(self, value: Any, name: str) -> bool:
        """Return the value as a bool."""
        plain = value.item() if getattr(value, "ndim", None) == 0 else value  # of NumPy
        if not isinstance(plain, bool):
            raise ArgumentTypeError(
                f"{name}={shown(value)} is no truth value: expected True or False. Use {name}=True, or leave {name} out."
            )
        return plain

    def write(self, value: Any) -> str:
        """Write the value as TOML does."""
        return str(value).lower()

    def spell(self, flag: str, value: Any) -> list[str]:
        """Write the name alone: of an option that is off by default for True, of another for False."""
        del value
        return [flag]


@dataclass(frozen=True)
class Text(Constraint):
    """Texts that are not empty; `noun` says what a text is, `example` shows one.

    Args:        numbered: whether a whole number stands for its text, as the name of one of pandas' numbered columns.
    """

    noun: str
    example: str
    numbered: bool = False
    form: ClassVar[Any] = str

    def check(self, value: Any, name: str) -> str:
        """Return the value as a text."""
        if self.numbered and isinstance(value, numbers.Integral) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise ArgumentTypeError(
                f"{name}={shown(value)} is no text: expected {self.noun}, such as {name}={self.example!r}."
            )
        if not value:
            raise ArgumentError(
                f"{name}='' is empty: expected {self.noun}, such as {self.example!r}. Write one, or leave {name} out."
            )
        return str(value)


@dataclass(frozen=True)
class FilePath(Constraint):
    """Paths, as texts or path objects; `noun` says of what."""

    noun: str
    form: ClassVar[Any] = Path

    def check(self, value: Any, name: str) -> Path:
        """Return the value as a Path."""
        if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
            raise ArgumentTypeError(
                f"{name}={shown(value)} is no path: expected {self.noun}, as a text or a Path. Use {name}='my-run'."
            )
        if "\0" in os.fspath(value):
            raise ArgumentError(f"{name}={shown(value)} holds a null character: expected {self.noun}. Take it out.")
        if not os.fspath(value):
            raise ArgumentError(f"{name}='' is empty: expected {self.noun}. Name one, or leave {name} out.")
        return Path(value)


@dataclass(frozen=True)
class Instance(Constraint):
    """Objects of a class; `noun` says what one is, `remedy` where to get one."""

    kind: type
    noun: str
    remedy: str

    def check(self, value: Any, name: str) -> Any:
        """Return the value as it is."""
        if not isinstance(value, self.kind):
            raise ArgumentTypeError(f"{name}={type(value).__name__} is no {self.noun}: expected one. {self.remedy}")
        return value


@dataclass(frozen=True)
class Function(Constraint):
    """Functions; `noun` says which."""

    noun: str

    def check(self, value: Any, name: str) -> Callable[..., Any]:
        """Return the value if it can be called."""
        if not callable(value):
            raise ArgumentTypeError(f"{name}={shown(value)} is no function: expected {self.noun}. Leave {name} out.")
        return value  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Each(Constraint):
    """Lists whose every item is allowed; one item alone stands for a list of it.

    Args:        item: what each one must be; example: a list to show; least, most: how many there may be; empty: what a list
                 without any means, as the predicate of a sentence; repeated: whether a command line gives the items one by one,
                 each behind the option's name, and not in one word with commas.
    """

    item: Constraint
    example: tuple[Any, ...]
    least: int = 0
    most: int | None = None
    empty: str = "is empty"
    repeated: bool = False

    @property
    def form(self) -> Any:
        """One word with commas, or several words."""
        return list[str] if self.repeated else str

    def allowed(self, unit: str = "") -> str:
        """What an item may be, and how many there may be."""
        items = self.item.allowed(unit)
        return items and f"{items} each{f', at most {self.most} of them' if self.most else ''}"

    def check(self, value: Any, name: str) -> tuple[Any, ...]:
        """Return the values as a tuple."""
        values = value
        if hasattr(value, "tolist"):  # of NumPy, torch and pandas
            with contextlib.suppress(RuntimeError, TypeError):  # a tensor without data is no list
                values = value.tolist()
        if isinstance(values, str | numbers.Number) and (not isinstance(values, str) or isinstance(self.item, Text)):
            values = (values,)
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Sequence):
            kind = "texts" if isinstance(self.item, Text) else "numbers"
            allowed = ", ".join(part for part in (kind, self.allowed()) if part)
            raise ArgumentTypeError(
                f"{name}={shown(value)} is no list of {kind}: expected {allowed}. Use {name}={self.example!r}."
            )
        if len(values) < self.least:
            raise ArgumentError(
                f"{name}=() {self.empty}: expected at least {'one' if self.least == 1 else self.least}, such as "
                f"{self.write(self.example[:1])}. Leave {name} out for the default."
            )
        if self.most is not None and len(values) > self.most:
            raise ArgumentError(
                f"{name} has {len(values):,} values: expected at most {self.most}, as in {name}={self.example!r}. Leave some "
                f"out."
            )
        return tuple(self.item.check(one, name) for one in values)

    def read(self, word: Any, name: str) -> Any:
        """Return the items of a word with commas."""
        if self.repeated or not isinstance(word, str):
            return word
        try:
            return tuple(self.item.form(part) for part in word.split(","))
        except ValueError:
            raise ArgumentError(
                f"{name} {shown(word)} is no list of numbers: expected numbers with commas, such as {self.write(self.example)}."
            ) from None

    def write(self, value: Any) -> str:
        """Write the items with commas."""
        return ",".join(self.item.write(one) for one in value)

    def spell(self, flag: str, value: Any) -> list[str]:
        """Write all in one word, or one by one."""
        if not self.repeated:
            return [flag, self.write(value)]
        return [word for one in value for word in self.item.spell(flag, one)]
