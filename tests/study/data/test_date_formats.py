import datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropnorm.study.data.date_formats import DateFormat, learn_date_format, parse_dates

MAY, JUNE = datetime.datetime(2024, 5, 31), datetime.datetime(2024, 6, 1)


def read(texts, order=None, **given):
    """The order that is learned of texts, and their dates."""
    column = pl.Series("x", texts, dtype=pl.String)
    learned = learn_date_format(column, order, **given)
    assert learned is not None
    assert not learned.ambiguous
    return learned.format.order, parse_dates(column, learned.format).to_list()


DAYS = [
    (["2024-05-31", "2024-06-01"], "year-first"),
    (["2024/05/31", "2024/6/1"], "year-first"),
    (["2024.05.31", "2024.06.01"], "year-first"),
    (["31/05/2024", "01/06/2024"], "day-first"),
    (["31.5.2024", "1.6.2024"], "day-first"),
    (["31-05-2024", "01-06-2024"], "day-first"),
    (["5/31/2024", "6/1/2024"], "month-first"),
    (["31/05/24", "01/06/24"], "day-first"),
    (["31-May-2024", "1 June 2024"], "year-first"),
    (["31st May 2024", "1st Jun. 2024"], "year-first"),
    (["May 31, 2024", "june 1 2024"], "year-first"),
    (["2024-May-31", "2024 Jun 01"], "year-first"),
    (["Fri, 31 May 2024", "Saturday, 01 Jun 2024"], "year-first"),
    (["2024-05-31T00:00:00Z", "2024-06-01"], "year-first"),
    (["31-May-24", "1-Jun-24"], "year-first"),
    (["31MAY2024", "01jun24"], "year-first"),
    (["31. May 2024", "1 June, 2024"], "year-first"),
    (["May\u00a031, 2024", "June 1, 2024"], "year-first"),
    (["Fri May 31 00:00:00 2024", "Sat Jun  1 00:00:00 UTC 2024"], "year-first"),
    (["31-5-24", "1-6-24"], "day-first"),
    (["05-31-24", "06-01-24"], "month-first"),
    (["00:00 31/05/2024", "0:00:00 01/06/2024"], "day-first"),
]


@pytest.mark.parametrize(("texts", "order"), DAYS)
def test_days_are_read_in_the_common_orders(texts, order):
    assert read(texts) == (order, [MAY, JUNE])


TIMES = [
    ("31/05/2024 13:45", (13, 45, 0, 0)),
    ("31/05/2024 13:45:10", (13, 45, 10, 0)),
    ("31/05/2024 13:45:10.25", (13, 45, 10, 250_000)),
    ("2024-05-31T13:45:10.0000019Z", (13, 45, 10, 1)),
    ("31/05/2024 1:45 PM", (13, 45, 0, 0)),
    ("31/05/2024 12:05 a.m.", (0, 5, 0, 0)),
    ("31/05/2024, 9:30", (9, 30, 0, 0)),
    ("2024-05-31T13:45:10+02:00", (11, 45, 10, 0)),
    ("2024-05-31 13:45 -0330", (17, 15, 0, 0)),
    ("31 May 2024 13:45:10 GMT", (13, 45, 10, 0)),
    ("31 May 2024 13:45:10 PDT", (20, 45, 10, 0)),
    ("31/05/2024 1 pm", (13, 0, 0, 0)),
    ("1:45 PM, 31/05/2024", (13, 45, 0, 0)),
    ("31/May/2024:13:45:10 +0100", (12, 45, 10, 0)),
    ("Fri May 31 13:45:10 +0000 2024", (13, 45, 10, 0)),
    ("Fri May 31 2024 13:45:10 GMT+0200 (Central European Summer Time)", (11, 45, 10, 0)),
    ("20240531T134510Z", (13, 45, 10, 0)),
    ("20240531 13:45", (13, 45, 0, 0)),
    ("2024-05-31 10:00 UTC+5:30", (4, 30, 0, 0)),
]


@pytest.mark.parametrize(("text", "time"), TIMES)
def test_times_of_day_and_zones_are_read(text, time):
    hour, minute, second, microsecond = time
    expected = MAY.replace(hour=hour, minute=minute, second=second, microsecond=microsecond)
    assert read([text, "31/05/2024"])[1] == [expected, MAY]


