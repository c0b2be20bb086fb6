"""Numbers as people write them: with thousands separated, a decimal comma, a currency, a percent sign or another unit."""

import re
from dataclasses import dataclass
from typing import Literal

import polars as pl

from dropnorm._record import Record

Decimal = Literal[".", ","]
_CURRENCIES = "US$ A$ C$ R$ $ € £ ¥ ₹ USD EUR GBP CHF JPY Fr. Rs. Rs kr"
# Units that may stand behind a number without a blank; letters that sizes and codes end with are not among them.
_UNITS = (
    "% ‰ ° °C °F + k K M mn B bn pp bps kg g mg µg lb lbs oz km m cm mm mi ft m2 m² sqft ha l L ml mL cl "
    "cc s sec ms min mins h hr hrs yr yrs km/h kmh mph m/s W kW MW kWh MWh mA Hz kHz MHz GHz kB KB MB GB "
    "TB bar Pa hPa kPa psi hp cal kcal kJ px dpi ppm mmHg mg/dl bpm rpm"
)
_SPACES = r"[\u00a0\u2007\u2009\u202f]"
_PREFIXED = "|".join(map(re.escape, _CURRENCIES.split()))
_CORE = r"[\d.,'’_ ]*\d[\d.,'’_ ]*?(?:[eE][+-]?\d+)?"
# A sign, a currency, another sign; the number; a unit, known or behind a blank; a minus behind it all.
_BEHIND = "|".join(map(re.escape, sorted(f"{_UNITS} {_CURRENCIES}".split(), key=len, reverse=True)))
_WRITTEN = rf"^(\(?)([+-]?)(?:({_PREFIXED}) ?)?([+-]?)({_CORE})(?: ?({_BEHIND})| ([^\W\d_][^\d\s]{{0,11}}))?(-?)(\)?)$"
_CLOCK = r"^(\d{1,3}):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?$"
_MULTIPLES = {"k": 1e3, "K": 1e3, "M": 1e6, "mn": 1e6, "bn": 1e9, "B": 1e9}
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

    Args:        decimal: what stands before fractions; grouping: what stands between groups of digits; unit: what stands before
                 or behind all of them; clock: whether they are hours or minutes with colons, which become seconds; multiples:
                 whether letters behind some of them stand for thousands, millions or billions.
    """

    decimal: Decimal = "."
    grouping: str = ""
    unit: str = ""
    clock: bool = False
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
    if decimal in (None, ".") and parse_numbers(values, plain).null_count() == 0:
        return LearnedNumbers(plain)
    written = _taken_apart(values)
    unit, multiples = _common_unit(written), _has_multiples(written)
    forms = [
        NumberFormat(decimal=point, grouping=group, unit="" if multiples else unit, multiples=multiples)
        for point, group in _FORMATS
    ]
    forms = [form for form in forms if decimal in (None, form.decimal)] + [NumberFormat(clock=True)]
    read = {form: len(values) - parse_numbers(values, form).null_count() for form in forms}
    best = max(forms, key=lambda form: read[form])
    if read[best] == 0 or read[best] < least * len(values):
        return None
    if not unit and not multiples and decimal is None and read[plain] == read[best]:
        best = plain
    other = best.model_copy(update={"decimal": ",", "grouping": ""})
    if best.grouping != "," or decimal is not None or read[other] < read[best]:
        return LearnedNumbers(best)
    example = values.filter(values.str.contains(",", literal=True))[0]
    meant = f"has {example}, read as {_shown(example, best)}; --as {texts.name}=decimal-comma reads {_shown(example, other)}"
    return LearnedNumbers(best, meant)


def parse_numbers(texts: pl.Series, form: NumberFormat) -> pl.Series:
    """The numbers in float64, null where a text is none in that format."""
    if form.clock:
        return _seconds(texts)
    if form == NumberFormat():
        read = texts.cast(pl.Float64, strict=False)
        others = read.is_null() & texts.is_not_null()
        return _merged(read, others, texts, form) if others.any() else read
    return _parse(texts, form)


def _merged(read: pl.Series, others: pl.Series, texts: pl.Series, form: NumberFormat) -> pl.Series:
    """Plain numbers, and those with a sign behind them or in brackets."""
    return read.scatter(others.arg_true(), _parse(texts.filter(others), form))


def _parse(texts: pl.Series, form: NumberFormat) -> pl.Series:
    written = _taken_apart(texts)
    core = written["core"]
    group, point = re.escape(form.grouping or "\0"), re.escape(form.decimal)
    whole = rf"(?:\d+|[1-9]\d{{0,2}}(?:{group}\d{{3}})+|[1-9]\d?(?:{group}\d{{2}})*{group}\d{{3}})"
    fits = core.str.contains(rf"^(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?$")
    units = ["", *_MULTIPLES] if form.multiples else ["", form.unit]
    fits = fits & written["unit"].is_in(units)
    digits = core.str.replace_all(form.grouping, "", literal=True) if form.grouping else core
    digits = digits.str.replace(form.decimal, ".", literal=True) if form.decimal != "." else digits
    numbers = digits.set(~fits.fill_null(value=False), None).cast(pl.Float64, strict=False)
    if form.multiples:
        numbers = numbers * written["unit"].replace_strict(_MULTIPLES, default=1.0, return_dtype=pl.Float64)
    return pl.select(pl.when(written["negative"]).then(-numbers).otherwise(numbers)).to_series().alias(texts.name)


def _has_multiples(written: pl.DataFrame) -> bool:
    """Whether all units are letters for thousands and more, and not the same one in all numbers."""
    units = set(written.filter(written["core"].is_not_null())["unit"].to_list())
    return len(units) > 1 and bool(units - {""}) and units <= {"", *_MULTIPLES}


def _common_unit(written: pl.DataFrame) -> str:
    """The unit of nearly all numbers that have one."""
    units = written.filter(written["core"].is_not_null() & (written["unit"] != ""))["unit"].value_counts()
    units = units.sort(["count", "unit"], descending=[True, False])
    counts = units["count"].to_list()
    return str(units["unit"][0]) if counts and counts[0] >= _SHARED * sum(counts) else ""


def _taken_apart(texts: pl.Series) -> pl.DataFrame:
    """Sign, digits and unit of each text; null where it is no number of any format."""
    cleaned = texts.str.replace_all(_SPACES, " ").str.replace_all("[\u2212\u2013]", "-").str.replace_all("’", "'")
    parts = cleaned.str.extract_groups(_WRITTEN).struct.unnest()
    opened, before, currency, behind, core, known, named, trailing, closed = (parts[name] for name in parts.columns)
    minus = sum((sign.fill_null("") == "-").cast(pl.Int8) for sign in (before, behind, trailing))
    brackets = (opened == "(") & (closed == ")")
    sound = (minus + brackets.cast(pl.Int8) <= 1) & ((opened == "(") == (closed == ")"))
    unit = pl.select(pl.coalesce(currency, known, named, pl.lit(""))).to_series()
    both = currency.is_not_null() & (known.is_not_null() | named.is_not_null())
    return pl.DataFrame(
        {
            "core": core.str.strip_chars().set(~(sound & ~both).fill_null(value=False), None),
            "unit": unit,
            "negative": ((minus == 1) | brackets).fill_null(value=False),
        }
    )


def _seconds(texts: pl.Series) -> pl.Series:
    """Times with colons in seconds: hours and minutes, or minutes and seconds where some have all three."""
    parts = texts.str.extract_groups(_CLOCK).struct.unnest()
    first, second, third = (parts[name].cast(pl.Float64, strict=False) for name in parts.columns)
    two = first * 60 + second if third.is_not_null().any() else first * 3600 + second * 60
    three = first * 3600 + second * 60 + third
    return pl.select(pl.coalesce(three, two)).to_series().alias(texts.name)


def _shown(text: str, form: NumberFormat) -> str:
    value = parse_numbers(pl.Series([text]), form)[0]
    return f"{value:g}" if value is not None and abs(value) < 1e6 else str(value)
