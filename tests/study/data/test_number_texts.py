import polars as pl
import pytest

from dropnorm.study.data.number_texts import (
    MULTIPLES,
    UNITLESS_MULTIPLES,
    folded,
    in_common_signs,
    is_money,
    taken_apart,
)


@pytest.mark.parametrize(
    ("text", "core", "unit", "multiple", "negative"),
    [
        ("1,234.50", "1,234.50", "", "", False),
        ("-$ 5", "5", "$", "", True),
        ("$(1.2)", "1.2", "$", "", True),
        ("12 %", "12", "%", "", False),
        ("€1.5M", "1.5", "€", "M", False),
        ("2 million USD", "2", "USD", "million", False),
        ("5 m", "5", "m", "", False),
        ("3lakh", "3", "lakh", "", False),
        ("7 € / kg", "7", "€/kg", "", False),
        ("4 m2", "4", "m²", "", False),
        ("10,-", "10,00", "", "", False),
        ("1e5-", "1e5", "", "", True),
    ],
)
def test_a_text_is_its_sign_its_digits_and_what_they_are_of(text, core, unit, multiple, negative):
    assert taken_apart(pl.Series([text])).row(0) == (core, unit, multiple, negative)


@pytest.mark.parametrize("text", ["-(5)", "--5", "(5", "$5$", "5/a", "12b", "A5", "5 kg 3", "", "1-2", "\u0663", None])
def test_other_texts_hold_no_number(text):
    assert taken_apart(pl.Series([text], dtype=pl.String))["core"].to_list() == [None]


def test_units_are_the_same_for_one_and_several_and_words_in_any_case():
    units = pl.Series(["years", "Year", "hrs", "hr", "MW", "mW", "ms", "m", "Rs"])
    assert folded(units).to_list() == ["year", "year", "hr", "hr", "MW", "mW", "ms", "m", "Rs"]


def test_signs_that_mean_the_same_become_one():
    texts = pl.Series(
        ["\N{MINUS SIGN}5", "\N{EN DASH}5", "1\N{NO-BREAK SPACE}000", "1’000", "5 μg", "3 m2", "5.-", "a-b"]
    )
    assert in_common_signs(texts).to_list() == ["-5", "-5", "1 000", "1'000", "5 µg", "3 m²", "5.00", "a-b"]


@pytest.mark.parametrize(
    ("unit", "money"), [("$", True), ("HK$", True), ("₩", True), ("EUR", True), ("kg", False), ("", False)]
)
def test_currencies_are_money(unit, money):
    assert is_money(unit) == money


def test_letters_that_are_units_too_are_multiples_of_money_alone():
    assert MULTIPLES.keys() - set(UNITLESS_MULTIPLES) == {"m", "b", "L"}
