import os

import numpy as np
import polars as pl
import pytest
from PIL import Image

from dropnorm.errors import DataError
from dropnorm.study.data.sources.reading import KINDS, read_source
from dropnorm.study.data.sources.text import MAX_COLUMNS

WANTED = f"Expected {KINDS}; or one of breast_cancer, diabetes, digits, iris, wine."


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("data.csv", pl.DataFrame.write_csv),
        ("data.txt", pl.DataFrame.write_csv),
        ("data.tsv", lambda table, path: table.write_csv(path, separator="\t")),
        ("data.parquet", pl.DataFrame.write_parquet),
        ("DATA.PARQUET", pl.DataFrame.write_parquet),
        ("data.pq", pl.DataFrame.write_parquet),
        ("data.arrow", pl.DataFrame.write_ipc),
        ("data.feather", pl.DataFrame.write_ipc),
        ("data.ipc", pl.DataFrame.write_ipc_stream),
    ],
)
def test_a_file_is_read_by_its_ending(name, write, table, tmp_path):
    write(table, tmp_path / name)
    read = read_source(tmp_path / name)
    assert read.frame.columns == table.columns
    assert read.frame["width"].to_list() == table["width"].to_list()
    assert read.frame["color"].to_list() == table["color"].to_list()
    assert (read.target, read.test, read.files, read.skipped) == (None, None, (), 0)


def test_an_npz_file_a_folder_and_a_name_bring_their_targets(tmp_path):
    np.savez(tmp_path / "data.npz", X=np.eye(2), y=[0, 1])
    assert read_source(tmp_path / "data.npz").target == "y"
    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        Image.new("L", (2, 2)).save(tmp_path / "images" / name / "0.png")
    assert read_source(tmp_path / "images").target == "class"
    assert read_source("iris").target == "target"


def test_a_file_of_a_bundled_sets_name_comes_first(write, monkeypatch, tmp_path):
    write("a,b\n1,2\n", "iris")
    monkeypatch.chdir(tmp_path)
    assert read_source("iris", "b").frame.columns == ["a", "b"]


@pytest.mark.parametrize(("name", "hint"), [("digts", " Did you mean the bundled set 'digits'?"), ("sales.csv", "")])
def test_a_missing_file_is_named_with_what_was_meant(name, hint, refuses):
    with refuses(DataError, f"{name}: no such file. {WANTED}{hint}"):
        read_source(name, "y")


def test_an_empty_file(write, refuses):
    path = write("")
    with refuses(DataError, f"{path}: the file is empty. Expected a table: names of columns, and rows below them."):
        read_source(path)


@pytest.mark.parametrize("text", ["a,b\n", "a,b\n\n\n", "a,b"])
def test_a_header_without_rows(write, refuses, text):
    path = write(text)
    with refuses(DataError, f"{path}: the file has column names and no rows. Expected rows below them: add some."):
        read_source(path)


def test_a_name_with_brackets_is_no_pattern_for_other_names(tmp_path):
    (tmp_path / "data1.csv").write_text("x,y\n1,c\n")
    (tmp_path / "data[1].csv").write_text("x,y\n2,a\n")
    assert read_source(tmp_path / "data[1].csv").frame.rows() == [(2.0, "a")]
    pl.DataFrame({"x": [3]}).write_parquet(tmp_path / "data1.parquet")
    pl.DataFrame({"x": [4]}).write_parquet(tmp_path / "data[1].parquet")
    assert read_source(tmp_path / "data[1].parquet").frame.rows() == [(4,)]


@pytest.mark.parametrize("ending", ["parquet", "arrow", "npz"])
def test_a_binary_file_without_a_byte_or_a_row(ending, write, refuses):
    path = write(b"", f"data.{ending}")
    with refuses(DataError, f"{path}: the file is empty. Expected a table: names of columns, and rows below them."):
        read_source(path)
    if ending == "npz":
        np.savez(path, X=np.empty((0, 2)), y=np.empty(0))
    else:
        empty = pl.DataFrame({"a": []})
        (empty.write_parquet if ending == "parquet" else empty.write_ipc)(path)
    with refuses(DataError, f"{path}: the file has column names and no rows. Expected rows below them: add some."):
        read_source(path)


@pytest.mark.parametrize("ending", [".npy", ".sav", ".PKL"])
def test_a_kind_of_file_that_is_not_read(ending, write, refuses):
    path = write("{}", f"data{ending}")
    with refuses(
        DataError, f"{path}: files that end with {ending.lower()} are not read. Expected {KINDS}: convert it."
    ):
        read_source(path)


@pytest.mark.parametrize("ending", [".parquet.gz", ".xlsx.zip", ".feather.xz"])
def test_a_compressed_file_that_is_no_text(ending, write, refuses):
    path = write("{}", f"data{ending}")
    inner = ending.rpartition(".")[0]
    with refuses(DataError, f"{path}: a compressed {inner} file is not read. Expected {KINDS}: decompress it."):
        read_source(path)


@pytest.mark.parametrize(("given", "named"), [("b", "b"), ("last", "c"), ("first", "a"), ("2", "b"), ("3", "c")])
def test_a_target_is_named_by_its_name_or_its_place(given, named, write):
    assert read_source(write("a,b,c\n1,2,3\n"), given).target == named


def test_more_columns_than_are_read(tmp_path, refuses):
    path = tmp_path / "wide.parquet"
    pl.DataFrame({f"c{place}": [0] for place in range(MAX_COLUMNS + 1)}).write_parquet(path)
    message = (
        f"{path}: 50,001 columns. Expected at most 50,000: save the numbers as one array (rows, 1, "
        f"columns) in an NPZ file, or leave columns out."
    )
    with refuses(DataError, message):
        read_source(path)


@pytest.mark.timeout(20)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes with names")
@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow", "npz"])
def test_a_pipe_is_not_waited_for(ending, tmp_path, refuses):
    path = tmp_path / f"data.{ending}"
    os.mkfifo(path)
    message = f"{path}: is a pipe, a device or a socket. Expected {KINDS}: save what it gives as a file."
    with refuses(DataError, message):
        read_source(path)
