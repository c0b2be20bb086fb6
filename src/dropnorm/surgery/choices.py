"""What a user chooses: a rate, and the places for dropout."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from dropnorm._validate import choice, closest, probability
from dropnorm.errors import ArgumentError, ArgumentTypeError

Where = str | Sequence[str]


def chosen_rate(value: float | None, name: str) -> float:
    """The drop probability, 0 for None.

    Raises:      ArgumentError if it is not in [0, 1), ArgumentTypeError if it is no number.
    """
    if value is None:
        return 0.0
    if probability(value, name) == 1.0:
        raise ArgumentError(f"{name}={value!r} drops everything: expected 0 <= {name} < 1. Use a rate such as 0.2.")
    return float(value)


def chosen_places(where: Any) -> Where:
    """The choice of places: "auto", "last" or patterns.

    Raises:      ArgumentError for another word, ArgumentTypeError for what is no list of texts.
    """
    if isinstance(where, str):
        if where not in ("auto", "last"):
            choice(where, "where", ("auto", "last"))
        return where
    if not isinstance(where, Sequence) or not all(isinstance(each, str) for each in where):
        raise ArgumentTypeError(
            f"where={where!r} is no choice of places: expected 'auto', 'last' or a list of module paths. For one path give "
            f"a list of one, such as ['features.*']."
        )
    return tuple(where)


class Places:
    """The places that patterns of paths choose, and which of the patterns have chosen any.

    Args:        separator: what joins the names in a path: "." in torch, "/" in Keras.
    """

    def __init__(self, where: Where, separator: str) -> None:
        self.where = where
        self.patterns = () if isinstance(where, str) else tuple(where)
        self.separator = separator
        self.matched: set[str] = set()
        self.names: list[str] = []

    def has(self, paths: Sequence[str]) -> bool:
        """Whether a place with these names is chosen by its name. The name of a block stands for all that is in it."""
        self.names += paths
        hits = {
            pattern
            for pattern in self.patterns
            for path in paths
            if fnmatchcase(path, pattern) or fnmatchcase(path, f"{pattern}{self.separator}*")
        }
        self.matched |= hits
        return bool(hits)

    def check(self) -> None:
        """Refuse a pattern that no place has matched."""
        for pattern in self.patterns:
            if pattern not in self.matched:
                meant = closest(pattern, self.names)
                hint = f" Did you mean {meant!r}?" if meant else ""
                raise ArgumentError(
                    f"where={pattern!r} matches no place that can have dropout: expected "
                    f"{', '.join(map(repr, dict.fromkeys(self.names))) or 'a model that has such places'}.{hint}"
                )
