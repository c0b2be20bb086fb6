"""What each column of a table holds, by its values: a kind with the reason for it, and how it is encoded."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.booleans import BooleanFormat, learn_booleans, parse_booleans
from dropnorm.study.data.columns import MAX_CATEGORIES, ColumnEncoding, array_values, is_numeric_array
from dropnorm.study.data.date_formats import DateFormat, learn_date_format, parse_dates
from dropnorm.study.data.dates import as_dates, cycles_of
from dropnorm.study.data.missing_marks import without_marks
from dropnorm.study.data.number_formats import (
    NumberFormat,
    has_leading_zeros,
    learn_number_format,
    parse_numbers,
)
from dropnorm.study.data.sources.naming import column_named
from dropnorm.study.data.sources.table import Source
from dropnorm.study.data.values import as_numbers, as_texts, has_gaps, is_number, is_text, without_value
from dropnorm.study.records import ColumnKind, KindGiven

_FEW = 20  # values, of which a column may have a different one in every row and yet be categories
_ENOUGH = 10  # numbers or dates beside which a text is a stray, and not one more category
_SOME = 5  # numbers or dates beside which a text in one of ten rows is a stray
_WORDS = 3.0  # on average, from which on texts that all differ are prose and not identifiers
_LONG = 8.0  # on average, from which on texts of which there are many are prose though some are there twice
_IDENTIFIER = re.compile(
    r"(?i:|(.*[ _.-])?ids?|(.*[ _.-])?(uuid|guid|key)|index|idx|unnamed: ?\d+|row ?_?(id|name|names|number|nr|no)?|rownames|"
    r"serial.*|no\.?|nr\.?|#|column_\d+)|.*[a-z]I[Dd]"
)
_TIME = re.compile(
    r"(^|[ _])(t|time|year|month|week|day|hour|minute|second|date|step|period|age|quarter)s?($|[ _])", re.IGNORECASE
)


@dataclass(frozen=True)
class UnderstoodColumn:
    """A column, what it holds, why that is thought, and how it is encoded, unless it is left out.

    Args:        notice: what a reader should know beside the kind, as a phrase; nothing where that goes without saying.
    """

    name: str
    kind: ColumnKind
    reason: str
    encoding: ColumnEncoding | None = None
    notice: str = ""


def understand_columns(
    frame: pl.DataFrame,
    names: Iterable[str],
    source: Source,
    kinds: Mapping[str, KindGiven],
    *,
    plain: bool = False,
    first: bool = False,
) -> tuple[UnderstoodColumn, ...]:
    """Decide for each of the named columns what it holds.

    Args:        kinds: those that are given, by a column's name or place; plain: whether the columns are an array's, which has
                 neither names nor identifiers, so that all are kept; first: whether the first of them is a table's first, and
                 may number its rows.
    Raises:      DataError that names column and line, and what to do, for values that no kind fits.
    """
    columns = frame.columns
    given = {column_named(name, columns, source): kind for name, kind in kinds.items()}
    understood = []
    for place, name in enumerate(names):
        if plain and name not in given and is_number(frame[name]):
            understood.append(_number(frame[name], source, "numbers"))
        elif name in given:
            understood.append(_as_given(frame[name], source, given[name]))
        else:
            understood.append(_understand(frame[name], source, first=first and place == 0))
    return tuple(understood)


def understand_ordered(column: pl.Series, source: Source, kind: KindGiven | None = None) -> ColumnEncoding | None:
    """How a column of numbers or dates is read, though each row has another or all have the same; None if it holds neither."""
    if kind is not None:
        understood: UnderstoodColumn | None = _as_given(column, source, kind)
    elif is_number(column):
        understood = _number(column, source, "numbers")
    elif is_text(column):
        texts = without_marks(column)
        understood = _as_numbers(texts, source, texts, counted=False) or _as_dates(texts, source, texts)
    else:
        dates = as_dates(column)
        understood = None if dates is None else _date(column, dates, "dates")
    found = understood.encoding if understood else None
    return found if found is not None and found.kind in ("number", "date") else None


def _understand(column: pl.Series, source: Source, *, first: bool) -> UnderstoodColumn:
    gaps = has_gaps(column)
    if gaps and without_value(column).all():
        return UnderstoodColumn(column.name, "empty", "no row has a value")
    if column.dtype == pl.Boolean:
        return _varying(column) or _boolean(column, BooleanFormat(), BooleanFormat().words)
    if is_number(column):
        return _varying(column) or _counting(column, first=first) or _number(column, source, "numbers")
    if (dates := as_dates(column) if column.dtype.is_temporal() else None) is not None:
        return _varying(column) or _date(column, dates, "dates")
    if isinstance(column.dtype, pl.Array) and is_numeric_array(column) and not gaps:
        return _array(column, source)
    if not is_text(column):
        raise DataError(
            f"{source}: the column {column.name!r} holds {column.dtype}, which cannot be encoded: expected numbers, true or "
            f"false, dates, or texts. {_leave_out(column.name)}"
        )
    return _understand_texts(column, source, first=first)


def _understand_texts(column: pl.Series, source: Source, *, first: bool) -> UnderstoodColumn:
    texts = without_marks(column)
    if texts.is_null().all():
        return UnderstoodColumn(column.name, "empty", "no row has a value")
    if column.dtype != pl.String:  # categories, as their type says
        return _varying(texts) or _categories(texts, "categories, as their type says")
    if constant := _varying(texts):
        return constant
    # What the values are is read off the different ones.
    different = texts.unique(maintain_order=True)
    if (booleans := learn_booleans(different)) is not None:
        return _boolean(texts, booleans, booleans.words)
    if has_leading_zeros(different):
        return _identifying(texts) or _categories(texts, "digits with zeros before them, which numbers do not keep")
    return (
        _as_numbers(texts, source, different, first=first)
        or _as_dates(texts, source, different)
        or _identifying(texts)
        or _categories(texts, "texts")
    )


def _as_numbers(
    texts: pl.Series, source: Source, different: pl.Series, *, first: bool = False, counted: bool = True
) -> UnderstoodColumn | None:
    learned = learn_number_format(different)
    if learned is None:
        return None
    read = parse_numbers(texts, learned.format)
    if refused := _strays(texts, read, "number", source):
        return refused if refused.encoding else None
    words = learned.format.words
    counting = _counting(read, first=first) if counted and not words else None
    if counting is not None:
        return counting
    kept = None if learned.format == NumberFormat() else learned.format
    notice = learned.ambiguous
    if not words and different.drop_nulls().n_unique() > read.drop_nulls().n_unique() and _are_long(read):
        if (identifier := _identifying(texts)) is not None:
            return identifier
        notice = (
            f"has numbers of more than 15 digits, whose last ones are lost; --as {texts.name}=category keeps them apart"
        )
    return _number(read, source, words or "numbers", notice=notice, number=kept)


def _are_long(numbers: pl.Series) -> bool:
    """Whether some numbers are beyond those that float64 tells from the next one."""
    largest = numbers.abs().max()
    return isinstance(largest, float) and largest >= 2.0**53


def _as_dates(texts: pl.Series, source: Source, different: pl.Series) -> UnderstoodColumn | None:
    learned = learn_date_format(different)
    if learned is None:
        return None
    dates = parse_dates(texts, _told_apart(learned, texts.name, source))
    if refused := _strays(texts, dates, "date", source):
        return refused if refused.encoding else None
    return _date(texts, dates, learned.format.words, date=learned.format)


def _told_apart(learned: Any, name: str, source: Source) -> Any:
    if learned.ambiguous:
        told = " or ".join(f"--as {name}={order}" for order in learned.orders)
        raise DataError(
            f"{source}: the column {name!r} holds dates of which nobody can say what is the day and what the month: "
            f"{learned.ambiguous}. Expected to be told: {told} (kinds= in Python)."
        )
    return learned.format


def _strays(texts: pl.Series, read: pl.Series, kind: str, source: Source) -> "UnderstoodColumn | None":
    """Of a column most of whose texts are numbers or dates, what the others make of it.

    Raises:      DataError that names the first other one, where they are few beside many.
    """
    strays = read.is_null() & texts.is_not_null()
    if not strays.any():
        return None
    others, known = texts.filter(strays).n_unique(), texts.filter(read.is_not_null()).n_unique()
    row, stray = int(strays.to_numpy().argmax()), texts.filter(strays)[0]
    few = int(strays.sum()) * 10 <= len(texts) - texts.null_count() and known >= _SOME
    if few or (known >= _ENOUGH and others * 3 <= known):
        raise DataError(
            f"{source}, {source.place(row)}: the column {texts.name!r} holds {stray!r}, where most rows have {kind}s (in "
            f"{strays.sum():,} rows there is none). Expected {kind}s or missing values: mend them, or say --as "
            f"{texts.name}={kind} to count others as missing, or --as {texts.name}=category (kinds= in Python)."
        )
    if others >= known:
        return UnderstoodColumn(texts.name, "category", "")
    told = f"holds {kind}s and texts such as {stray!r}; --as {texts.name}={kind} counts those as missing"
    return _identifying(texts) or _categories(texts, f"texts, some of them {kind}s", notice=told)


def _varying(column: pl.Series) -> UnderstoodColumn | None:
    """Of a column that has one value in all rows, that this says nothing."""
    if column.null_count() or not _is_constant(column):
        return None
    shown = str(as_texts(column.head(1))[0])
    return UnderstoodColumn(column.name, "constant", f"every row has {shown if len(shown) <= 30 else shown[:29] + '…'}")


def _is_constant(column: pl.Series) -> bool:
    """Whether all values are the same, which the first other one denies."""
    if column.dtype.is_numeric():
        return bool(column.min() == column.max())
    return bool((column == column[0]).all())


def _number(
    column: pl.Series, source: Source, reason: str, *, notice: str = "", number: NumberFormat | None = None
) -> UnderstoodColumn:
    as_numbers(column, source)
    encoding = ColumnEncoding(name=column.name, kind="number", has_missing=has_gaps(column), number=number)
    return UnderstoodColumn(column.name, "number", reason, encoding, notice)


def _boolean(column: pl.Series, form: BooleanFormat, reason: str) -> UnderstoodColumn:
    kept = None if form == BooleanFormat() else form
    encoding = ColumnEncoding(name=column.name, kind="boolean", has_missing=bool(column.null_count()), boolean=kept)
    return UnderstoodColumn(column.name, "boolean", reason, encoding)


def _date(
    column: pl.Series, dates: pl.Series, reason: str, *, date: DateFormat | None = None, lenient: bool = False
) -> UnderstoodColumn:
    encoding = ColumnEncoding(
        name=column.name,
        kind="date",
        cycles=cycles_of(dates),
        has_missing=bool(dates.null_count()),
        date=None if date == DateFormat() else date,
        lenient=lenient,
    )
    return UnderstoodColumn(column.name, "date", reason, encoding)


def _array(column: pl.Series, source: Source) -> UnderstoodColumn:
    array_values(column, source)
    shape: tuple[int, ...] = column.dtype.shape  # type: ignore[attr-defined]
    encoding = ColumnEncoding(name=column.name, kind="array", shape=shape)
    return UnderstoodColumn(column.name, "array", f"arrays of {' x '.join(map(str, shape))} numbers", encoding)


def _categories(texts: pl.Series, reason: str, *, notice: str = "") -> UnderstoodColumn:
    """Texts of a few kinds; of more than there are codes for, the most frequent have one each."""
    counts = as_texts(texts).drop_nulls().value_counts()
    counts = counts.sort(["count", texts.name], descending=[True, False])
    categories = counts[texts.name].to_list()
    if len(categories) > MAX_CATEGORIES:
        categories = categories[: MAX_CATEGORIES - 1]
        others, rows = counts.height - len(categories), int(counts["count"][len(categories) :].sum())
        more = f"has {counts.height:,} different texts, of which the {others:,} rarest share one code, in {rows:,} rows"
        notice = "; ".join(part for part in (more, notice) if part)
    encoding = ColumnEncoding(
        name=texts.name, kind="category", categories=tuple(sorted(categories)), has_missing=bool(texts.null_count())
    )
    return UnderstoodColumn(texts.name, "category", reason, encoding, notice)


def _identifying(texts: pl.Series) -> UnderstoodColumn | None:
    """Texts that are another one in most rows: identifiers if they are words, prose if they are sentences."""
    present = texts.drop_nulls()
    different = present.n_unique()
    if different <= _FEW:
        return None
    words = present.str.count_matches(r"\S+").mean()
    assert isinstance(words, float)
    if different > MAX_CATEGORIES and words >= _LONG:
        return UnderstoodColumn(texts.name, "text", f"texts of {words:.0f} words on average")
    if different * 2 <= len(present):
        return None
    each = "every row has another" if different == len(present) else f"{different:,} different in {len(present):,} rows"
    if words >= _WORDS:
        return UnderstoodColumn(texts.name, "text", f"texts of {words:.0f} words on average; {each}")
    return UnderstoodColumn(texts.name, "identifier", f"texts, of which {each}")


def _counting(column: pl.Series, *, first: bool) -> UnderstoodColumn | None:
    """Whole numbers that only tell rows apart: by the column's name, or as they count the rows in a first column."""
    named = bool(_IDENTIFIER.fullmatch(column.name))
    if not (named or first) or column.dtype == pl.Boolean or column.null_count() or _TIME.search(column.name):
        return None
    values = column.cast(pl.Float64) if column.dtype.is_numeric() else None
    if values is None or not (values == values.floor()).all():
        return None
    counts_rows = (
        len(values) > (2 if named else _FEW) and values[0] in (0, 1) and bool((values.diff().drop_nulls() == 1).all())
    )
    if counts_rows:
        return UnderstoodColumn(column.name, "identifier", "the rows are numbered by it")
    different = values.n_unique()
    if named and not column.name.startswith("column_") and different > _FEW and different * 2 > len(values):
        each = (
            "every row has another" if different == len(values) else f"{different:,} different in {len(values):,} rows"
        )
        return UnderstoodColumn(column.name, "identifier", f"named as one, and {each}")
    return None


