"""Columns by what a user calls them: their name, their number from 1, `first` or `last`."""

from collections.abc import Iterable, Sequence

from dropnorm._validate import closest
from dropnorm.errors import DataError
from dropnorm.study.data.sources.table import listed

NUMBERED = "column_{}"
"""How a column without a name is called, by its place from 1."""


def numbered_names(count: int) -> list[str]:
    """Names for columns that have none."""
    return [NUMBERED.format(place) for place in range(1, count + 1)]


def column_named(given: str, columns: Sequence[str], source: object) -> str:
    """The column that is meant: the one of that name, or else the one at that place.

    Raises:      DataError that names the closest column there is.
    """
    if given in columns:
        return given
    if given in ("first", "last") and columns:
        return columns[0 if given == "first" else -1]
    if given.isascii() and given.isdigit() and 1 <= int(given) <= len(columns):
        return columns[int(given) - 1]
    raise missing_column(source, given, columns)


def columns_named(given: Iterable[str], columns: Sequence[str], source: object) -> tuple[str, ...]:
    """The columns that are meant, each once; what is no column's name may be several, with commas between.

    Raises:      DataError for a name that is none.
    """
    known = set(columns)
    parts = [part for one in given for part in ([one] if one in known else one.split(","))]
    return tuple(dict.fromkeys(column_named(part.strip(), columns, source) for part in parts if part.strip()))


def missing_column(source: object, name: str, columns: Sequence[str]) -> DataError:
    """The error for a column that is not there, with the closest one that is."""
    meant = closest(name, columns)
    hint = f"Did you mean {meant!r}?" if meant else "Name one of them."
    return DataError(f"{source}: there is no column {name!r}: expected one of {listed(columns, last=True)}. {hint}")
