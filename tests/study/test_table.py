import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn import datasets

from dropnorm.errors import ArgumentTypeError, DataError, RunError
from dropnorm.study.table import as_column, from_memory, read_file, read_table, write_table

BUNDLED = "breast_cancer, digits, iris, wine"


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
    table = read_file(write(text))
    assert table.to_dict(as_series=False) == {"a": [1, 2], "b": ["x", "y"]}, why


def test_quoted_separators_and_line_ends_are_part_of_a_field(write):
    assert read_file(write('a,b\n1,"x, y\nz"\n')).row(0) == (1, "x, y\nz")


@pytest.mark.parametrize("missing", ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?"])
def test_words_for_a_missing_value_leave_a_column_of_numbers_one(write, missing):
    table = read_file(write(f"a,b\n1,x\n{missing},y\n2.5,z\n"))
    assert table["a"].to_list() == [1.0, None, 2.5]


def test_in_a_single_column_an_empty_line_is_a_missing_value(write):
    assert read_file(write("a\n1\n\n3\n"))["a"].to_list() == [1, None, 3]


def test_a_line_of_separators_is_a_row_all_the_same(write):
    assert read_file(write("a,b\n1,2\n,\n3,4\n")).rows() == [(1, 2), (None, None), (3, 4)]


def test_names_keep_every_character(write):
    assert read_file(write("<b>&amp;,\N{SNOWMAN}\n1,2\n")).columns == ["<b>&amp;", "\N{SNOWMAN}"]


def test_a_parquet_file_is_read_with_its_types(tmp_path):
    table = pl.DataFrame({"day": pl.Series(["2024-05-01"]).str.to_date(), "n": [None]}, schema_overrides={"n": pl.Int8})
    table.write_parquet(tmp_path / "data.PARQUET")
    assert read_file(tmp_path / "data.PARQUET").equals(table)


def test_a_bundled_set_has_a_target(write):
    table, target = read_table("wine", None)
    assert (target, table.height, table.width) == ("target", 178, 14)
    assert table["target"].unique().sort().to_list() == ["class_0", "class_1", "class_2"]
    np.testing.assert_array_equal(table["alcohol"].to_numpy(), datasets.load_wine().data[:, 0])


def test_another_column_of_a_bundled_set_can_be_the_target():
    assert read_table("wine", "alcohol")[1] == "alcohol"


def test_a_file_of_a_bundled_sets_name_comes_first(write, monkeypatch, tmp_path):
    write("a,b\n1,2\n", "iris")
    monkeypatch.chdir(tmp_path)
    assert read_table("iris", "b")[0].columns == ["a", "b"]


def test_without_a_target_the_columns_are_named(write, refuses):
    names = [f"c{index}" for index in range(13)]
    path = write(",".join(names) + "\n" + ",".join("1" * 13) + "\n")
    message = (
        f"{path}: the column to predict is not given. Name it with --target, one of: {', '.join(names[:12])}, ...."
    )
    with refuses(DataError, message):
        read_table(path, None)


@pytest.mark.parametrize(("name", "hint"), [("digts", " Did you mean the bundled set 'digits'?"), ("sales.csv", "")])
def test_a_missing_file_is_named_with_what_was_meant(name, hint, refuses):
    with refuses(DataError, f"{name}: no such file. Expected a CSV or Parquet file, or one of {BUNDLED}.{hint}"):
        read_table(name, "y")


def test_a_folder_is_no_file(tmp_path, refuses):
    with refuses(DataError, f"{tmp_path}: is a folder. Expected a CSV or Parquet file."):
        read_file(tmp_path)


def test_an_empty_file(write, refuses):
    path = write("")
    with refuses(DataError, f"{path}: the file is empty. Expected a header line with column names, and rows below it."):
        read_file(path)


@pytest.mark.parametrize("text", ["a,b\n", "a,b\n\n\n", "a,b"])
def test_a_header_without_rows(write, refuses, text):
    path = write(text)
    with refuses(DataError, f"{path}: the file has column names and no rows. Expected rows below the header."):
        read_file(path)


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
        read_file(path)


def test_a_quote_that_is_never_closed_is_found_where_it_opens(write, refuses):
    path = write('a,b\n1,2\n3,"4\n5,6\n')
    with refuses(DataError, f"{path}, line 3: malformed CSV (unexpected end of data). Mend the quotes of that line."):
        read_file(path)


@pytest.mark.parametrize("line", [1, 2, 3000])
def test_a_line_that_is_not_utf8_is_numbered(write, refuses, line):
    lines = [b"a,name"] + [b"1,plain"] * 3999
    lines[line - 1] = "a,caf\xe9".encode("latin-1")
    path = write(b"\n".join(lines))
    with refuses(
        DataError, f"{path}, line {line}: not UTF-8 text (invalid continuation byte). Save the file as UTF-8."
    ):
        read_file(path)


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "behind a byte order mark"])
def test_a_name_that_is_there_twice_in_a_file(write, refuses, mark):
    path = write(f"{mark}a,b,a\n1,2,3\n")
    with refuses(
        DataError, f"{path}, line 1: the column name 'a' is there twice. Expected each name once: rename one."
    ):
        read_file(path)


