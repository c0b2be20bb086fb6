"""Numbers as people write them: with thousands separated, a decimal comma, a currency, a percent sign or another unit."""

import re
from dataclasses import dataclass
from typing import Literal

import polars as pl

from dropnorm._record import Record
from dropnorm.study.data.number_texts import (
    MULTIPLES,
    UNITLESS_MULTIPLES,
    folded,
    in_common_signs,
    is_money,
    taken_apart,
)

Decimal = Literal[".", ","]
_CLOCK = r"^(\d{1,3}):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?(?: ?([AaPp])\.?[Mm]\.?)?$"
_COLON = r"\d:\d"
_THREE_PARTS = r"^\d{1,3}:\d{2}:"
_SHARED = 0.9
_FORMATS: tuple[tuple[Decimal, str], ...] = (
    (".", ""),
    (".", ","),
    (".", " "),
    (".", "'"),
    (".", "_"),
    (",", ""),
    (",", "."),
    (",", " "),
    (",", "'"),
)


class NumberFormat(Record):
    """How the numbers of a column are written.

    Args:        decimal: what stands before fractions; grouping: what stands between groups of digits; unit: what stands
                 before or behind all of them; clock: whether they are times with colons, which become seconds; minutes: whether
                 times of two parts are minutes and seconds, and not hours and minutes; multiples: whether letters or words
                 behind some of them stand for thousands, millions or billions.
    """

    decimal: Decimal = "."
    grouping: str = ""
    unit: str = ""
    clock: bool = False
    minutes: bool = False
    multiples: bool = False

    @property
    def words(self) -> str:
        """How they are written, for a reader; nothing of plain numbers."""
        if self.clock:
            return "times with colons, in seconds"
        parts = [
            "with a decimal comma" if self.decimal == "," else "",
            f"with thousands separated by {_NAMES[self.grouping]}" if self.grouping else "",
            f"in {self.unit}" if self.unit else "",
            "with K, M or B for thousands, millions or billions" if self.multiples else "",
        ]
        told = ", ".join(part for part in parts if part)
        return f"numbers {told}" if told else ""


_NAMES = {",": "commas", ".": "points", " ": "blanks", "'": "apostrophes", "_": "underscores"}


@dataclass(frozen=True)
class LearnedNumbers:
    """The format that reads the most values of a column, and in a phrase what else they could have meant."""

    format: NumberFormat
    ambiguous: str = ""


def has_leading_zeros(texts: pl.Series) -> bool:
    """Whether all are digits, and some begin with a zero that a number would lose, as codes and postal ones do."""
    present = texts.drop_nulls()
    return bool(present.str.contains(r"^0\d+$").any()) and bool(present.str.contains(r"^\d+$").all())


def learn_number_format(
    texts: pl.Series, decimal: Decimal | None = None, *, least: float = 0.5
) -> LearnedNumbers | None:
    """The format of a column of numbers.

    Args:        texts: without blanks around, null where missing; decimal: what stands before fractions, where that is known;
                 least: the share of different texts that must be numbers.
    """
    values = texts.drop_nulls().unique(maintain_order=True)
    if not len(values):
        return None
    plain = NumberFormat()
    if decimal in (None, ".") and values.cast(pl.Float64, strict=False).null_count() == 0:
        return LearnedNumbers(plain)
    shapes = _shapes(values)
    written = taken_apart(shapes["shape"])
    unit, multiples = _common_unit(written, shapes["count"]), _has_multiples(written)
    forms = [
        NumberFormat(decimal=point, grouping=group, unit=unit, multiples=multiples)
        for point, group in _FORMATS
        if decimal in (None, point)
    ]
    read = {form: _counted(_read(written, form), shapes) for form in forms}
    if decimal in (None, "."):
        read[plain] = _counted(parse_numbers(shapes["shape"], plain), shapes)
    if values.str.contains(_COLON).any():
        clock = NumberFormat(clock=True, minutes=bool(values.str.contains(_THREE_PARTS).any()))
        read[clock] = len(values) - parse_numbers(values, clock).null_count()
    best = max(read, key=lambda form: read[form])
    if read[best] == 0 or read[best] < least * len(values):
        return None
    return LearnedNumbers(best) if decimal is not None or best.clock else _weighed(best, shapes, texts.name)


def _shapes(values: pl.Series) -> pl.DataFrame:
    """Texts with all digits alike, but for zeros in front; with how many of the values look like it, and the first of them."""
    shapes = in_common_signs(values).str.replace_all("(^|[^0-9])0", "${1}\0").str.replace_all("[0-9]", "1")
    frame = pl.DataFrame({"shape": shapes.str.replace_all("\0", "0", literal=True), "example": values})
    return frame.group_by("shape", maintain_order=True).agg(pl.len().alias("count"), pl.col("example").first())


def _counted(read: pl.Series, shapes: pl.DataFrame) -> int:
    """How many values have shapes that are read."""
    return int(shapes["count"].filter(read.is_not_null()).sum())


def _weighed(best: NumberFormat, shapes: pl.DataFrame, name: str) -> LearnedNumbers:
    """The format, and what else its numbers could be where they have one separator with three digits behind it."""
    # Money has cents, not thousandths: 1.500 € is in thousands, beside 950 € and alone.
    money = best.decimal == "." and not best.grouping and not best.multiples and is_money(best.unit)
    if best.grouping != "," and not money:
        return LearnedNumbers(best)
    other = best.model_copy(update={"decimal": ",", "grouping": "." if money else ""})
    first, second = (parse_numbers(shapes["example"], form) for form in (best, other))
    differ = (first != second).fill_null(value=False)
    if _counted(second, shapes) < _counted(first, shapes) or not differ.any():
        return LearnedNumbers(best)
    row = int(differ.to_numpy().argmax())
    if money:
        best, first, second = other, second, first
    kind = "decimal-point" if money else "decimal-comma"
    told = f"has {shapes['example'][row]}, read as {_shown(first[row])}; --as {name}={kind} reads {_shown(second[row])}"
    return LearnedNumbers(best, told)


