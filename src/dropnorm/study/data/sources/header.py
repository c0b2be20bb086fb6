"""Whether the first record of a table names its columns, by what lies below it."""

import re
from collections.abc import Sequence

from dropnorm.study.data.missing_marks import is_mark

_NUMBER = re.compile(r"^[+-]?[$€£]?\s?(\d[\d., ']*|[.,]\d+)([eE][+-]?\d+)?\s?%?$")
_DATE = re.compile(r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ]\d{1,2}:\d{2}.*)?$")
_YEAR = re.compile(r"^(19|20)\d\d$")


def names_columns(records: Sequence[Sequence[str]]) -> bool:
    """Whether the first of the records holds names.

    It does if a column of numbers or dates has a word on top, and does not if one has a number or a date there. Where all is
    texts, it does unless its own values occur below it, are missing, or are there twice.
    """
    first, below = [field.strip() for field in records[0]], records[1:]
    if not below:
        return not all(map(_is_value, first))
    words = values = years = repeated = empty = texts = 0
    for place, field in enumerate(first):
        column = [record[place].strip() for record in below if place < len(record)]
        column = [value for value in column if not is_mark(value)]
        if is_mark(field):
            empty += 1
        elif column and (all(map(_is_number, column)) or all(map(_is_date, column))):
            words += not _is_value(field)
            values += _is_value(field)
            years += bool(_YEAR.match(field)) and not all(map(_YEAR.match, column))
        else:
            texts += 1
            repeated += field in column
    if words or values:
        # A wide table may have years on top of numbers, beside columns with names.
        return words > values or (years == values and words + texts > repeated)
    named = [field for field in first if field]
    return repeated == 0 and empty <= 1 and len(set(named)) == len(named) and not all(map(_is_value, named))


def _is_value(field: str) -> bool:
    return _is_number(field) or _is_date(field)


def _is_number(field: str) -> bool:
    return bool(_NUMBER.match(field))


def _is_date(field: str) -> bool:
    return bool(_DATE.match(field))
