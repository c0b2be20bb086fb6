import string

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropnorm.errors import DataError
from dropnorm.study.data.sources.given import Reading
from dropnorm.study.data.sources.text import read_text


def rows_of(path, **given):
    return read_text(path, Reading(**given)).frame.rows()


DIALECTS = {
    "commas": "a,b\n1,x\n2,y\n",
    "semicolons": "a;b\n1;x\n2;y\n",
    "tabs": "a\tb\n1\tx\n2\ty\n",
    "bars": "a|b\n1|x\n2|y\n",
    "blanks": "a   b\n 1  x\n2 y \n",
    "blanks around": " a , b \n 1 , x\n2,  y  \n",
    "blanks before quotes": 'a, b\n1, "x"\n2, "y"\n',
    "a byte order mark": "\ufeffa,b\n1,x\n2,y\n",
    "Windows line ends": "a,b\r\n1,x\r\n2,y\r\n",
    "old Mac line ends": "a,b\r1,x\r2,y\r",
    "empty lines": "a,b\n1,x\n\n2,y\n\n\n",
    "quotes, and no last line end": '"a","b"\n1,"x"\n2,"y"',
    "single quotes": "'a','b'\n'1','x'\n'2','y'\n",
    "comments above": "# made by hand\n% twice\n\na,b\n1,x\n2,y\n",
    "names in a comment": "# a b\n1 x\n2 y\n",
    "a comment between": "a,b\n1,x\n# that was one\n2,y\n",
}


@pytest.mark.parametrize("text", DIALECTS.values(), ids=DIALECTS)
def test_a_table_is_read_whatever_its_dialect(write, text):
    table = read_text(write(text))
    assert table.frame.to_dict(as_series=False) == {"a": [1.0, 2.0], "b": ["x", "y"]}
    assert table.named


def test_numbers_are_numbers_but_for_digits_that_they_would_lose(write):
    frame = read_text(write("a,b,c,d\n1.5,1,007,12345678901234567\nNA,2,8,1\n-2e3,-3,9,2\n")).frame
    assert frame["a"].to_list() == [1.5, None, -2000.0]
    assert frame["b"].to_list() == [1.0, 2.0, -3.0]
    assert frame["c"].to_list() == ["007", "8", "9"]
    assert frame["d"].to_list() == ["12345678901234567", "1", "2"]


def test_a_zero_before_digits_far_below_keeps_all_as_texts(write):
    frame = read_text(write("zip,x\n" + "90210,1\n" * 5000 + "00501,1\n")).frame
    assert frame["zip"][[0, -1]].to_list() == ["90210", "00501"]


def test_a_column_of_numbers_with_one_text_far_below_is_texts(write):
    text = "a,b\n" + "1.50,x\n" * 20_000 + "n.d.,x\n"
    frame = read_text(write(text)).frame
    assert frame["a"].dtype == pl.String
    assert frame["a"][[0, -1]].to_list() == ["1.50", "n.d."]


def test_quoted_separators_quotes_and_line_ends_are_part_of_a_field(write):
    assert rows_of(write('a,b\n1,"x, y\nz"\n2,"say ""hi"""\n')) == [(1.0, "x, y\nz"), (2.0, 'say "hi"')]
    assert rows_of(write('a,b\n1,5" disk\n2,x\n')) == [(1.0, '5" disk'), (2.0, "x")]
    assert rows_of(write("a,b\n'it''s','x, y'\n'z','u'\n")) == [("it's", "x, y"), ("z", "u")]


def test_in_a_single_column_an_empty_line_is_a_missing_value(write):
    assert read_text(write("a\n1\n\n3\n")).frame["a"].to_list() == [1.0, None, 3.0]


def test_a_line_of_separators_is_a_row_all_the_same(write):
    assert rows_of(write("a,b\n1,2\n,\n3,4\n")) == [(1.0, 2.0), (None, None), (3.0, 4.0)]
    assert rows_of(write("a,b\n1,\n2,\n")) == [(1.0, None), (2.0, None)]


