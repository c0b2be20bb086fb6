"""JSON: an object per line (.jsonl, .ndjson), or one list of objects (.json), each a row by the columns' names."""

import io
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from dropnorm.errors import DataError
from dropnorm.study.data.sources.decoding import read_content
from dropnorm.study.data.sources.given import Reading
from dropnorm.study.data.sources.table import Table, first_line

_ORDERED = 1000  # records whose names decide the order of the columns


def read_json_lines(path: Path, reading: Reading = Reading()) -> Table:  # noqa: B008
    """Read an object per line; a name that an object lacks is missing there.

    Raises:      DataError that names the file and the line.
    """
    content = read_content(path, reading.encoding, json=True)
    lines = b"\n".join(line for line in content.text.splitlines() if line.strip())
    try:
        frame = pl.read_ndjson(io.BytesIO(lines), infer_schema_length=None)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _malformed(path, content.text, error) from error
    if _first_wrong(content.text) is not None:
        raise _malformed(path, content.text, ValueError("an object is expected"))
    records = (json.loads(line) for line in itertools.islice(lines.splitlines(), _ORDERED))
    return Table(_in_order(_flat(path, frame), records), notices=content.notices, line=lambda row: row + 1)


def read_json(path: Path, reading: Reading = Reading()) -> Table:  # noqa: B008
    """Read a list of objects, or an object of lists by the columns' names.

    Raises:      DataError that names the file.
    """
    content = read_content(path, reading.encoding, json=True)
    try:
        if content.text.lstrip().startswith(b"{"):
            columns = json.loads(content.text)
            frame = pl.DataFrame(columns) if all(isinstance(one, list) for one in columns.values()) else None
        else:
            frame = pl.read_json(io.BytesIO(content.text), infer_schema_length=None)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, TypeError, RecursionError) as error:
        if _first_wrong(content.text) is None:
            return read_json_lines(path, reading)
        raise DataError(
            f"{path}: is not readable JSON ({first_line(error)}). Expected a list of objects, each a row: write it anew."
        ) from error
    if frame is None or not frame.width:
        raise DataError(
            f"{path}: holds JSON that is no table. Expected a list of objects, each a row, or an object of lists, each a "
            f"column: save it so, or as CSV."
        )
    read = json.loads(content.text)
    return Table(
        _in_order(_flat(path, frame), [read] if isinstance(read, dict) else read[:_ORDERED]), notices=content.notices
    )


def _in_order(frame: pl.DataFrame, records: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    """The columns in the order in which the first records name them, as polars has them in another one at each reading."""
    named = dict.fromkeys(name for record in records for name in record)
    known = [name for name in named if name in frame.columns]
    return frame.select(*known, *sorted(set(frame.columns) - set(known)))


def _first_wrong(text: bytes) -> int | None:
    """The first line that is not empty and no object."""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped:
            continue
        try:
            if not (stripped.startswith(b"{") and isinstance(json.loads(stripped), dict)):
                return number
        except (ValueError, RecursionError):
            return number
    return None


def _malformed(path: Path, text: bytes, error: BaseException) -> DataError:
    line = _first_wrong(text)
    place = "" if line is None else f", line {line}"
    return DataError(
        f"{path}{place}: is no JSON object ({first_line(error) or type(error).__name__}). Expected one in each line, such as "
        f'{{"age": 31, "city": "Bern"}}: mend the line.'
    )


def _flat(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    for name, dtype in frame.schema.items():
        if isinstance(dtype, pl.Struct | pl.List):
            held = "objects" if isinstance(dtype, pl.Struct) else "lists"
            raise DataError(
                f"{path}: the column {name!r} holds {held}. Expected numbers, texts, true or false: give each of its values a "
                f"column of its own, or leave the column out of the file."
            )
    return frame
