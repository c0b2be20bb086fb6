"""Names of classes: the same ones whether a file writes them as texts, numbers or truth values, and in whatever case."""

from collections.abc import Sequence

import polars as pl

from dropnorm.study.data.booleans import in_both_lengths, learn_booleans, parse_booleans
from dropnorm.study.data.missing_marks import without_marks
from dropnorm.study.data.values import as_texts, is_text

_TRUTH = {"true": "True", "false": "False"}
_ZEROS = r"^[+-]?0\d"
_FLOAT = r"^[+-]?(0|[1-9]\d*)\.0+$"


def class_texts(column: pl.Series) -> pl.Series:
    """The class of each row as a text, null where it is missing: 1.0 is 1 where all are numbers, and true is True."""
    texts = as_texts(column)
    if not is_text(column):
        return texts
    texts = without_marks(texts)
    present = texts.drop_nulls()
    numbers = present.cast(pl.Float64, strict=False).null_count() == 0 and not present.str.contains(_ZEROS).any()
    if numbers and present.str.contains(_FLOAT).any():
        whole = texts.str.contains(_FLOAT).fill_null(value=False)
        return (
            pl.select(pl.when(whole).then(texts.str.replace(r"\.0+$", "")).otherwise(texts))
            .to_series()
            .alias(column.name)
        )
    lowered = present.unique().str.to_lowercase()
    if set(lowered) <= set(_TRUTH):
        return texts.str.to_lowercase().replace_strict(_TRUTH, default=None, return_dtype=pl.String)
    return texts


def learn_class_names(texts: pl.Series) -> list[str]:
    """The different classes; of two answers in several spellings, such as YES, Yes and no, the most frequent of each."""
    names = sorted(texts.drop_nulls().unique().to_list())
    form = learn_booleans(texts) if len(names) > 2 else None
    if form is None:
        return names
    answers = parse_booleans(texts, form)
    counted = pl.DataFrame({"text": texts, "answer": answers}).drop_nulls().group_by("answer", "text").len()
    counted = counted.sort(["len", "text"], descending=[True, False])
    return sorted(counted.group_by("answer", maintain_order=True).first()["text"].to_list())


def class_codes(texts: pl.Series, classes: Sequence[str]) -> pl.Series:
    """The place of each row's class among the known ones; null where it is none, but for the spelling of yes and no."""
    places = {name: place for place, name in enumerate(classes)}
    codes = texts.replace_strict(places, default=None, return_dtype=pl.Int64)
    known = pl.Series(list(classes))
    form = learn_booleans(known)
    others = codes.is_null() & texts.is_not_null()
    if form is None or not others.any():
        return codes
    form = in_both_lengths(form)
    places_of = {int(answer): place for place, answer in enumerate(parse_booleans(known, form))}
    spelled = parse_booleans(texts, form).cast(pl.Int8).replace_strict(places_of, default=None, return_dtype=pl.Int64)
    return pl.select(pl.coalesce(codes, spelled)).to_series()
