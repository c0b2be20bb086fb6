"""What people and programs write where a value is missing."""

import polars as pl

_DASHES = ("-", "--", "\N{EN DASH}", "\N{EM DASH}")
_WORDS = ("na", "n/a", "n.a.", "n.a", "nan", "-nan", "nat", "null", "none", "missing")
_PROGRAMS = ("#na", "#n/a", "#n/a n/a", "<na>", "<null>", "(null)", r"\n", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan")
_SPREADSHEET_ERRORS = ("#div/0!", "#name?", "#null!", "#num!", "#ref!", "#value!")
_NO_DATES = ("0000-00-00", "0000-00-00 00:00:00")
MARKS = frozenset({"", "?", ".", "..", ":", *_DASHES, *_WORDS, *_PROGRAMS, *_SPREADSHEET_ERRORS, *_NO_DATES})
"""Texts, in lower case, that stand for no value. 999, "unknown" and "nil" do not: they may be a number, an answer, and none."""
_LONGEST = max(len(mark.encode()) for mark in MARKS.difference(_NO_DATES))
# Beside these, a dash is the other sign, and no missing value.
_SIGNS = frozenset({"+", "++"})


def is_mark(text: str) -> bool:
    """Whether a text, without blanks around, says that there is no value."""
    return text.casefold() in MARKS


def without_marks(texts: pl.Series) -> pl.Series:
    """Texts without blanks around, and null where they say that there is no value; a minus beside a plus is a value."""
    stripped = texts.cast(pl.String).str.strip_chars()
    may_be = (stripped.str.len_bytes() <= _LONGEST) | stripped.str.starts_with(_NO_DATES[0])
    short = stripped.filter(may_be).unique().drop_nulls()
    found = [text for text in short.to_list() if is_mark(text)]
    if not _SIGNS.isdisjoint(short):
        found = [text for text in found if text not in _DASHES]
    return stripped.set(stripped.is_in(found), None) if found else stripped