def test_a_file_that_only_says_it_is_parquet(write, refuses):
    path = write("a,b\n1,2\n", "data.parquet")
    with pytest.raises(DataError) as caught:
        read_file(path)
    assert str(caught.value).startswith(f"{path}: is not a readable Parquet file (")
    assert str(caught.value).endswith("). Write it anew.")
    assert "\n" not in str(caught.value)


def test_a_polars_frame_is_taken_as_it_is(table):
    assert from_memory(table) is table


def test_a_pandas_frame_keeps_its_values_and_tells_what_is_missing():
    frame = pd.DataFrame(
        {
            "whole": [1, 2, 3],
            "gaps": [1.5, np.nan, 2.5],
            "nullable": pd.array([1, pd.NA, 3], dtype="Int64"),
            "truth": pd.array([True, None, False], dtype="boolean"),
            "text": ["a", None, "c"],
            "objects": np.array(["a", np.nan, 3], dtype=object),
            "category": pd.Categorical(["low", None, "high"]),
            "coded": pd.Categorical([10, 20, None]),
            "date": pd.to_datetime(["2024-05-01", None, "2024-05-03"]),
            "zoned": pd.to_datetime(["2024-05-01", "2024-05-02", "2024-05-03"], utc=True),
            7: [0, 0, 1],
        },
        index=[5, 6, 7],
    )
    table = from_memory(frame)
    days = pd.to_datetime(["2024-05-01", "2024-05-02", "2024-05-03"])
    assert table.drop("date", "zoned").to_dict(as_series=False) == {
        "whole": [1, 2, 3],
        "gaps": [1.5, None, 2.5],
        "nullable": [1, None, 3],
        "truth": [True, None, False],
        "text": ["a", None, "c"],
        "objects": ["a", None, "3"],
        "category": ["low", None, "high"],
        "coded": ["10", "20", None],
        "7": [0, 0, 1],
    }
    assert table["date"].to_list() == [days[0], None, days[2]]
    assert table["zoned"].dtype.is_temporal()
    assert table["zoned"].dt.epoch("s").to_list() == [int(day.timestamp()) for day in days]


@pytest.mark.parametrize("names", [["a", "b", "a"], ["a", 1, "1"]])
def test_a_name_that_is_there_twice_in_a_pandas_frame(names, refuses):
    frame = pd.DataFrame([[1, 2, 3]], columns=names)
    with refuses(DataError, f"X: the column name {names[2]!r} is there twice. Expected each name once: rename one."):
        from_memory(frame)


@pytest.mark.parametrize(
    "X",
    [np.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(2, 3), [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]],
    ids=["numpy", "torch", "lists"],
)
def test_an_array_becomes_numbered_columns(X):
    assert from_memory(X).to_dict(as_series=False) == {"x0": [0, 3], "x1": [1, 4], "x2": [2, 5]}


