"""Numbers as people write them: with thousands separated, a decimal comma, a currency, a percent sign or another unit."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from dropnorm._record import Record

Decimal = Literal[".", ","]
# The symbol of any currency, as in $ or HK$, and the letters of common ones.
_CODES = (
    "USD EUR GBP CHF JPY CNY RMB INR CAD AUD NZD SEK NOK DKK PLN CZK HUF RON BGN TRY RUB BRL MXN ZAR SGD HKD KRW Fr. Rs. "
    "Rs kr"
)
_CURRENCY = rf"(?:[ACRS]|US|CA|AU|NZ|HK|NT|MX)?\p{{Sc}}|{'|'.join(map(re.escape, _CODES.split()))}"
_MONEY = f"^(?:{_CURRENCY})$"
# Units that may stand behind a number without a blank; letters that sizes and codes end with are not among them.
_UNITS = (
    "% ‰ ° °C °F + k K M mn B bn pp bps kg g mg µg lb lbs oz km m cm mm mi ft m2 m² sqft ha l L ml mL cl "
    "cc s sec ms min mins h hr hrs yr yrs km/h kmh mph m/s W kW MW kWh MWh mA Hz kHz MHz GHz kB KB MB GB "
    "TB bar Pa hPa kPa psi hp cal kcal kJ px dpi ppm mmHg mg/dl bpm rpm"
)
_MULTIPLES = {"k": 1e3, "K": 1e3, "M": 1e6, "mn": 1e6, "bn": 1e9, "B": 1e9}
# What is a multiple beside a currency, as 5m is in $5m.
_MULTIPLE_WORDS = {
    **_MULTIPLES,
    **dict.fromkeys(("thousand", "Thousand", "tsd", "Tsd."), 1e3),
    **dict.fromkeys(("m", "mio", "Mio", "Mio.", "million", "Million", "millions"), 1e6),
    **dict.fromkeys(("b", "Mrd", "Mrd.", "billion", "Billion", "billions"), 1e9),
    **dict.fromkeys(("lakh", "lakhs", "Lakh", "lac", "Lac", "L"), 1e5),
    **dict.fromkeys(("crore", "crores", "Crore", "cr", "Cr"), 1e7),
}
_UNITLESS_MULTIPLES = tuple(
    sorted(_MULTIPLE_WORDS.keys() - {"m", "b", "L"})
)  # those are metres, bits and litres, where no currency is
_SPACES = r"[\u00a0\u2007\u2009\u202f]"


def _any_of(texts: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))


_CORE = r"[\d.,' _]*\d[\d.,' _]*?(?:[eE][+-]?\d+)?"
# A sign, a currency, another sign; the number; a multiple; a unit, known or behind a blank; what it is for, as in $/kg; a
# minus behind it all.
_WRITTEN = (
    rf"^(?P<before>[+-]?) ?(?:(?P<outside>{_CURRENCY}) ?)?(?P<opened>\(?)(?P<within>[+-]?)(?:(?P<inside>{_CURRENCY}) ?)?"
    rf"(?P<after>[+-]?)(?P<core>{_CORE})(?: ?(?P<multiple>{_any_of(_MULTIPLE_WORDS)}))??"
    rf"(?: ?(?P<known>{_CURRENCY}|{_any_of(_UNITS.split())})| (?P<named>[^\W\d_][^\d\s]{{0,11}}))?"
    r"(?P<each> ?/ ?[^\W\d_]{1,12})?(?P<trailing> ?-?)(?P<closed>\)?)$"
)
_CLOCK = r"^(\d{1,3}):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?(?: ?([AaPp])\.?[Mm]\.?)?$"
_THREE_PARTS = r"^\d{1,3}:\d{2}:"
_SHARED = 0.9
_WORD = 3  # letters from which on a multiple directly behind a number is a word, as in 5lakh, and not the end of a code
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
    if decimal in (None, ".") and parse_numbers(values, plain).null_count() == 0:
        return LearnedNumbers(plain)
    written = _taken_apart(values)
    unit, multiples = _common_unit(written), _has_multiples(written)
    forms = [
        NumberFormat(decimal=point, grouping=group, unit=unit, multiples=multiples)
        for point, group in _FORMATS
        if decimal in (None, point)
    ]
    read = {form: _read(written, form) for form in forms}
    clock = NumberFormat(clock=True, minutes=bool(values.str.contains(_THREE_PARTS).any()))
    read |= {form: parse_numbers(values, form) for form in (clock, *([plain] if plain in forms else []))}
    best = min(read, key=lambda form: read[form].null_count())
    found = len(values) - read[best].null_count()
    if found == 0 or found < least * len(values):
        return None
    if decimal is not None or best.clock:
        return LearnedNumbers(best)
    return _weighed(best, read, values, texts.name)


def _weighed(
    best: NumberFormat, read: Mapping[NumberFormat, pl.Series], values: pl.Series, name: str
) -> LearnedNumbers:
    """The format, and what else its numbers could be where they have one separator with three digits behind it."""
    # Money has cents, not thousandths: 1.500 € is in thousands, beside 950 € and alone.
    money = best.decimal == "." and not best.grouping and not best.multiples and _is_money(best.unit)
    if best.grouping != "," and not money:
        return LearnedNumbers(best)
    other = best.model_copy(update={"decimal": ",", "grouping": "." if money else ""})
    differ = (read[best] != read[other]).fill_null(value=False)
    if read[other].null_count() > read[best].null_count() or not differ.any():
        return LearnedNumbers(best)
    best, other, kind = (other, best, "decimal-point") if money else (best, other, "decimal-comma")
    row = int(differ.to_numpy().argmax())
    first, second = _shown(read[best][row]), _shown(read[other][row])
    return LearnedNumbers(best, f"has {values[row]}, read as {first}; --as {name}={kind} reads {second}")


def _is_money(unit: str) -> bool:
    return bool(pl.Series([unit]).str.contains(_MONEY)[0])


def parse_numbers(texts: pl.Series, form: NumberFormat) -> pl.Series:
    """The numbers in float64, null where a text is none in that format."""
    if form.clock:
        return _seconds(texts, minutes=form.minutes)
    if form != NumberFormat():
        return _read(_taken_apart(texts), form).alias(texts.name)
    read = texts.cast(pl.Float64, strict=False)
    # Plain numbers may have a sign behind them, or brackets around.
    others = read.is_null() & texts.is_not_null()
    return read.scatter(others.arg_true(), _read(_taken_apart(texts.filter(others)), form)) if others.any() else read


def _read(written: pl.DataFrame, form: NumberFormat) -> pl.Series:
    """The numbers of texts that were taken apart."""
    core = written["core"]
    group, point = re.escape(form.grouping or "\0"), re.escape(form.decimal)
    whole = rf"(?:\d+|[1-9]\d{{0,2}}(?:{group}\d{{3}})+|[1-9]\d?(?:{group}\d{{2}})*{group}\d{{3}})"
    fits = core.str.contains(rf"^(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?$")
    multiple, unit = written["multiple"], written["unit"]
    if form.multiples:
        alone = unit.is_in(_UNITLESS_MULTIPLES)
        multiple, unit = unit.zip_with(alone, multiple), unit.set(alone, "")
    else:
        fits = fits & (multiple == "")
    fits = fits & _folded(unit).is_in(["", _folded(pl.Series([form.unit]))[0]])
    digits = core.str.replace_all(form.grouping, "", literal=True) if form.grouping else core
    digits = digits.str.replace(form.decimal, ".", literal=True) if form.decimal != "." else digits
    numbers = digits.set(~fits.fill_null(value=False), None).cast(pl.Float64, strict=False)
    if form.multiples:
        numbers = numbers * multiple.replace_strict(_MULTIPLE_WORDS, default=1.0, return_dtype=pl.Float64)
    return pl.select(pl.when(written["negative"]).then(-numbers).otherwise(numbers)).to_series()


def _common_unit(written: pl.DataFrame) -> str:
    """The unit of nearly all numbers that have one; letters for thousands and more are none where they differ."""
    units = written.filter(written["core"].is_not_null() & (written["unit"] != "")).select("unit")
    if _has_multiples(written):
        units = units.filter(~pl.col("unit").is_in(_UNITLESS_MULTIPLES))
    if not units.height:
        return ""
    units = units.with_columns(folded=_folded(units["unit"]))
    counts = units["folded"].value_counts().sort(["count", "folded"], descending=[True, False])
    if counts["count"][0] < _SHARED * units.height:
        return ""
    spelled = units.filter(units["folded"] == counts["folded"][0])["unit"].value_counts()
    return str(spelled.sort(["count", "unit"], descending=[True, False])["unit"][0])


def _has_multiples(written: pl.DataFrame) -> bool:
    """Whether some numbers are in thousands or millions: by letters beside a unit, or by letters that differ."""
    numbers = written.filter(written["core"].is_not_null())
    units = set(numbers["unit"].to_list())
    alone = len(units) > 1 and bool(units - {""}) and units <= {"", *_UNITLESS_MULTIPLES}
    return alone or bool((numbers["multiple"] != "").any())


def _folded(units: pl.Series) -> pl.Series:
    """Units of which one and several are the same, as year and years, and words the same in any case."""
    lengths = units.str.len_chars()
    words = units.zip_with(lengths < 4, units.str.to_lowercase())
    return words.zip_with(lengths < 3, words.str.strip_suffix("s"))


def _taken_apart(texts: pl.Series) -> pl.DataFrame:
    """Sign, digits, multiple and unit of each text; null where it is no number of any format."""
    cleaned = texts.str.replace_all(_SPACES, " ").str.replace_all("[\u2212\u2013]", "-").str.replace_all("’", "'")
    # 10,- is a price without cents.
    cleaned = cleaned.str.replace_all("μ", "µ").str.replace(r"(\d[.,])--?([^\d-]*)$", "${1}00${2}")
    parts = cleaned.str.extract_groups(_WRITTEN).struct.unnest().fill_null("").with_columns(pl.all().str.strip_chars())
    parts = parts.with_columns(
        minus=sum((pl.col(sign) == "-").cast(pl.Int8) for sign in ("before", "within", "after", "trailing")),
        brackets=(pl.col("opened") == "(") & (pl.col("closed") == ")"),
        currency=pl.concat_str("outside", "inside"),
        behind=pl.concat_str("known", "named"),
    )
    # 5m is five million beside a currency; else it is a unit, until the whole column tells.
    money = (pl.col("currency") != "") & pl.col("behind").is_in(list(_MULTIPLE_WORDS))
    word = (pl.col("currency") == "") & (pl.col("behind") == "") & (pl.col("multiple").str.len_chars() >= _WORD)
    parts = parts.with_columns(
        multiple=pl.when(money).then("behind").when(word).then(pl.lit("")).otherwise("multiple"),
        behind=pl.when(money).then(pl.lit("")).when(word).then("multiple").otherwise("behind"),
    ).with_columns(unit=pl.concat_str("currency", "behind"))
    # A currency is written once, a multiple is of something, and so is what stands behind a stroke.
    sound = (
        (pl.col("core") != "")
        & (pl.col("minus") + pl.col("brackets").cast(pl.Int8) <= 1)
        & ((pl.col("opened") == "(") == (pl.col("closed") == ")"))
        & ((pl.col("outside") == "") | (pl.col("inside") == ""))
        & ((pl.col("currency") == "") | (pl.col("behind") == ""))
        & ((pl.col("multiple") == "") | (pl.col("unit") != ""))
        & ((pl.col("each") == "") | ~pl.col("unit").is_in(["", *_MULTIPLE_WORDS]))
    )
    return parts.select(
        core=pl.when(sound).then("core"),
        unit=pl.concat_str("unit", pl.col("each").str.replace_all(" ", "", literal=True)),
        multiple="multiple",
        negative=(pl.col("minus") == 1) | pl.col("brackets"),
    )


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
