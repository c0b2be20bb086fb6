"""Truth values in whatever words and case they are written."""

import polars as pl

from dropnorm._record import Record

WORDS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("true", "t"), ("false", "f")),
    (("yes", "y"), ("no", "n")),
    (("ja", "j"), ("nein", "n")),
    (("ja", "j"), ("nee", "n")),
    (("oui", "o"), ("non", "n")),
    (("si", "sí", "sì", "s"), ("no", "n")),
    (("on",), ("off",)),
    (("sim", "s"), ("não", "nao", "n")),
    (("tak",), ("nie",)),
    (("да",), ("нет",)),
    (("wahr",), ("falsch",)),
    (("vrai",), ("faux",)),
    (("vero",), ("falso",)),
    (("verdadero",), ("falso",)),
    (("verdadeiro",), ("falso",)),
)
"""The words of each language for true, and beside them those for false, in lower case."""
_LETTERS = {*"ytjnf"}  # that stand alone for words; S and N may be south and north
_NUMBERS = {"1": True, "1.0": True, "0": False, "0.0": False}


class BooleanFormat(Record):
    """The words of a column of truth values, in lower case."""

    true: tuple[str, ...] = ("true",)
    false: tuple[str, ...] = ("false",)

    @property
    def words(self) -> str:
        """The words, as a reader is told of them."""
        return f"{' or '.join(self.true)} and {' or '.join(self.false)}"


def in_both_lengths(form: BooleanFormat) -> BooleanFormat:
    """The words with their first letters, as y beside yes, or with the words that letters stand for."""
    for true, false in WORDS:
        if {*form.true} <= {*true} and {*form.false} <= {*false}:
            return BooleanFormat(true=true, false=false)
    return form


def learn_booleans(texts: pl.Series, *, asked: bool = False) -> BooleanFormat | None:
    """The words of a column of two answers, be they written in several ways, such as yes, Y, 1, no and N; None for others.

    Args:        asked: whether the column is said to hold truth values, so that it may have other words too.
    """
    words = set(texts.drop_nulls().unique().str.strip_chars().str.to_lowercase().to_list()) - _NUMBERS.keys()
    for true, false in WORDS:
        form = BooleanFormat(true=_among(true, words), false=_among(false, words))
        letters = max(map(len, words), default=0) == 1 and not words <= _LETTERS
        if form.true and form.false and words == {*form.true, *form.false} and not letters:
            return form if len(form.true) == len(form.false) == 1 else in_both_lengths(form)
    true, false = max(WORDS, key=lambda pair: len(words.intersection(pair[0] + pair[1])))
    if asked and words.intersection((*true, *false)):
        return BooleanFormat(true=_among(true, words) or true[:1], false=_among(false, words) or false[:1])
    return None


def _among(spellings: tuple[str, ...], words: set[str]) -> tuple[str, ...]:
    return tuple(word for word in spellings if word in words)


def parse_booleans(texts: pl.Series, form: BooleanFormat) -> pl.Series:
    """Truth values, null for what is none of the words. 1 and 0 are always read."""
    meaning = dict.fromkeys(form.true, True) | dict.fromkeys(form.false, False) | _NUMBERS
    lowered = texts.str.strip_chars().str.to_lowercase()
    return lowered.replace_strict(meaning, default=None, return_dtype=pl.Boolean)
