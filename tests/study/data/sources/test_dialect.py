import pytest

from dropnorm.study.data.sources.dialect import BLANKS, find_dialect, squeezed


@pytest.mark.parametrize(
    ("lines", "separator"),
    [
        (["a,b", "1,2"], ","),
        (["a;b", "1,5;2,5"], ";"),
        (["1,5;2,5", "3,0;4,1"], ";"),
        (["a\tb,c", "1\t2,5"], "\t"),
        (["a|b|c", "1|2|3"], "|"),
        (["title,genres", "x,a|b", "y,c"], ","),
        (["x  y   z", " 1 2  3", "4   5 6 "], BLANKS),
        (["1\t\t2 3", "4\t5 6"], BLANKS),
        (["name,city", "Ann Lee,New York", "Bo,Rome"], ","),
        (["date", "2024-01-01 10:00", "2024-01-02 11:00"], ","),
        (["one", "1", "2"], ","),
        (["a,b", '"x, y",2', '"u; v",3'], ","),
    ],
)
def test_the_separator_is_the_one_that_lines_agree_on(lines, separator):
    assert find_dialect(lines).separator == separator


@pytest.mark.parametrize(
    ("given", "separator"),
    [("tab", "\t"), ("blanks", BLANKS), ("semicolon", ";"), ("bar", "|"), ("~", "~"), (",", ",")],
)
def test_a_separator_that_is_given_is_taken(given, separator):
    assert find_dialect(["a,b;c", "1,2;3"], given).separator == separator


@pytest.mark.parametrize(
    ("lines", "quote"),
    [
        (["'a','b'", "'x, y','z'"], "'"),
        (['"a","b"', '"it\'s","c"'], '"'),
        (["a,b", "it's,2", "he's,3"], '"'),
        (["a,b"], '"'),
    ],
)
def test_single_quotes_count_where_fields_stand_between_them(lines, quote):
    assert find_dialect(lines).quote == quote


def test_records_are_the_fields_of_lines():
    assert find_dialect(["x, y", '1, "a, b"']).records(["x, y", '1, "a, b"']) == [["x", "y"], ["1", "a, b"]]
    assert squeezed("  1 \t 2  ") == "1\t2"
