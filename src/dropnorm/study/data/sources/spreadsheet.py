"""Workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods), one sheet at a time."""

from pathlib import Path
from typing import Any

import polars as pl

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.sources.decoding import looks_like
from dropnorm.study.data.sources.given import Reading
from dropnorm.study.data.sources.header import names_columns
from dropnorm.study.data.sources.naming import numbered_names
from dropnorm.study.data.sources.table import Table, first_line, listed
from dropnorm.study.memory import check_fits

_SAMPLE = 200
_EXPANDED = 40  # times its size that a workbook takes in memory: it is compressed, and its cells are of all types


def read_spreadsheet(path: Path, reading: Reading = Reading()) -> Table:  # noqa: B008
    """Read a sheet: the one that is named, or the first.

    Raises:      DataError that names the file, for what is no workbook or has no such sheet.
    """
    import fastexcel

    check_fits(path, "the workbook, unpacked,", _EXPANDED * path.stat().st_size)
    try:
        workbook = fastexcel.read_excel(path)
        sheet = _sheet(workbook.sheet_names, reading.sheet, path)
        top = workbook.load_sheet(sheet, header_row=None, n_rows=_SAMPLE, dtypes="string").to_polars()
        if not top.height:
            raise DataError(f"{path}: the sheet {sheet!r} is empty. Expected a table: name another with --sheet.")
        records = [["" if value is None else value for value in row] for row in top.rows()]
        header = names_columns(records) if reading.header == "auto" else reading.header == "yes"
        frame = workbook.load_sheet(sheet, header_row=0 if header else None, schema_sample_rows=None).to_polars()
    except (DataError, ArgumentError):
        raise
    except Exception as error:  # fastexcel's parsers have no common error
        look = looks_like(path)
        remedy = look if look and "ZIP" not in look else "Expected a whole one: save it anew, or as CSV."
        raise DataError(f"{path}: is not a readable workbook ({first_line(error)}). {remedy}") from error
    names = records[0] if header else numbered_names(frame.width)
    frame = frame.rename(dict(zip(frame.columns, _filled(names, path), strict=True)))
    frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    notices = [] if header else [_unnamed(names)]
    if len(workbook.sheet_names) > 1 and reading.sheet is None:
        others = listed([name for name in workbook.sheet_names if name != sheet], 5)
        notices.append(f"the sheet {sheet!r} is read, the first; --sheet names another: {others}")
    return Table(frame, named=header, notices=tuple(notices), line=lambda row: row + 1 + header)


def _unnamed(names: list[str]) -> str:
    return f"no row names the columns: they are {names[0]} to {names[-1]}; --header yes takes the first row for names"


def _sheet(names: list[str], given: str | None, path: Path) -> Any:
    if not names:
        raise DataError(f"{path}: the workbook has no sheet. Expected a table in one: save it anew.")
    if given is None or given in names:
        return given or names[0]
    if given.isdigit() and 1 <= int(given) <= len(names):
        return names[int(given) - 1]
    raise DataError(
        f"{path}: there is no sheet {given!r}. Expected one of: {listed(names)}. Name it, or leave --sheet out."
    )


def _filled(names: list[str], path: Path) -> list[str]:
    named = [name.strip() or numbered_names(place)[-1] for place, name in enumerate(names, 1)]
    twice = [name for name in named if named.count(name) > 1]
    if twice:
        raise DataError(
            f"{path}, row 1: the column name {twice[0]!r} is there twice. Expected each name once: rename one, or say "
            f"--header no if that row holds values."
        )
    return named
