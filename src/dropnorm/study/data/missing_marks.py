"""What people write where a value is missing."""

import polars as pl

MARKS = frozenset(
    {"", "?", "-", "--", ".", "na", "n/a", "#n/a", "nan", "-nan", "null", "none", "<na>", "nat", "missing"}
)
"""Texts, in lower case, that stand for no value. 999 and "unknown" do not: they may be a number and an answer."""
# Beside these, a mark of one character is the other sign, and no missing value.
_SIGNS = frozenset({"+", "++"})


def is_mark(text: str) -> bool:
    """Whether a text, without blanks around, says that there is no value."""
    return text.casefold() in MARKS


def without_marks(texts: pl.Series) -> pl.Series:
    """Texts without blanks around, and null where they say that there is no value; a minus beside a plus is a value."""
    stripped = texts.cast(pl.String).str.strip_chars()
    marks = stripped.filter(stripped.str.len_bytes() <= max(map(len, MARKS))).unique().drop_nulls()
    found = [text for text in marks.to_list() if is_mark(text)]
    if not _SIGNS.isdisjoint(marks):
        found = [text for text in found if text not in ("-", "--")]
    return stripped.set(stripped.is_in(found), None) if found else stripped
