"""A text with a number in it, taken apart: its sign, its digits, and what they are of."""

import re
from collections.abc import Iterable

import polars as pl

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
MULTIPLES = {
    **dict.fromkeys(("k", "K", "thousand", "Thousand", "tsd", "Tsd."), 1e3),
    **dict.fromkeys(("m", "M", "mn", "mio", "Mio", "Mio.", "million", "Million", "millions"), 1e6),
    **dict.fromkeys(("b", "B", "bn", "Mrd", "Mrd.", "billion", "Billion", "billions"), 1e9),
    **dict.fromkeys(("L", "lakh", "lakhs", "Lakh", "lac", "Lac"), 1e5),
    **dict.fromkeys(("cr", "Cr", "crore", "crores", "Crore"), 1e7),
}
"""What stands behind numbers in thousands and more, and how many times as large they are."""
_UNITS_TOO = {"m", "b", "L"}  # metres, bits and litres, where no currency is
UNITLESS_MULTIPLES = tuple(sorted(MULTIPLES.keys() - _UNITS_TOO))
"""Those that say so without a currency."""
_SPACES = r"[\u00a0\u2007\u2009\u202f]"


def _any_of(texts: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))


_CORE = "[0-9.,' _]*[0-9][0-9.,' _]*?(?:[eE][+-]?[0-9]+)?"
# A sign, a currency, another sign; the number; a multiple; a unit, known or behind a blank; what it is for, as in $/kg; a
# minus behind it all.
_WRITTEN = (
    rf"^(?P<before>[+-]?) ?(?:(?P<outside>{_CURRENCY}) ?)?(?P<opened>\(?)(?P<within>[+-]?)(?:(?P<inside>{_CURRENCY}) ?)?"
    rf"(?P<after>[+-]?)(?P<core>{_CORE})(?: ?(?P<multiple>{_any_of(MULTIPLES)}))??"
    rf"(?: ?(?P<known>{_CURRENCY}|{_any_of(_UNITS.split())})| (?P<named>[^\W\d_][^\d\s]{{0,11}}))?"
    r"(?P<each> ?/ ?[^\W\d_]{1,12})?(?P<trailing> ?-?)(?P<closed>\)?)$"
)
_WORD = 3  # letters from which on a multiple directly behind a number is a word, as in 5lakh, and not the end of a code


def taken_apart(texts: pl.Series) -> pl.DataFrame:
    """Sign, digits, multiple and unit of each text; null where it is no number of any format."""
    parts = (
        in_common_signs(texts)
        .str.extract_groups(_WRITTEN)
        .struct.unnest()
        .fill_null("")
        .with_columns(pl.all().str.strip_chars())
    )
    parts = parts.with_columns(
        minus=sum((pl.col(sign) == "-").cast(pl.Int8) for sign in ("before", "within", "after", "trailing")),
        brackets=(pl.col("opened") == "(") & (pl.col("closed") == ")"),
        currency=pl.concat_str("outside", "inside"),
        behind=pl.concat_str("known", "named"),
    )
    # 5m is five million beside a currency; else it is a unit, until the whole column tells.
    money = (pl.col("currency") != "") & pl.col("behind").is_in(list(MULTIPLES))
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
        & ((pl.col("each") == "") | ~pl.col("unit").is_in(["", *MULTIPLES]))
    )
    return parts.select(
        core=pl.when(sound).then("core"),
        unit=pl.concat_str("unit", pl.col("each").str.replace_all(" ", "", literal=True)),
        multiple="multiple",
        negative=(pl.col("minus") == 1) | pl.col("brackets"),
    )


def in_common_signs(texts: pl.Series) -> pl.Series:
    """Texts with one sign each for blanks, minus, apostrophe and micro, and with zeros for the cents that 10,- leaves out."""
    if texts.str.contains(r"[^\x00-\x7f]").any():
        texts = texts.str.replace_all(_SPACES, " ").str.replace_all("[\u2212\u2013]", "-")
        texts = texts.str.replace_all("’", "'", literal=True).str.replace_all("μ", "µ", literal=True)
    return texts.str.replace(r"(\d[.,])--?([^\d-]*)$", "${1}00${2}").str.replace_all("m2", "m²", literal=True)


def folded(units: pl.Series) -> pl.Series:
    """Units of which one and several are the same, as year and years, and words the same in any case."""
    lengths = units.str.len_chars()
    words = units.zip_with(lengths < 4, units.str.to_lowercase())
    return words.zip_with(lengths < 3, words.str.strip_suffix("s"))


def is_money(unit: str) -> bool:
    """Whether a unit is a currency."""
    return bool(pl.Series([unit]).str.contains(_MONEY)[0])
