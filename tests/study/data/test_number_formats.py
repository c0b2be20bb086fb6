import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropnorm.study.data.number_formats import NumberFormat, has_leading_zeros, learn_number_format, parse_numbers

PLAIN = NumberFormat()


def read(texts, **given):
    """The format that is learned of texts, and their numbers."""
    column = pl.Series("x", texts, dtype=pl.String)
    learned = learn_number_format(column, **given)
    assert learned is not None
    return learned.format, parse_numbers(column, learned.format).to_list()


CASES = [
    (["1", "2.5", "-3", "+4", ".5", "5.", "1e5", "1E-3"], PLAIN, [1, 2.5, -3, 4, 0.5, 5, 1e5, 1e-3]),
    (["5-", "(6)", "\N{MINUS SIGN}7", "8"], PLAIN, [-5, -6, -7, 8]),
    (["24,000", "1,500,000", "700"], NumberFormat(grouping=","), [24000, 1500000, 700]),
    (["$24,000.00", "-$1.50", "($7.25)", "$ 3"], NumberFormat(grouping=",", unit="$"), [24000, -1.5, -7.25, 3]),
    (["24.000,00", "1,5", "-3,25"], NumberFormat(decimal=",", grouping="."), [24000, 1.5, -3.25]),
    (["1.234.567", "2.345"], NumberFormat(decimal=",", grouping="."), [1234567, 2345]),
    (["1,5", "2,25", "3"], NumberFormat(decimal=","), [1.5, 2.25, 3]),
    (["1,234", "0,345"], NumberFormat(decimal=","), [1.234, 0.345]),
    (["1.234", "2.345"], PLAIN, [1.234, 2.345]),
    (["12 %", "7%", "-1.5 %"], NumberFormat(unit="%"), [12, 7, -1.5]),
    (["1'234.50", "12’000"], NumberFormat(grouping="'"), [1234.5, 12000]),
    (["1 234,5", "12 000,7"], NumberFormat(decimal=",", grouping=" "), [1234.5, 12000.7]),
    (["1\u202f234", "5", "1\u00a0000"], NumberFormat(grouping=" "), [1234, 5, 1000]),
    (["1_000", "2_500"], NumberFormat(grouping="_"), [1000, 2500]),
    (["12,34,567", "1,00,000"], NumberFormat(grouping=","), [1234567, 100000]),
    (["10 kg", "20.5 kg", "7"], NumberFormat(unit="kg"), [10, 20.5, 7]),
    (["10kg", "5kg"], NumberFormat(unit="kg"), [10, 5]),
    (["100 widgets", "250 widgets"], NumberFormat(unit="widgets"), [100, 250]),
    (["€ 5,50", "€ 1.200,00"], NumberFormat(decimal=",", grouping=".", unit="€"), [5.5, 1200]),
    (["100 EUR", "1,250 EUR"], NumberFormat(grouping=",", unit="EUR"), [100, 1250]),
    (["1.5K", "2M", "300", "0.5B"], NumberFormat(multiples=True), [1500, 2e6, 300, 5e8]),
    (["1.5M", "2M"], NumberFormat(unit="M"), [1.5, 2]),
    (["10,000+", "500+"], NumberFormat(grouping=",", unit="+"), [10000, 500]),
    (["13:45", "09:10"], NumberFormat(clock=True), [49500, 33000]),
    (["1:02:03", "59:30"], NumberFormat(clock=True, minutes=True), [3723, 3570]),
    (["11:30 PM", "12:05 a.m.", "1:00pm"], NumberFormat(clock=True), [84600, 300, 46800]),
    (["950 €", "1.500 €"], NumberFormat(decimal=",", grouping=".", unit="€"), [950, 1500]),
    (["1.500 €", "2.5 €"], NumberFormat(unit="€"), [1.5, 2.5]),
    (["€110.5M", "€565K", "€0"], NumberFormat(unit="€", multiples=True), [110.5e6, 565e3, 0]),
    (["$1.5bn", "$300m", "-$2k"], NumberFormat(unit="$", multiples=True), [1.5e9, 3e8, -2000]),
    (["1.5 million USD", "20 USD"], NumberFormat(unit="USD", multiples=True), [1.5e6, 20]),
    (["₹1.2 Cr", "₹60 Lac"], NumberFormat(unit="₹", multiples=True), [1.2e7, 6e6]),
    (["1.5 million", "300 thousand"], NumberFormat(multiples=True), [1.5e6, 3e5]),
    (["$ (1,200.50)", "$(3)", "$7"], NumberFormat(grouping=",", unit="$"), [-1200.5, -3, 7]),
    (["10,-", "1.200,-", "12,50"], NumberFormat(decimal=",", grouping="."), [10, 1200, 12.5]),
    (["5.-", "7.50"], PLAIN, [5, 7.5]),
    (["₽10", "₽20.5"], NumberFormat(unit="₽"), [10, 20.5]),
    (["HK$5", "HK$6"], NumberFormat(unit="HK$"), [5, 6]),
    (["€5.00/kg", "€6/kg"], NumberFormat(unit="€/kg"), [5, 6]),
    (["25 $/hour", "30 $/hour"], NumberFormat(unit="$/hour"), [25, 30]),
    (["5 years", "1 year", "7 years"], NumberFormat(unit="years"), [5, 1, 7]),
    (["36 months", "1 Month", "6 months"], NumberFormat(unit="months"), [36, 1, 6]),
    (["5 \u03bcg", "6 \u00b5g"], NumberFormat(unit="\u00b5g"), [5, 6]),
]