def test_images_become_one_column_per_pixel_in_reading_order():
    images = np.arange(3 * 8 * 8).reshape(3, 8, 8)
    table = from_memory(images)
    assert table.columns == [f"x{index}" for index in range(64)]
    assert table["x9"].to_list() == images[:, 1, 1].tolist()


def test_an_array_without_rows_is_a_table_without_rows():
    assert from_memory(np.empty((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    ("X", "shape", "dtype"), [([1, 2], "(2,)", "int64"), ([[1, "a", None]], "(1, 3)", "object"), (7, "()", "int64")]
)
def test_what_is_no_table(X, shape, dtype, refuses):
    message = (
        f"X of shape {shape} and dtype {dtype} is not a table: expected a frame, or a numeric array of "
        f"shape (rows, columns)."
    )
    with refuses(ArgumentTypeError, message):
        from_memory(X)


@pytest.mark.parametrize(
    "y",
    [
        ["a", "b", None],
        np.array(["a", "b", None], dtype=object),
        pl.Series(["a", "b", None]),
        pd.Series(["a", "b", None]),
        pd.Series(["a", "b", None], dtype="category"),
        [["a"], ["b"], [None]],
    ],
    ids=["list", "numpy", "polars", "pandas", "pandas categories", "a column"],
)
def test_labels_become_a_column(y):
    column = as_column(y)
    assert (column.name, column.to_list()) == ("target", ["a", "b", None])


def test_labels_of_a_tensor_become_a_column():
    assert as_column(torch.tensor([2, 0, 1])).to_list() == [2, 0, 1]


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.pq"])
def test_what_is_written_can_be_read_again(tmp_path, table, name):
    write_table(table, tmp_path / name)
    assert read_file(tmp_path / name).equals(table)
    assert (tmp_path / name).read_bytes().startswith(b"PAR1") == (not name.endswith("csv"))


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path, table, refuses):
    path = tmp_path / "none" / "out.csv"
    message = f"{path}: cannot be written (No such file or directory). Name a file in a folder of yours."
    with refuses(RunError, message):
        write_table(table, path)
    assert list(tmp_path.iterdir()) == []


def test_a_name_with_brackets_is_no_pattern_for_other_names(tmp_path):
    (tmp_path / "data1.csv").write_text("x,y\n1,c\n")
    (tmp_path / "data[1].csv").write_text("x,y\n2,a\n")
    assert read_file(tmp_path / "data[1].csv").rows() == [(2, "a")]
    pl.DataFrame({"x": [3]}).write_parquet(tmp_path / "data1.parquet")
    pl.DataFrame({"x": [4]}).write_parquet(tmp_path / "data[1].parquet")
    assert read_file(tmp_path / "data[1].parquet").rows() == [(4,)]


def test_columns_named_as_texts_stay_as_they_are_written(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("code,flag,x\n01,true,1.0\n02,false,2.0\n")
    assert read_file(path, ["code", "flag", "elsewhere"]).rows() == [("01", "true", 1.0), ("02", "false", 2.0)]
    assert read_table(path, "flag")[0]["flag"].to_list() == ["true", "false"]


def test_decimal_commas_between_semicolons_are_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;b;c\n1,5;2;x,1\n-2;;y\n")
    assert read_file(path).rows() == [(1.5, 2, "x,1"), (-2.0, None, "y")]
    assert read_file(path, ["a"])["a"].to_list() == ["1,5", "-2"]


def test_labels_may_be_missing_and_tensors_of_any_precision():
    assert as_column([None, "a", "b"]).to_list() == [None, "a", "b"]
    x = torch.tensor([[1.5, 2.0]], requires_grad=True)
    assert from_memory(x).rows() == [(1.5, 2.0)]
    assert from_memory(x.detach().bfloat16()).rows() == [(1.5, 2.0)]