def test_names_keep_every_character_but_for_blanks_around(write):
    assert read_text(write("<b>&amp;, \N{SNOWMAN} \n1,2\n")).frame.columns == ["<b>&amp;", "\N{SNOWMAN}"]


def test_a_column_without_a_name_is_called_by_its_place(write):
    assert read_text(write(",x,\n0,1,\n1,2,\n")).frame.columns == ["column_1", "x", "column_3"]
    assert read_text(write('x y\n"r1" 1 2\n"r2" 3 4\n')).frame.columns == ["column_1", "x", "y"]


def test_a_file_without_a_header_loses_no_row(write):
    table = read_text(write("5.1,3.5,setosa\n4.9,3.0,virginica\n4.7,3.2,setosa\n"))
    assert table.frame.shape == (3, 3)
    assert table.frame.columns == ["column_1", "column_2", "column_3"]
    assert not table.named
    assert table.notices == (
        "no line names the columns, as the first one holds values like those below: they are column_1 to column_3; --header "
        "yes takes the first line for names",
    )


def test_a_header_that_is_given_is_not_looked_for(write):
    path = write("a,b\n1,2\n3,4\n")
    without = read_text(path, Reading(header="no"))
    assert (without.frame.shape, without.notices) == ((3, 2), ())
    assert read_text(write("1,2\n3,4\n"), Reading(header="yes")).frame.columns == ["1", "2"]


def test_lines_that_begin_as_comments_and_are_rows_are_rows(write):
    assert rows_of(write("#ff0000,1\n#00ff00,2\n#0000ff,3\n")) == [("#ff0000", 1), ("#00ff00", 2), ("#0000ff", 3)]
    assert rows_of(write("color,x\n#ff0000,1\n#00ff00,2\n")) == [("#ff0000", 1), ("#00ff00", 2)]


def test_comments_between_rows_are_counted(write):
    table = read_text(write("a,b\n1,2\n# one\n3,4\n% two\n"))
    assert table.notices == ("lines that begin with # or % and are no rows are left out: 2",)


@pytest.mark.parametrize(
    ("text", "line", "fields"),
    [
        ("a,b\n1,2\n1,2,3\n", 3, "3 fields, where the header names 2: 1, 2, 3"),
        ("a,b\n1,2\n\n7\n", 4, "1 field, where the header names 2: 7"),
        ('a,b\n1,"x\ny"\n1,2,3,4\n', 4, "4 fields, where the header names 2: 1, 2, 3, 4"),
        ("# hello\na,b\n1,2\n7\n", 4, "1 field, where the header names 2: 7"),
        ("1,2\n3,4\n5\n6,7\n", 3, "1 field, where most lines have 2: 5"),
        ("a,b\r\n1,2\r\n7\r\n", 3, "1 field, where the header names 2: 7"),
        ("a,b\n1.5,2\n" + "1.5,2\n" * 3000 + "7.5\n", 3003, "1 field, where the header names 2: 7.5"),
    ],
)
def test_a_line_with_too_many_or_too_few_fields_is_numbered(write, refuses, text, line, fields):
    path = write(text)
    with refuses(DataError, f"{path}, line {line}: {fields}. Mend the line, or quote fields that hold a comma."):
        read_text(path)


@pytest.mark.parametrize(("text", "line"), [('a,b\n1,x\n2,"y\n3,z\n', 3), ('a,b\n"1"x,2\n', 2), ('a,"b\n1,2\n', 1)])
def test_a_quote_that_is_out_of_place_is_found_where_it_opens(write, text, line):
    path = write(text)
    with pytest.raises(DataError, match=rf"line {line}: malformed CSV \(.*\). Mend the quotes of that line"):
        read_text(path)


def test_a_field_may_be_longer_than_the_limit_of_pythons_reader(write):
    long = "x" * 200_000
    assert rows_of(write(f'a,b\n1,"{long}"\n2, "{long}"\n'))[1] == (2.0, long)


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "behind a byte order mark"])
def test_a_name_that_is_there_twice_in_a_file(write, refuses, mark):
    path = write(f"{mark}a,b,a\n1,2,x\n")
    message = (
        f"{path}, line 1: the column name 'a' is there twice. Expected each name once: rename one, or say --header no if that "
        f"line is a row."
    )
    with refuses(DataError, message):
        read_text(path)


