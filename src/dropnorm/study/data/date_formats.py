"""Dates as people write them, with day and month told apart by the column's own values."""

from dataclasses import dataclass
from typing import Literal

import polars as pl

from dropnorm._record import Record
from dropnorm.study.data.dates import as_dates

DateOrder = Literal["year-first", "day-first", "month-first"]
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAME = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?)"
)
_WEEKDAY = r"(?i)^(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,? "
_TIME = (
    r"(?:(?:t|,? )(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?(?: ?(?P<zone>z|utc|gmt|[+-]\d{2}:?\d{2}|[+-]\d{2}))?)?$"
)
_YEAR, _TWO = r"(?P<year>\d{4})", r"\d{1,2}"
_PATTERNS = (
    # The separator is the same twice, which the regular expressions of polars cannot say: one pattern each.
    *(rf"(?i)^{_YEAR}{s}(?P<month>{_TWO}){s}(?P<day>{_TWO}){_TIME}" for s in ("-", "/", r"\.")),
    rf"(?i)^(?P<day>{_TWO})(?:st|nd|rd|th)?[-/. ](?P<name>{_NAME})\.?,?[-/. ]{_YEAR}{_TIME}",
    rf"(?i)^(?P<name>{_NAME})\.? (?P<day>{_TWO})(?:st|nd|rd|th)?,? {_YEAR}{_TIME}",
    rf"(?i)^{_YEAR}[-/. ](?P<name>{_NAME})\.?[-/. ](?P<day>{_TWO}){_TIME}",
)
_NUMBERED = tuple(
    rf"(?i)^(?P<one>{_TWO}){s}(?P<two>{_TWO}){s}(?P<year>\d{{4}}|\d{{2}}){_TIME}" for s in ("-", "/", r"\.")
)
_MONTHLY = (
    r"(?i)^(?P<year>(?:1[5-9]|20|21)\d{2})[-/.](?P<month>0?[1-9]|1[0-2])$",
    r"(?i)^(?P<month>0?[1-9]|1[0-2])[-/.](?P<year>(?:1[5-9]|20|21)\d{2})$",
    rf"(?i)^(?P<name>{_NAME})\.?[-/ ,]+(?P<year>(?:1[5-9]|20|21)\d{{2}})$",
    r"(?i)^(?P<year>(?:1[5-9]|20|21)\d{2})[- ]?q(?P<quarter>[1-4])$",
    r"(?i)^q(?P<quarter>[1-4])[- /](?P<year>(?:1[5-9]|20|21)\d{2})$",
)
_COMPACT = (r"^(?P<year>(?:19|20)\d{2})(?P<month>0[1-9]|1[0-2])(?P<day>[0-3]\d)$",)
_PIVOT = 69  # as in POSIX: two digits of a year up to 68 are of this century


class DateFormat(Record):
    """What stands first in a column's dates, where months have no names, and whether dates without separators are read."""

    order: DateOrder = "year-first"
    compact: bool = False

    @property
    def words(self) -> str:
        """The order, as a reader is told of it."""
        return {
            "year-first": "dates",
            "day-first": "dates, day before month",
            "month-first": "dates, month before day",
        }[self.order]


@dataclass(frozen=True)
class LearnedDates:
    """The format that reads the most values of a column, and an example of two meanings where nobody can tell them apart."""

    format: DateFormat
    ambiguous: str = ""


def learn_date_format(
    texts: pl.Series, order: DateOrder | None = None, *, asked: bool = False, least: float = 0.5
) -> LearnedDates | None:
    """The format of a column of dates.

    Args:        texts: without blanks around, null where missing; order: the one that is known; asked: whether the column is
                 said to hold dates, so that 20240531 is one; least: the share of different texts that must be dates.
    """
    values = texts.drop_nulls().unique(maintain_order=True)
    if not len(values):
        return None
    orders: tuple[DateOrder, ...] = ("year-first", "day-first", "month-first") if order is None else (order,)
    forms = [DateFormat(order=one, compact=asked) for one in orders]
    dates = {form: parse_dates(values, form) for form in forms}
    read = {form: len(values) - dates[form].null_count() for form in forms}
    best = max(forms, key=lambda form: read[form])
    if read[best] == 0 or (read[best] < least * len(values) and not asked):
        return None
    others = [form for form in forms if form != best and read[form] == read[best] and best.order != "year-first"]
    if not others:
        return LearnedDates(best)
    if not asked and values.str.contains(r"^\d{1,2}[-/.]\d{1,2}[-/.]\d{2}$").any():
        return None  # three small numbers, of which nothing says that they are dates
    first, second = dates[best], dates[others[0]]
    row = int((first != second).fill_null(value=False).to_numpy().argmax())
    if first[row] == second[row]:
        return LearnedDates(best)
    return LearnedDates(best, f"{values[row]} is {first[row]:%-d %B %Y} or {second[row]:%-d %B %Y}")


