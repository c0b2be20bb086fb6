"""Weka's ARFF files, whose head names and types the columns."""

import csv
import io
import math
from pathlib import Path

import numpy as np
import polars as pl
from scipy.io import arff

from dropnorm.errors import DataError
from dropnorm.study.data.sources.decoding import read_content
from dropnorm.study.data.sources.given import Reading
from dropnorm.study.data.sources.table import Table, first_line


def read_arff(path: Path, reading: Reading = Reading()) -> Table:  # noqa: B008
    """Read a dense ARFF file of numbers, nominal values and dates.

    Raises:      DataError that names the file, for what scipy does not read, as texts and sparse rows.
    """
    content = read_content(path, reading.encoding)
    try:
        rows, _ = arff.loadarff(io.StringIO(content.text.decode()))
    except Exception as error:  # scipy's parser ends in many errors over damaged files
        reason = first_line(error) or type(error).__name__
        raise DataError(
            f"{path}{_place(content.text.decode())}: is not a readable ARFF file ({reason}). Expected a head that names the "
            f"columns, and rows of numbers, nominal values and dates: mend it, or save the table as CSV."
        ) from error
    columns = [_column(name, rows[name]) for name in rows.dtype.names or ()]
    return Table(pl.DataFrame(columns), notices=content.notices)


def _place(text: str) -> str:
    """The first line below the head that has another number of values than there are columns; nothing if there is none."""
    columns, rows = 0, False
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip().lower()
        if not stripped or stripped.startswith("%"):
            continue
        columns += stripped.startswith("@attribute")
        if rows and len(next(csv.reader([line], quotechar="'"))) != columns:
            return f", line {number}"
        rows = rows or stripped.startswith("@data")
    return ""


def _column(name: str, values: np.ndarray) -> pl.Series:
    if values.dtype.kind == "S":
        texts = [value.decode() for value in values.tolist()]
        return pl.Series(name, [None if text == "?" else text for text in texts], dtype=pl.String)
    if values.dtype.kind == "M":
        return pl.Series(name, values.astype("datetime64[us]"))
    return pl.Series(name, [None if math.isnan(value) else value for value in values.tolist()], dtype=pl.Float64)