@pytest.mark.parametrize(("texts", "form", "numbers"), CASES)
def test_numbers_are_read_however_they_are_written(texts, form, numbers):
    assert read(texts) == (form, numbers)


@pytest.mark.parametrize(("texts", "form", "numbers"), CASES)
def test_a_number_is_read_the_same_whatever_stands_in_other_rows(texts, form, numbers):
    assert [parse_numbers(pl.Series([text]), form)[0] for text in texts] == numbers


NO_NUMBERS = [
    ["A12", "A13"],
    ["3XL", "2XL"],
    ["555-1234", "555-2345"],
    ["1.2.3", "1.2.4"],
    ["192.168.1.1", "10.0.0.1"],
    ["10-20", "20-30"],
    ["1/2", "3/4"],
    ["23 Main", "24 High", "7 Park", "9 Mill"],
    ["a", "b"],
    ["1,2,3", "4,5,6"],
    ["0x1F", "0x2A"],
    ["5more", "6less"],
    ["1x", "2x"],
    ["12b", "14b"],
    ["1/a", "2/a"],
    ["5 kg", "500 g", "3 lb"],
    ["13:61", "25:99"],
    ["$5$", "$6$"],
    ["\u0663", "\u0664"],
    [],
    [None],
]


@pytest.mark.parametrize("texts", NO_NUMBERS, ids=str)
def test_what_only_looks_like_a_number_is_none(texts):
    assert learn_number_format(pl.Series("x", texts, dtype=pl.String)) is None


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1,000", "2,000", "many", "3,500"], [1000, 2000, None, 3500]),
        (["$1", "$2", "£3", "$4", *(f"${n}" for n in range(5, 16))], [1, 2, None, 4, *range(5, 16)]),
        (["1", "2", "three"], [1, 2, None]),
    ],
)
def test_strays_are_not_read(texts, numbers):
    assert read(texts)[1] == numbers


def test_a_column_of_single_commas_is_told_with_what_else_it_could_be():
    learned = learn_number_format(pl.Series("price", ["1,234", "2,345"]))
    assert learned is not None
    assert learned.ambiguous == "has 1,234, read as 1234; --as price=decimal-comma reads 1.234"
    assert learn_number_format(pl.Series("price", ["1,234", "2,345,678"])).ambiguous == ""
    assert read(["1,234", "2,345"], decimal=",") == (NumberFormat(decimal=","), [1.234, 2.345])
    assert learn_number_format(pl.Series("price", ["1,234,567", "0,5"])).ambiguous == ""
    assert read(["1.234", "2.345"], decimal=",") == (NumberFormat(decimal=",", grouping="."), [1234, 2345])


def test_money_with_three_digits_behind_a_point_is_told_with_what_else_it_could_be():
    prices = pl.Series("price", ["950 €", "1.500 €"])
    learned = learn_number_format(prices)
    assert learned is not None
    assert learned.ambiguous == "has 1.500 €, read as 1500; --as price=decimal-point reads 1.5"
    assert parse_numbers(prices, learn_number_format(prices, ".").format).to_list() == [950, 1.5]
    assert learn_number_format(pl.Series("price", ["1.50 €", "1.500 €"])).ambiguous == ""


@pytest.mark.parametrize(
    ("texts", "zeros"),
    [(["007", "12"], True), (["0", "10"], False), (["0.5"], False), (["007", "x"], False), (["01234", None], True)],
)
def test_digits_with_zeros_before_them_are_codes(texts, zeros):
    assert has_leading_zeros(pl.Series(texts)) == zeros


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (PLAIN, ""),
        (NumberFormat(decimal=","), "numbers with a decimal comma"),
        (NumberFormat(grouping=",", unit="$"), "numbers with thousands separated by commas, in $"),
        (NumberFormat(unit="%"), "numbers in %"),
        (NumberFormat(clock=True), "times with colons, in seconds"),
    ],
)
def test_a_format_is_told_in_words(form, words):
    assert form.words == words


@given(
    numbers=st.lists(st.integers(-(10**9), 10**9).map(lambda n: n / 100), min_size=5, max_size=30),
    decimal=st.sampled_from([".", ","]),
    grouped=st.booleans(),
    unit=st.sampled_from(["", "$", "%", " kg", "€"]),
)
def test_numbers_written_in_any_format_are_read_back(numbers, decimal, grouped, unit):
    other = "," if decimal == "." else "."
    # Cents are written in all, so that nothing is ambiguous.
    texts = []
    for number in [*numbers, 1234567.25]:
        text = f"{number:,.2f}" if grouped else f"{number:.2f}"
        text = text.replace(",", "#").replace(".", decimal).replace("#", other)
        texts.append(f"{unit}{text}" if unit in ("$", "€") else f"{text}{unit}")
    form, read_back = read(texts)
    assert read_back == [*numbers, 1234567.25]
    assert form.unit == unit.strip()


PIECES = (
    "0",
    "1",
    "12",
    "999",
    "000",
    ".",
    ",",
    "'",
    " ",
    ":",
    "-",
    "+",
    "(",
    ")",
    "$",
    "€",
    "kg",
    "M",
    "%",
    "/",
    "e5",
    "m2",
)


@given(
    texts=st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), min_size=1, max_size=6),
    least=st.sampled_from([0.0, 0.5]),
)
def test_any_texts_are_numbers_or_not_each_by_itself(texts, least):
    column = pl.Series("x", texts)
    learned = learn_number_format(column, least=least)
    if learned is not None:
        alone = [parse_numbers(pl.Series([text]), learned.format)[0] for text in texts]
        assert parse_numbers(column, learned.format).to_list() == alone