@pytest.mark.parametrize("name", ["code", "1", "first"])
def test_columns_named_as_texts_stay_as_they_are_written(write, name):
    path = write("code,x\n01.50,1.50\n2.0,2.5\n")
    frame = read_text(path, Reading(texts=(name,))).frame
    assert (frame["code"].to_list(), frame["x"].to_list()) == (["01.50", "2.0"], [1.5, 2.5])
    assert read_text(path, target="x").frame["x"].to_list() == ["1.50", "2.5"]


def test_columns_known_to_be_numbers_are_read_as_such(write):
    path = write("x,z\n1,1\n2,2\n")
    frame = read_text(path, Reading(known={"x": "number", "z": "category"})).frame
    assert (frame["x"].to_list(), frame["z"].to_list()) == ([1.0, 2.0], [1.0, 2.0])
    assert read_text(write("x\n1\nmany\n"), Reading(known={"x": "number"})).frame["x"].to_list() == ["1", "many"]


def test_a_tsv_file_is_separated_by_tabs_whatever_else_its_header_holds(tmp_path):
    path = tmp_path / "data.tsv"
    path.write_text("a;b;c\td\n1\t2\n", encoding="utf-8")
    assert read_text(path).frame.columns == ["a;b;c", "d"]


@pytest.mark.parametrize(
    ("text", "row", "line"),
    [
        ("a,b\n1,2\n3,4\n", 1, 3),
        ("1,2\n3,4\n", 1, 2),
        ("# x\n\na,b\n1,2\n\n3,4\n", 1, 6),
        ('a,b\n1,"x\ny"\n3,4\n', 1, 4),
        ("a b\n1 2\n3 4\n", 0, 2),
        ("a,b\n1,2\n# no\n3,4\n", 1, 4),
    ],
)
def test_the_line_of_a_row_is_the_files(write, text, row, line):
    assert read_text(write(text)).line(row) == line


def test_more_columns_than_are_read(write, refuses):
    path = write(",".join(f"c{place}" for place in range(50_001)) + "\n" + ",".join("1" * 50_001) + "\n")
    message = (
        f"{path}, line 1: 50,001 columns. Expected at most 50,000: save the numbers as one array (rows, 1, columns) in an NPZ "
        f"file, or leave columns out."
    )
    with refuses(DataError, message):
        read_text(path)


NAMES = st.lists(st.text(string.ascii_letters, min_size=1, max_size=6), min_size=2, max_size=5, unique=True)
FIELDS = st.text(string.ascii_letters + string.digits + " .,;|'\"\n-", max_size=8)


@given(
    names=NAMES,
    fields=st.lists(FIELDS, min_size=5, max_size=40),
    separator=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_is_written_in_any_dialect_is_read_back(tmp_path_factory, names, fields, separator, line_end, encoding):
    width = len(names)
    rows = [fields[start : start + width] for start in range(0, len(fields) - width + 1, width)]
    if not rows:
        return
    lines = [names, *rows]
    quoted = [separator.join(f'"{field.replace(chr(34), chr(34) * 2)}"' for field in line) for line in lines]
    path = tmp_path_factory.mktemp("dialect") / "data.csv"
    path.write_bytes(line_end.join([*quoted, ""]).encode(encoding))
    frame = read_text(path, Reading(header="yes", separator=separator)).frame
    assert frame.columns == names
    expected = [[field.strip() or None for field in row] for row in rows]
    read = [[None if value is None else str(value) for value in row] for row in frame.rows()]
    for place in range(width):
        if frame.dtypes[place] == pl.Float64:
            numbers = [np.nan if row[place] is None else float(row[place]) for row in expected]
            np.testing.assert_array_equal(
                [np.nan if row[place] is None else float(row[place]) for row in read], numbers
            )
        else:
            assert [row[place] for row in read] == [row[place] for row in expected]
