"""How a file of text separates and quotes its fields, found out from its first lines."""

import csv
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

csv.field_size_limit(sys.maxsize)  # Python's own is for one process as a whole, and too small for a document in a field
BLANKS = " "
"""The separator of fields that any number of blanks and tabs lie between."""
# Of separators that fit equally well the first is right: commas lie within fields, as decimal ones, where others separate.
_SEPARATORS = ("\t", ";", "|", ",")
_WORDS = {
    "tab": "\t",
    "\\t": "\t",
    "comma": ",",
    "semicolon": ";",
    "bar": "|",
    "blanks": BLANKS,
    "blank": BLANKS,
    "space": BLANKS,
}
_FIT = 0.9


@dataclass(frozen=True)
class Dialect:
    """The separator of fields, and the character that fields stand between which hold a separator themselves."""

    separator: str
    quote: str = '"'

    @property
    def name(self) -> str:
        """The separator in a word."""
        return next((word for word, character in _WORDS.items() if character == self.separator), repr(self.separator))

    def records(self, lines: Sequence[str]) -> list[list[str]]:
        """The fields of lines; an open quote at the end of them ends there."""
        if self.separator == BLANKS:
            lines = [squeezed(line) for line in lines]
        separator = "\t" if self.separator == BLANKS else self.separator
        return list(csv.reader(lines, delimiter=separator, quotechar=self.quote, skipinitialspace=True))


def squeezed(line: str) -> str:
    """A line with one tab where blanks and tabs lie between its fields."""
    return "\t".join(line.split())


def separator_named(given: str) -> str:
    """The separator by its word, or as it is."""
    return _WORDS.get(given, given)


def find_dialect(lines: Sequence[str], separator: str | None = None) -> Dialect:
    """The dialect in which most lines have as many fields as each other.

    Args:        lines: the first of a file, without empty ones; separator: the one that is given.
    """
    quote = _quote(lines)
    if separator is not None:
        return Dialect(separator_named(separator), quote)
    fits = {character: _fit(Dialect(character, quote).records(lines)) for character in _SEPARATORS}
    best = max(_SEPARATORS, key=lambda character: fits[character])
    if fits[best] < 1.0 and _fit(Dialect(BLANKS, quote).records(lines)) >= max(_FIT, fits[best] + 0.1):
        return Dialect(BLANKS, quote)
    return Dialect(best if fits[best] > 0.0 else ",", quote)


def _fit(records: Sequence[Sequence[str]]) -> float:
    """The share of records that have as many fields as most, if those are more than one."""
    sizes = [len(record) for record in records if record]
    if len(sizes) > 2 and 1 < sizes[0] == sizes[1] - 1:
        sizes = sizes[1:]  # the header of a table whose rows have names
    counts = Counter(sizes)
    if not counts:
        return 0.0
    size, often = max(counts.items(), key=lambda one: (one[1], one[0]))
    return often / counts.total() if size > 1 else 0.0


def _quote(lines: Sequence[str]) -> str:
    """Single quotes where fields begin and end with them, and none with double ones."""
    if any('"' in line for line in lines):
        return '"'
    fields = [field.strip() for line in lines for field in line.replace(";", ",").replace("\t", ",").split(",")]
    single = sum(len(field) >= 2 and field[0] == field[-1] == "'" for field in fields)
    opened = sum(field[:1] == "'" for field in fields)
    return "'" if single and single * 2 >= opened else '"'