def parse_dates(texts: pl.Series, form: DateFormat) -> pl.Series:
    """Dates with times in UTC, null where a text is none in that format."""
    iso = as_dates(texts) if texts.dtype == pl.String else None
    if iso is not None:
        return iso
    cleaned = texts.str.replace(_WEEKDAY, "")
    numbered = () if form.order == "year-first" else _NUMBERED
    patterns = (*_PATTERNS, *_MONTHLY, *(_COMPACT if form.compact else ()), *numbered)
    found = [_dates(cleaned, pattern, form) for pattern in patterns]
    return pl.select(pl.coalesce(found)).to_series().alias(texts.name)


def _dates(texts: pl.Series, pattern: str, form: DateFormat) -> pl.Series:
    """What one pattern reads."""
    if not texts.str.contains(pattern).any():
        return pl.Series(texts.name, [None] * len(texts), dtype=pl.Datetime("us"))
    parts = texts.str.extract_groups(pattern).struct.unnest()

    def number(name: str, otherwise: int) -> pl.Expr:
        if name not in parts.columns:
            return pl.lit(otherwise)
        return pl.col(name).cast(pl.Int64, strict=False).fill_null(otherwise)

    year: pl.Expr = number("year", 0)
    if "one" in parts.columns:
        days, months = ("one", "two") if form.order == "day-first" else ("two", "one")
        parts = parts.rename({days: "day", months: "month"})
        short = pl.col("year").str.len_chars() == 2
        year = pl.when(short).then(year + pl.when(year < _PIVOT).then(2000).otherwise(1900)).otherwise(year)
    month: pl.Expr = number("month", 1)
    if "name" in parts.columns:
        names = {name: place for place, name in enumerate(_MONTHS, 1)}
        month = (
            pl.col("name").str.to_lowercase().str.slice(0, 3).replace_strict(names, default=None, return_dtype=pl.Int64)
        )
    if "quarter" in parts.columns:
        month = number("quarter", 1) * 3 - 2
    hour: pl.Expr = number("hour", 0)
    minute: pl.Expr = number("minute", 0)
    microseconds: pl.Expr = pl.lit(0)
    offset: pl.Expr = pl.lit(0)
    sound: pl.Expr = pl.lit(value=True)
    if "hour" in parts.columns:
        half = pl.col("half").str.to_lowercase()
        sound = half.is_null() | hour.is_between(1, 12)
        hour = pl.when(half.is_null()).then(hour).otherwise(hour % 12 + pl.when(half == "p").then(12).otherwise(0))
        seconds = pl.col("second").str.replace(",", ".", literal=True).cast(pl.Float64, strict=False).fill_null(0.0)
        sound = sound & (hour < 24) & (minute < 60) & (seconds < 61)
        microseconds = (seconds * 1e6).round().cast(pl.Int64)
        digits = pl.col("zone").str.replace_all(r"[^\d]", "")
        shift = digits.str.slice(0, 2).cast(pl.Int64, strict=False).fill_null(0) * 60
        shift = shift + digits.str.slice(2, 2).cast(pl.Int64, strict=False).fill_null(0)
        offset = shift * pl.when(pl.col("zone").str.starts_with("-")).then(-1).otherwise(1).fill_null(1)
    text = pl.concat_str(
        year.cast(pl.String).str.zfill(4),
        month.cast(pl.String).str.zfill(2),
        number("day", 1).cast(pl.String).str.zfill(2),
        separator="-",
    )
    midnight = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
    span = pl.duration(hours=hour, minutes=minute - offset, microseconds=microseconds)
    matched = pl.col("year").is_not_null()
    return parts.select(pl.when(matched & sound).then(midnight + span)).to_series().alias(texts.name)
