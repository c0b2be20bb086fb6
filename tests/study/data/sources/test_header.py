import pytest

from dropnorm.study.data.sources.header import names_columns

HEADED = {
    "words over numbers": [["a", "b"], ["1", "2"], ["3", "4"]],
    "words over texts": [["name", "city"], ["ann", "bern"], ["bob", "basel"]],
    "one word among numbers": [["id", "x"], ["1", "u"], ["2", "v"]],
    "years over numbers": [["country", "2019", "2020"], ["CH", "3.5", "4"], ["DE", "5", "6"]],
    "a word over dates": [["day", "v"], ["2024-01-01", "a"], ["2024-01-02", "b"]],
    "a word over currency": [["price", "x"], ["$1,000", "u"], ["$2", "v"]],
    "an exported index": [["", "x"], ["0", "1.5"], ["1", "2.5"]],
    "gaps below": [["a", "b"], ["?", "2"], ["1", "NA"]],
    "names alone": [["a", "b"]],
}
UNHEADED = {
    "numbers": [["1", "2"], ["3", "4"]],
    "a number over numbers": [["A11", "6"], ["A12", "48"], ["A14", "12"]],
    "texts that are there again": [["yes", "no"], ["no", "no"], ["yes", "yes"]],
    "a date over dates": [["2024-01-01", "a"], ["2024-01-02", "b"]],
    "marks": [["?", "2"], ["1", "3"]],
    "years over years": [["CH", "2019"], ["DE", "2018"], ["AT", "2017"]],
    "numbers twice": [["0", "0"], ["0", "1"]],
    "numbers alone": [["1", "2"]],
    "percent": [["5 %", "x"], ["6 %", "y"], ["7 %", "x"]],
}


@pytest.mark.parametrize("records", HEADED.values(), ids=HEADED)
def test_a_first_record_that_names_columns(records):
    assert names_columns(records)


@pytest.mark.parametrize("records", UNHEADED.values(), ids=UNHEADED)
def test_a_first_record_that_is_a_row(records):
    assert not names_columns(records)
