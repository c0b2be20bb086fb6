import datetime

import polars as pl
import pytest
import xlsxwriter

from dropnorm.errors import DataError
from dropnorm.study.data.sources.given import Reading
from dropnorm.study.data.sources.spreadsheet import read_spreadsheet

ROWS = [
    ["name", "price", "day", "sold"],
    ["ann", 1.5, datetime.date(2024, 5, 31), True],
    ["bob", 2, datetime.date(2024, 6, 1), False],
]


@pytest.fixture
def workbook(tmp_path):
    """A function that writes rows to sheets and returns the path."""

    def write(**sheets):
        path = tmp_path / "book.xlsx"
        with xlsxwriter.Workbook(path, {"default_date_format": "yyyy-mm-dd"}) as book:
            for name, rows in sheets.items():
                sheet = book.add_worksheet(name)
                for number, row in enumerate(rows):
                    sheet.write_row(number, 0, row)
        return path

    return write


def test_a_sheet_has_the_types_of_its_cells(workbook):
    table = read_spreadsheet(workbook(data=ROWS))
    assert table.frame.columns == ROWS[0]
    assert table.frame["price"].to_list() == [1.5, 2.0]
    assert [str(day)[:10] for day in table.frame["day"]] == ["2024-05-31", "2024-06-01"]
    assert table.frame["sold"].to_list() == [True, False]
    assert (table.named, table.notices, table.line(0)) == (True, (), 2)


@pytest.mark.parametrize(("given", "first"), [(None, "a"), ("two", "c"), ("2", "c"), ("1", "a")])
def test_a_sheet_is_named_or_numbered(given, first, workbook):
    path = workbook(one=[["a", "b"], [1, 2]], two=[["c", "d"], [3, 4]])
    table = read_spreadsheet(path, Reading(sheet=given))
    assert table.frame.columns[0] == first
    assert bool(table.notices) == (given is None)
    if given is None:
        assert table.notices == ("the sheet 'one' is read, the first; --sheet names another: two",)


def test_a_sheet_that_is_not_there(workbook, refuses):
    path = workbook(one=ROWS)
    with refuses(DataError, f"{path}: there is no sheet 'tow'. Expected one of: one. Name it, or leave --sheet out."):
        read_spreadsheet(path, Reading(sheet="tow"))


def test_a_sheet_without_a_header_loses_no_row(workbook):
    table = read_spreadsheet(workbook(data=[[1, 2.5, "x"], [3, 4.5, "y"], [5, 6.5, "x"]]))
    assert table.frame.shape == (3, 3)
    assert table.frame.columns == ["column_1", "column_2", "column_3"]
    assert (table.named, table.line(0)) == (False, 1)


def test_an_empty_sheet(workbook, refuses):
    path = workbook(data=[])
    with refuses(DataError, f"{path}: the sheet 'data' is empty. Expected a table: name another with --sheet."):
        read_spreadsheet(path)


@pytest.mark.parametrize(
    ("content", "looks"), [(b"PK\x03\x04 cut off", ""), (b"<html>", "a web page"), (b"a,b\n1,2\n", "")]
)
def test_what_is_no_workbook(content, looks, tmp_path):
    path = tmp_path / "book.xlsx"
    path.write_bytes(content)
    with pytest.raises(
        DataError,
        match=f"is not a readable workbook .*looks like {looks}"
        if looks
        else "a readable workbook .* Expected a whole one",
    ):
        read_spreadsheet(path)


def test_empty_rows_and_names(workbook):
    table = read_spreadsheet(workbook(data=[["a", "", "c"], [1, 2, 3], [None, None, None], [4, 5, 6]]))
    assert table.frame.columns == ["a", "column_2", "c"]
    assert table.frame.height == 2
    assert isinstance(table.frame, pl.DataFrame)