MONTHS = [
    ["2024-05", "2024-06"],
    ["05/2024", "6/2024"],
    ["May 2024", "Jun-2024"],
    ["2024/05", "2024/06"],
    ["May-24", "Jun '24"],
    ["2024-May", "2024 june"],
]


@pytest.mark.parametrize("texts", MONTHS)
def test_months_are_their_first_day(texts):
    assert read(texts)[1] == [datetime.datetime(2024, 5, 1), datetime.datetime(2024, 6, 1)]


def test_quarters_are_their_first_day():
    assert read(["2024Q1", "2024/Q4", "Q2 2024", "3Q2024"])[1] == [
        datetime.datetime(2024, month, 1) for month in (1, 10, 4, 7)
    ]


NO_DATES = [
    ["1998", "1999"],
    ["10-20", "20-30"],
    ["1/2", "3/4"],
    ["555-1234", "12-1234"],
    ["1.2.3", "1.2.4"],
    ["192.168.1.1", "10.0.0.1"],
    ["12-34-56", "1-2-3"],
    ["10-11-12", "11-10-12"],
    ["20240531", "20240601"],
    ["13:45", "09:10"],
    ["may", "june"],
    ["1/2-2024", "3/4-2024"],
    ["2009-10", "2010-11", "2011-12"],
    ["24-05-31", "24-06-01"],
    ["31-05-24", "01-06-24"],
    ["2024-05-31 10", "2024-06-01 11"],
    ["\u0663\u0661/\u0660\u0665/\u0662\u0660\u0662\u0664"],
    ["1-Mar", "2-Sep"],
    [],
    [None],
]


@pytest.mark.parametrize("texts", NO_DATES, ids=str)
def test_what_only_looks_like_a_date_is_none(texts):
    assert learn_date_format(pl.Series("x", texts, dtype=pl.String)) is None


@pytest.mark.parametrize(
    ("texts", "order"),
    [
        ([f"24-{month:02}-{day:02}" for month in (5, 7) for day in range(1, 32)], "year-first"),
        ([f"{day:02}-{month:02}-24" for month in (5, 7) for day in range(1, 32)], "day-first"),
        (
            [f"{year}/{month:02}/{day:02}" for year in (23, 24) for month in (5, 7) for day in range(1, 32)],
            "year-first",
        ),
        (["31/05/24", "01/06/24"], "day-first"),
        (["31.05.24", "01.06.24"], "day-first"),
        (["99-05-31", "24-06-01"], "year-first"),
    ],
)
def test_where_a_year_of_two_digits_stands_is_told_by_the_number_of_days(texts, order):
    found, dates = read(texts)
    assert found == order
    assert {date.year for date in dates} <= {1999, 2023, 2024}


def test_a_year_of_two_digits_on_the_first_of_months_may_be_anywhere():
    assert learn_date_format(pl.Series([f"01-05-{year:02}" for year in range(1, 25)])) is None
    learned = learn_date_format(pl.Series(["24-05-31", "24-06-01"]), asked=True)
    assert learned.ambiguous == "24-05-31 is 31 May 2024 or 24 May 2031"
    assert learned.orders == ("year-first", "day-first")
    assert read(["24-05-31", "24-06-01"], "year-first", asked=True)[1] == [MAY, JUNE]


def test_values_that_contradict_each_other_are_not_ambiguous():
    assert read(["5/31/2024", "31/5/2024"])[1] == [None, MAY]


def test_what_is_said_to_be_dates_is_read_without_separators():
    assert read(["20240531", "20240601"], asked=True)[1] == [MAY, JUNE]
    assert read(["20240531134510", "202405311345"], asked=True)[1][0] == MAY.replace(hour=13, minute=45, second=10)
    assert read(["10-11-12", "11-10-12"], "day-first", asked=True)[1][0] == datetime.datetime(2012, 11, 10)