def parse_numbers(texts: pl.Series, form: NumberFormat) -> pl.Series:
    """The numbers in float64, null where a text is none in that format."""
    if form.clock:
        return _seconds(texts, minutes=form.minutes)
    # What is written as the most are is read at once, and all else is taken apart.
    read = texts.cast(pl.Float64, strict=False) if form == NumberFormat() else _read_usual(texts, form)
    others = read.is_null() & texts.is_not_null()
    return read.scatter(others.arg_true(), _read(taken_apart(texts.filter(others)), form)) if others.any() else read


def _read_usual(texts: pl.Series, form: NumberFormat) -> pl.Series:
    """The numbers of texts with a sign in front, if any, and the unit before or behind them; null for all others."""
    sign, unit = "[+-]?", re.escape(form.unit)
    before = f"|^{sign}{unit} ?{_core(form)}$" if is_money(form.unit) else ""
    usual = texts.str.contains(f"^{sign}{_core(form)}(?: ?{unit})?${before}")
    digits = texts.set(~usual.fill_null(value=False), None)
    for between in (form.unit, " ", form.grouping):
        digits = digits.str.replace_all(between, "", literal=True) if between else digits
    digits = digits.str.replace(form.decimal, ".", literal=True) if form.decimal != "." else digits
    return digits.cast(pl.Float64, strict=False)


def _core(form: NumberFormat) -> str:
    """The digits of a number, as a regular expression."""
    group, point = re.escape(form.grouping or "\0"), re.escape(form.decimal)
    whole = rf"(?:[0-9]+|[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+|[1-9][0-9]?(?:{group}[0-9]{{2}})*{group}[0-9]{{3}})"
    return rf"(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)"


def _read(written: pl.DataFrame, form: NumberFormat) -> pl.Series:
    """The numbers of texts that were taken apart."""
    core = written["core"]
    fits = core.str.contains(rf"^{_core(form)}(?:[eE][+-]?[0-9]+)?$")
    multiple, unit = written["multiple"], written["unit"]
    if form.multiples:
        alone = unit.is_in(UNITLESS_MULTIPLES)
        multiple, unit = unit.zip_with(alone, multiple), unit.set(alone, "")
    else:
        fits = fits & (multiple == "")
    fits = fits & folded(unit).is_in(["", folded(pl.Series([form.unit]))[0]])
    digits = core.str.replace_all(form.grouping, "", literal=True) if form.grouping else core
    digits = digits.str.replace(form.decimal, ".", literal=True) if form.decimal != "." else digits
    numbers = digits.set(~fits.fill_null(value=False), None).cast(pl.Float64, strict=False)
    if form.multiples:
        numbers = numbers * multiple.replace_strict(MULTIPLES, default=1.0, return_dtype=pl.Float64)
    return pl.select(pl.when(written["negative"]).then(-numbers).otherwise(numbers)).to_series()


def _common_unit(written: pl.DataFrame, counts: pl.Series) -> str:
    """The unit of nearly all numbers that have one; letters for thousands and more are none where they differ."""
    units = written.select("unit", folded=folded(written["unit"]), count=counts)
    units = units.filter(written["core"].is_not_null() & (written["unit"] != ""))
    if _has_multiples(written):
        units = units.filter(~pl.col("unit").is_in(UNITLESS_MULTIPLES))
    if not units.height:
        return ""
    most = units.group_by("folded").agg(pl.col("count").sum()).sort(["count", "folded"], descending=[True, False])
    if most["count"][0] < _SHARED * int(units["count"].sum()):
        return ""
    spelled = units.filter(units["folded"] == most["folded"][0]).group_by("unit").agg(pl.col("count").sum())
    return str(spelled.sort(["count", "unit"], descending=[True, False])["unit"][0])


def _has_multiples(written: pl.DataFrame) -> bool:
    """Whether some numbers are in thousands or millions: by letters beside a unit, or by letters that differ."""
    numbers = written.filter(written["core"].is_not_null())
    units = set(numbers["unit"].to_list())
    alone = len(units) > 1 and bool(units - {""}) and units <= {"", *UNITLESS_MULTIPLES}
    return alone or bool((numbers["multiple"] != "").any())


def _seconds(texts: pl.Series, *, minutes: bool) -> pl.Series:
    """Times with colons in seconds; those of two parts are hours and minutes, or minutes and seconds."""
    parts = texts.str.extract_groups(_CLOCK).struct.unnest()
    first, second, third = (pl.col(name).cast(pl.Float64, strict=False) for name in parts.columns[:3])
    half = pl.col(parts.columns[3]).str.to_lowercase()
    hours = (
        pl.when(half.is_null())
        .then(first)
        .when(first.is_between(1, 12))
        .then(first % 12 + 12 * (half == "p").cast(int))
    )
    two = first * 60 + second if minutes else hours * 3600 + second * 60
    return parts.select(pl.coalesce(hours * 3600 + second * 60 + third, two)).to_series().alias(texts.name)


def _shown(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e6 else str(value)
