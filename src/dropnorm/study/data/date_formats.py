"""Dates as people write them, with day and month told apart by the column's own values."""

from collections.abc import Callable
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
_TIME_FIRST = r"(?i)^(\d{1,2}:\d{2}(?::\d{2})?(?: ?[ap]\.?m\.?)?),? (.+)$"
_SECONDS = r"(?P<second>\d{2}(?:[.,]\d+)?)"
# Hours that names of zones are before UTC: those of RFC 822, and Central Europe's.
_ZONES = {"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7, "cet": 1, "cest": 2}
_ZONE = (
    rf"(?: ?(?:(?P<named>{'|'.join(_ZONES)})|z|"
    r"(?:utc|gmt)?(?P<sign>[+-])(?P<ahead>\d{1,2})(?::?(?P<beside>\d{2}))?|utc|gmt)(?: \([a-z ]+\))?)?"
)
_CLOCK = rf"(?P<hour>\d{{1,2}})(?::(?P<minute>\d{{2}})(?::{_SECONDS})?)?(?: ?(?P<half>[ap])\.?m\.?)?{_ZONE}"
_TIME = rf"(?:(?:t|:|,? ){_CLOCK})?$"
_YEAR, _TWO = r"(?P<year>\d{4})", r"\d{1,2}"
_DAY = rf"(?P<day>{_TWO})(?:st|nd|rd|th)?"
# The separator is the same twice, which the regular expressions of polars cannot say: one pattern each.
_SEPARATORS = ("-", "/", r"\.")
_PATTERNS = (
    *(rf"(?i)^{_YEAR}{s}(?P<month>{_TWO}){s}(?P<day>{_TWO}){_TIME}" for s in _SEPARATORS),
    rf"(?i)^{_DAY}(?:[-/ ]|\. ?)?(?P<name>{_NAME})(?:[-/ ]|[.,] ?)?'?(?P<year>\d{{4}}|\d{{2}}){_TIME}",
    rf"(?i)^(?P<name>{_NAME})\.? {_DAY},? {_YEAR}{_TIME}",
    rf"(?i)^(?P<name>{_NAME}) +(?P<day>{_TWO}) {_CLOCK} {_YEAR}$",
    rf"(?i)^{_YEAR}[-/. ]?(?P<name>{_NAME})\.?[-/. ]?(?P<day>{_TWO}){_TIME}",
    rf"(?i)^{_YEAR}(?P<month>0[1-9]|1[0-2])(?P<day>[0-3]\d)[t ](?P<hour>\d{{2}}):?(?P<minute>\d{{2}})(?::?{_SECONDS})?{_ZONE}$",
)
_SHORT_YEAR_FIRST = tuple(
    rf"(?i)^(?P<year>\d{{2}}){s}(?P<month>\d{{2}}){s}(?P<day>\d{{2}}){_TIME}" for s in _SEPARATORS
)
_NUMBERED = tuple(rf"(?i)^(?P<one>{_TWO}){s}(?P<two>{_TWO}){s}(?P<year>\d{{4}}|\d{{2}}){_TIME}" for s in _SEPARATORS)
_OF_MONTHS = r"(?P<year>(?:1[5-9]|20|21)\d{2})"
_MONTHLY = (
    rf"(?i)^{_OF_MONTHS}[-/.](?P<month>0?[1-9]|1[0-2])$",
    rf"(?i)^(?P<month>0?[1-9]|1[0-2])[-/.]{_OF_MONTHS}$",
    rf"(?i)^(?P<name>{_NAME})\.?[-/ ,]+{_OF_MONTHS}$",
    rf"(?i)^(?P<name>{_NAME})\.?(?:-| ?')(?P<year>\d{{2}})$",
    rf"(?i)^{_OF_MONTHS}[-/. ](?P<name>{_NAME})\.?$",
    rf"(?i)^{_OF_MONTHS}[- /]?q(?P<quarter>[1-4])$",
    rf"(?i)^(?:q(?P<quarter>[1-4])[- /]?|(?P<of>[1-4])q[- /]?){_OF_MONTHS}$",
)
_COMPACT = (
    r"^(?P<year>(?:19|20)\d{2})(?P<month>0[1-9]|1[0-2])(?P<day>[0-3]\d)"
    r"(?:(?P<hour>[0-2]\d)(?P<minute>[0-5]\d)(?P<second>[0-5]\d)?)?$",
)
_SHORT = r"^(\d{1,2})[-/.]\d{1,2}[-/.](\d{2})(?:\D|$)"
_NUMBERS = r"(?i)^(\d+[-/.]\d+[-/.]\d+)[t, :].*$"
_SEASON = r"^(\d{4})[-/](\d{2})$"
_PIVOT = 69  # as in POSIX: two digits of a year up to 68 are of this century
_DAYS = 20  # of a month, that tell a part of dates that is a day from one that is a year of two digits


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
    """The format that reads the most values of a column.

    Args:        ambiguous: an example of two meanings, where nobody can tell them apart; orders: what it can be then.
    """

    format: DateFormat
    ambiguous: str = ""
    orders: tuple[DateOrder, ...] = ()


def learn_date_format(
    texts: pl.Series, order: DateOrder | None = None, *, asked: bool = False, least: float = 0.5
) -> LearnedDates | None:
    """The format of a column of dates.

    Args:        texts: without blanks around, null where missing; order: the one that is known; asked: whether the column is
                 said to hold dates, so that 20240531 is one; least: the share of different texts that must be dates.
    """
    values = texts.drop_nulls().unique(maintain_order=True)
    if not len(values) or (not asked and _are_seasons(values)):
        return None
    orders: tuple[DateOrder, ...] = ("year-first", "day-first", "month-first") if order is None else (order,)
    # Times of day say nothing of the order.
    days = pl.DataFrame({"day": values.str.replace(_NUMBERS, "${1}"), "example": values})
    days = days.group_by("day", maintain_order=True).agg(pl.len().alias("count"), pl.col("example").first())
    dates = {one: parse_dates(days["day"], DateFormat(order=one, compact=asked)) for one in orders}
    read = {one: int(days["count"].filter(dates[one].is_not_null()).sum()) for one in orders}
    most = max(read.values())
    fitting = [one for one in orders if read[one] == most]
    short = bool(days["day"].str.contains(_SHORT).any())
    if len(fitting) > 1 and fitting[0] == "year-first":
        years_first = _years_are_first(days["day"]) if short else True
        fitting = fitting if years_first is None else fitting[:1] if years_first else fitting[1:]
    form = DateFormat(order=fitting[0], compact=asked)
    found = len(values) - parse_dates(values, form).null_count() if most else 0
    if found == 0 or (found < least * len(values) and not asked):
        return None
    if len(fitting) == 1:
        return LearnedDates(form)
    if short and not asked:
        return None  # three small numbers, of which nothing says that they are dates
    first, second = dates[fitting[0]], dates[fitting[1]]
    differ = (first != second).fill_null(value=False)
    if not differ.any():
        return LearnedDates(form)
    row = int(differ.to_numpy().argmax())
    meant = f"{days['example'][row]} is {first[row]:%-d %B %Y} or {second[row]:%-d %B %Y}"
    return LearnedDates(form, meant, tuple(fitting))


def _are_seasons(values: pl.Series) -> bool:
    """Whether all are two years in a row, as 2010-11, which is no month."""
    parts = values.str.extract_groups(_SEASON).struct.unnest().cast(pl.Int64)
    first, second = (parts[name] for name in parts.columns)
    return first.null_count() == 0 and bool(((first + 1) % 100 == second).all())


def _years_are_first(values: pl.Series) -> bool | None:
    """Whether years of two digits come first, and not last, by how many different days there are; None if nobody knows."""
    parts = values.str.extract_groups(_SHORT).struct.unnest().cast(pl.Int64).drop_nulls()
    first, last = (parts[name] for name in parts.columns)
    # All on the first of a month, or all in a year that ends with 01.
    firsts_only = bool((first == 1).all()) or bool((last == 1).all())
    if max(first.n_unique(), last.n_unique()) >= _DAYS and not firsts_only:
        if last.n_unique() >= 2 * first.n_unique():
            return True
        if first.n_unique() >= 2 * last.n_unique():
            return False
    # Between strokes and points, years are last by custom; between dashes they are as often first.
    return None if values.str.contains(r"^\d{1,2}-\d").any() else False


def parse_dates(texts: pl.Series, form: DateFormat) -> pl.Series:
    """Dates with times in UTC, null where a text is none in that format."""
    iso = as_dates(texts) if texts.dtype == pl.String else None
    if iso is not None:
        return iso
    different = texts.unique()
    if len(different) * 2 > len(texts):
        return _parse(texts, form)
    known = pl.DataFrame({"text": different, "date": _parse(different, form)})
    every = pl.DataFrame({"text": texts}).join(known, on="text", how="left", maintain_order="left", nulls_equal=True)
    return every["date"].alias(texts.name)


def _parse(texts: pl.Series, form: DateFormat) -> pl.Series:
    """What the patterns of a format read."""
    cleaned = texts.str.replace_all("[\u00a0\u202f]", " ").str.replace_all("\u2019", "'")
    cleaned = cleaned.set(cleaned.str.contains(r"[^\x00-\x7f]"), None)  # digits of other scripts, and months
    cleaned = cleaned.str.replace(_WEEKDAY, "").str.replace(_TIME_FIRST, "${2} ${1}")
    numbered = _SHORT_YEAR_FIRST if form.order == "year-first" else _NUMBERED
    patterns = (*_PATTERNS, *_MONTHLY, *(_COMPACT if form.compact else ()), *numbered)
    dates = pl.repeat(None, len(texts), dtype=pl.Datetime("us"), eager=True).alias(texts.name)
    for pattern in patterns:
        rows = (cleaned.str.contains(pattern) & dates.is_null()).arg_true()
        if len(rows):
            dates = dates.scatter(rows, _dates(cleaned[rows], pattern, form))
    return dates


def _dates(texts: pl.Series, pattern: str, form: DateFormat) -> pl.Series:
    """What one pattern reads of texts that it fits; null for what no calendar or clock has."""
    parts = texts.str.extract_groups(pattern).struct.unnest()
    if "one" in parts.columns:
        days, months = ("one", "two") if form.order == "day-first" else ("two", "one")
        parts = parts.rename({days: "day", months: "month"})

    def number(name: str, otherwise: int = 0) -> pl.Expr:
        return pl.col(name).cast(pl.Int64).fill_null(otherwise) if name in parts.columns else pl.lit(otherwise)

    year = number("year")
    century = pl.when(year < _PIVOT).then(2000).otherwise(1900)
    year = pl.when(pl.col("year").str.len_chars() == 2).then(year + century).otherwise(year)
    text = pl.concat_str(
        year.cast(pl.String).str.zfill(4),
        _month(parts, number).cast(pl.String).str.zfill(2),
        number("day", 1).cast(pl.String).str.zfill(2),
        separator="-",
    )
    midnight = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
    if "hour" not in parts.columns:
        return parts.select(midnight).to_series()
    hour, minute = number("hour"), number("minute")
    seconds = pl.col("second").str.replace(",", ".", literal=True).cast(pl.Float64).fill_null(0.0)
    sound = ((hour < 24) & (minute < 60) & (seconds < 61)) | ((hour == 24) & (minute == 0) & (seconds == 0))
    if "half" in parts.columns:
        half = pl.col("half").str.to_lowercase()
        # An hour alone is one only where it is said to be of the morning or the afternoon.
        sound = sound & pl.when(half.is_null()).then(number("minute", -1) >= 0).otherwise(hour.is_between(1, 12))
        sound = sound | pl.col("hour").is_null()
        hour = pl.when(half.is_null()).then(hour).otherwise(hour % 12 + pl.when(half == "p").then(12).otherwise(0))
    if "sign" in parts.columns:
        ahead = (number("ahead") * 60 + number("beside")) * pl.when(pl.col("sign") == "-").then(-1).otherwise(1)
        named = pl.col("named").str.to_lowercase().replace_strict(_ZONES, default=0, return_dtype=pl.Int64) * 60
        minute = minute - ahead - named
    # Digits behind microseconds are cut off, as polars does where it reads ISO dates itself.
    microseconds = (seconds * 1e6 + 1e-3).floor().cast(pl.Int64)
    span = pl.duration(hours=hour, minutes=minute, microseconds=microseconds)
    return parts.select(pl.when(sound).then(midnight + span)).to_series()


def _month(parts: pl.DataFrame, number: Callable[[str, int], pl.Expr]) -> pl.Expr:
    """The month by its number, its name or its quarter."""
    if "name" in parts.columns:
        names = {name: place for place, name in enumerate(_MONTHS, 1)}
        named = pl.col("name").str.to_lowercase().str.slice(0, 3)
        return named.replace_strict(names, default=None, return_dtype=pl.Int64)
    if "quarter" in parts.columns:
        return (number("quarter", 0) + number("of", 0)) * 3 - 2
    return number("month", 1)
