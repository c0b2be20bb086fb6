"""Truth values in whatever words and case they are written."""

import polars as pl

from dropnorm._record import Record

PAIRS = (
    ("true", "false"),
    ("yes", "no"),
    ("t", "f"),
    ("y", "n"),
    ("on", "off"),
    ("ja", "nein"),
    ("oui", "non"),
    ("si", "no"),
    ("sí", "no"),
    ("sim", "não"),
    ("wahr", "falsch"),
    ("vrai", "faux"),
)
"""What stands for true, and beside it for false, in lower case."""


class BooleanFormat(Record):
    """The words of a column of truth values, in lower case."""

    true: tuple[str, ...] = ("true",)
    false: tuple[str, ...] = ("false",)

    @property
    def words(self) -> str:
        """The words, as a reader is told of them."""
        return f"{' or '.join(self.true)} and {' or '.join(self.false)}"


def in_both_lengths(form: BooleanFormat) -> BooleanFormat:
    """The words with their first letters, as y beside yes, or with the word that a letter stands for."""
    for true, false in PAIRS[:2]:
        if form.true[0] in (true, true[0]) and form.false[0] in (false, false[0]):
            return BooleanFormat(true=(true, true[0]), false=(false, false[0]))
    return form


def learn_booleans(texts: pl.Series, *, asked: bool = False) -> BooleanFormat | None:
    """The words of a column of two answers, be they written in several ways, such as yes, Y, no and N; None for others.

    Args:        asked: whether the column is said to hold truth values, so that it may have other words too.
    """
    words = set(texts.drop_nulls().unique().str.strip_chars().str.to_lowercase().to_list())
    for pair in PAIRS:
        if words == set(pair):
            return BooleanFormat(true=(pair[0],), false=(pair[1],))
    for true, false in PAIRS[:2]:
        form = in_both_lengths(BooleanFormat(true=(true,), false=(false,)))
        if words <= {*form.true, *form.false} and words.intersection(form.true) and words.intersection(form.false):
            return form
    found = max(PAIRS, key=lambda pair: len(words.intersection(pair)))
    if asked and words.intersection(found):
        return BooleanFormat(true=(found[0],), false=(found[1],))
    return None


def parse_booleans(texts: pl.Series, form: BooleanFormat) -> pl.Series:
    """Truth values, null for what is none of the words. 1 and 0 are always read."""
    meaning = dict.fromkeys((*form.true, "1", "1.0"), True) | dict.fromkeys((*form.false, "0", "0.0"), False)
    lowered = texts.str.strip_chars().str.to_lowercase()
    return lowered.replace_strict(meaning, default=None, return_dtype=pl.Boolean)