def _as_given(column: pl.Series, source: Source, kind: KindGiven) -> UnderstoodColumn:
    """A column of the kind that a user gives; what does not read as that is missing.

    Raises:      ArgumentError where nothing of it does.
    """
    reason = "as given"
    texts = without_marks(as_texts(column))
    if kind == "category":
        return _categories(texts, reason)
    if kind in ("number", "decimal-point", "decimal-comma"):
        if is_number(column):
            return _number(column, source, reason)
        point: Any = {"decimal-point": ".", "decimal-comma": ","}.get(kind)
        learned = learn_number_format(texts, point, least=0.0)
        read = None if learned is None else parse_numbers(texts, learned.format)
        if learned is not None and read is not None and not read.is_null().all():
            understood = _number(read, source, reason, notice=learned.ambiguous, number=learned.format)
            return _leniently(understood, texts, read)
    if kind == "boolean":
        form = learn_booleans(texts, asked=True) or BooleanFormat()
        read = parse_booleans(texts, form)
        if not read.is_null().all():
            return _leniently(_boolean(read, form, reason), texts, read)
    if kind in ("date", "day-first", "month-first", "year-first"):
        if (dates := as_dates(column)) is not None:
            return _date(column, dates, reason)
        order: Any = None if kind == "date" else kind
        in_order = learn_date_format(texts, order, asked=True)
        if in_order is not None:
            dates = parse_dates(texts, _told_apart(in_order, column.name, source))
            return _leniently(_date(texts, dates, reason, date=in_order.format), texts, dates)
    example = texts.drop_nulls()
    raise ArgumentError(
        f"--as {column.name}={kind} is given, and no value of that column of {source} is one, such as "
        f"{example[0] if len(example) else 'a missing one'!r}: expected a kind that fits. Leave it out to have it found out."
    )


def _leniently(understood: UnderstoodColumn, texts: pl.Series, read: pl.Series) -> UnderstoodColumn:
    """The same with what does not read as its kind missing, and counted."""
    strays = int((read.is_null() & texts.is_not_null()).sum())
    if not strays or understood.encoding is None:
        return understood
    encoding = understood.encoding.model_copy(update={"lenient": True, "has_missing": True})
    notice = f"{strays:,} values are no {understood.kind}, and count as missing"
    return replace(understood, encoding=encoding, notice=notice)


def _leave_out(name: str) -> str:
    return f"Leave it out with --ignore {name!r} (ignore=[{name!r}] in Python)."