def test_days_that_no_month_has_are_not_read():
    assert read(["2024-02-30", "2024-02-29", "2024-01-01"])[1][:2] == [None, datetime.datetime(2024, 2, 29)]
    assert read(["31/04/2024", "30/04/2024", "13/04/2024"])[1][0] is None
    assert read(["2024-05-31 24:10", "2024-05-31 24:00", "2024-06-01"])[1] == [None, JUNE, JUNE]
    assert read(["31/05/2024 13:10 PM", "31/05/2024 1:10 PM"])[1][0] is None


@pytest.mark.parametrize(
    ("order", "first"),
    [("day-first", datetime.datetime(2024, 2, 1)), ("month-first", datetime.datetime(2024, 1, 2))],
)
def test_an_order_that_values_do_not_tell_is_ambiguous_unless_it_is_given(order, first):
    texts = ["01/02/2024", "03/04/2024"]
    learned = learn_date_format(pl.Series("x", texts))
    assert learned.ambiguous == "01/02/2024 is 1 February 2024 or 2 January 2024"
    assert learned.orders == ("day-first", "month-first")
    assert read(texts, order) == (order, [first, first + datetime.timedelta(days=62)])


def test_dates_that_mean_the_same_in_both_orders_are_not_ambiguous():
    assert read(["05/05/2024", "06/06/2024"])[1] == [datetime.datetime(2024, 5, 5), datetime.datetime(2024, 6, 6)]


def test_years_of_two_digits_are_of_this_century_up_to_68():
    assert [date.year for date in read(["31/12/68", "31/12/69", "30/12/99"])[1]] == [2068, 1969, 1999]


@pytest.mark.parametrize("texts", [texts for texts, _ in DAYS])
def test_a_date_is_read_the_same_whatever_stands_in_other_rows(texts):
    form = learn_date_format(pl.Series(texts)).format
    assert [parse_dates(pl.Series([text]), form)[0] for text in texts] == [MAY, JUNE]


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (DateFormat(), "dates"),
        (DateFormat(order="day-first"), "dates, day before month"),
        (DateFormat(order="month-first"), "dates, month before day"),
    ],
)
def test_a_format_is_told_in_words(form, words):
    assert form.words == words


PATTERNS = (
    "%Y-%m-%d",
    "%Y/%m/%d %H:%M",
    "%d.%m.%Y",
    "%m/%d/%Y %H:%M",
    "%d %B %Y",
    "%b %d, %Y %H:%M",
    "%d/%m/%Y %I:%M %p",
    "%d%b%Y:%H:%M",
    "%a %b %d %H:%M:%S %Y",
    "%Y%m%dT%H%M",
)


@given(
    dates=st.lists(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1)), min_size=3, max_size=30),
    pattern=st.sampled_from(PATTERNS),
)
def test_dates_written_in_any_format_are_read_back(dates, pattern):
    # The last day of May tells day and month apart.
    dates = [date.replace(second=0, microsecond=0) for date in [*dates, MAY]]
    if "%H" not in pattern and "%I" not in pattern:
        dates = [date.replace(hour=0, minute=0) for date in dates]
    assert read([date.strftime(pattern) for date in dates])[1] == dates


def test_days_that_many_rows_share_are_read_in_their_rows():
    texts = pl.Series("day", ["31/05/2024", None, "01/06/2024", "no day"] * 5)
    dates = parse_dates(texts, DateFormat(order="day-first"))
    assert dates.name == "day"
    assert dates.to_list() == [MAY, None, JUNE, None] * 5


PIECES = (
    "0",
    "1",
    "12",
    "31",
    "99",
    "24",
    "2024",
    "-",
    "/",
    ".",
    ":",
    " ",
    ",",
    "'",
    "May",
    "Q1",
    "pm",
    "T",
    "Z",
    "+02:00",
)


@given(
    texts=st.lists(st.lists(st.sampled_from(PIECES), max_size=9).map("".join), min_size=1, max_size=6),
    asked=st.booleans(),
)
def test_any_texts_are_dates_or_not_each_by_itself(texts, asked):
    column = pl.Series("x", texts)
    learned = learn_date_format(column, asked=asked)
    if learned is not None:
        alone = [parse_dates(pl.Series([text]), learned.format)[0] for text in texts]
        assert parse_dates(column, learned.format).to_list() == alone
