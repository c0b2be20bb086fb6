import pytest

from dropnorm.errors import DataError
from dropnorm.study.data.sources.text import read_text


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a,b\n1,x\n2,y\n", "commas"),
        ("a;b\n1;x\n2;y\n", "semicolons"),
        ("a\tb\n1\tx\n2\ty\n", "tabs"),
        ("\ufeffa,b\n1,x\n2,y\n", "a byte order mark"),
        ("a,b\r\n1,x\r\n2,y\r\n", "Windows line ends"),
        ("a,b\n1,x\n\n2,y\n\n\n", "empty lines"),
        ('"a","b"\n1,"x"\n2,"y"', "quotes, and no last line end"),
    ],
    ids=lambda value: value if "\n" not in value else "",
)
def test_a_csv_file_is_read_whatever_its_dialect(write, text, why):
    table = read_text(write(text))
    assert table.to_dict(as_series=False) == {"a": [1, 2], "b": ["x", "y"]}, why


def test_quoted_separators_and_line_ends_are_part_of_a_field(write):
    assert read_text(write('a,b\n1,"x, y\nz"\n')).row(0) == (1, "x, y\nz")


@pytest.mark.parametrize("missing", ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"])
def test_words_for_a_missing_value_leave_a_column_of_numbers_one(write, missing):
    table = read_text(write(f"a,b\n1,x\n{missing},y\n2.5,z\n"))
    assert table["a"].to_list() == [1.0, None, 2.5]


def test_in_a_single_column_an_empty_line_is_a_missing_value(write):
    assert read_text(write("a\n1\n\n3\n"))["a"].to_list() == [1, None, 3]


def test_a_line_of_separators_is_a_row_all_the_same(write):
    assert read_text(write("a,b\n1,2\n,\n3,4\n")).rows() == [(1, 2), (None, None), (3, 4)]


def test_names_keep_every_character(write):
    assert read_text(write("<b>&amp;,\N{SNOWMAN}\n1,2\n")).columns == ["<b>&amp;", "\N{SNOWMAN}"]


@pytest.mark.parametrize(
    ("text", "line", "fields"),
    [
        ("a,b\n1,2\n1,2,3\n", 3, 3),
        ("a,b\n1,2\n\n7\n", 4, 1),
        ('a,b\n1,"x\ny"\n1,2,3,4\n', 4, 4),
    ],
)
def test_a_line_with_too_many_or_too_few_fields_is_numbered(write, refuses, text, line, fields):
    path = write(text)
    message = (
        f"{path}, line {line}: {fields} fields, where the header names 2 columns. "
        f"Mend the line, or quote fields that hold a ','."
    )
    with refuses(DataError, message):
        read_text(path)


def test_a_quote_that_is_never_closed_is_found_where_it_opens(write, refuses):
    path = write('a,b\n1,2\n3,"4\n5,6\n')
    with refuses(DataError, f"{path}, line 3: malformed CSV (unexpected end of data). Mend the quotes of that line."):
        read_text(path)


@pytest.mark.parametrize("line", [1, 2, 3000])
def test_a_line_that_is_not_utf8_is_numbered(write, refuses, line):
    lines = [b"a,name"] + [b"1,plain"] * 3999
    lines[line - 1] = "a,caf\xe9".encode("latin-1")
    path = write(b"\n".join(lines))
    with refuses(
        DataError, f"{path}, line {line}: not UTF-8 text (invalid continuation byte). Save the file as UTF-8."
    ):
        read_text(path)


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "behind a byte order mark"])
def test_a_name_that_is_there_twice_in_a_file(write, refuses, mark):
    path = write(f"{mark}a,b,a\n1,2,3\n")
    with refuses(
        DataError, f"{path}, line 1: the column name 'a' is there twice. Expected each name once: rename one."
    ):
        read_text(path)


def test_columns_named_as_texts_stay_as_they_are_written(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("code,flag,x\n01,true,1.0\n02,false,2.0\n")
    assert read_text(path, ["code", "flag", "elsewhere"]).rows() == [("01", "true", 1.0), ("02", "false", 2.0)]
    assert read_text(path, target="flag")["flag"].to_list() == ["true", "false"]


def test_decimal_commas_between_semicolons_are_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;b;c\n1,5;2;x,1\n-2;;y\n")
    assert read_text(path).rows() == [(1.5, 2, "x,1"), (-2.0, None, "y")]
    assert read_text(path, ["a"])["a"].to_list() == ["1,5", "-2"]
    assert read_text(path, target="a")["a"].to_list() == ["1.5", "-2"]


def test_a_comma_between_commas_is_no_decimal_one(write):
    """Where commas separate fields, one inside a quoted field groups thousands: to read 1,234 as 1.234 would be wrong."""
    assert read_text(write('a,b\n"1,234",2\n'), target="a").row(0) == ("1,234", 2)


def test_a_tsv_file_is_separated_by_tabs_whatever_else_its_header_holds(write):
    table = read_text(write("a, b, c\td\n1\tx\n", "data.TSV"))
    assert table.to_dict(as_series=False) == {"a, b, c": [1], "d": ["x"]}


def test_a_tsv_file_with_a_line_too_short_is_numbered(write, refuses):
    path = write("a\tb\n1\t2\n3\n", "data.tsv")
    message = (
        f"{path}, line 3: 1 fields, where the header names 2 columns. Mend the line, or quote fields that hold a '\\t'."
    )
    with refuses(DataError, message):
        read_text(path)
