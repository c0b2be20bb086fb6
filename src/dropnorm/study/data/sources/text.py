"""Files of text, such as CSV and TSV: whatever separates their fields, with or without a header, and errors with a line."""

import csv
import functools
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from dropnorm.errors import DataError
from dropnorm.study.data.missing_marks import is_mark
from dropnorm.study.data.sources.decoding import read_content
from dropnorm.study.data.sources.dialect import BLANKS, Dialect, find_dialect, squeezed
from dropnorm.study.data.sources.given import Reading
from dropnorm.study.data.sources.header import names_columns
from dropnorm.study.data.sources.naming import NUMBERED, column_named, numbered_names
from dropnorm.study.data.sources.table import Table, listed

MAX_COLUMNS = 50_000
_SAMPLE_LINES = 500
_SAMPLE_BYTES = 2**22
_MARKS = ["?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
_EXACT_DIGITS = 15  # of a whole number that float64 keeps
_COMMENTS = ("#", "%")
_FRACTION = re.compile(r"^[+-]?\d*\.\d+([eE][+-]?\d+)?$|^[+-]?\d+[eE][+-]?\d+$")
_WHOLE = re.compile(r"^[+-]?(0|[1-9]\d*)$")


def read_text(path: Path, reading: Reading = Reading(), target: str | None = None) -> Table:  # noqa: B008
    """Read a table of text; every column is texts as they are written but for blanks around, or numbers in float64.

    Args:        target: a column that stays texts, as it may hold classes.
    Raises:      DataError that names the file, and the line or the column.
    """
    content = read_content(path, reading.encoding)
    body = _Body.of(content.text, path, reading)
    names, named = body.names()
    kept = {
        column_named(name, names, path)
        for given in (*reading.texts, *([target] if target else []))
        for name in ([given] if given in names else map(str.strip, given.split(",")))
        if _is_there(name, names)
    }
    frame, comments = _fast(body, names, kept, reading.known), 0
    if frame is None:
        frame, comments = _slow(body, names)
    notices = list(content.notices)
    if not named and reading.header == "auto":
        notices.append(
            f"no line names the columns, as the first one holds values like those below: they are "
            f"{names[0]}{f' to {names[-1]}' if len(names) > 1 else ''}; --header yes takes the first line for names"
        )
    if comments:
        notices.append(f"lines that begin with {' or '.join(_COMMENTS)} and are no rows are left out: {comments}")
    line = functools.partial(_line, path, reading)
    return Table(_with_whole_numbers(_stripped(frame), kept), named=named, notices=tuple(notices), line=line)


def _is_there(name: str, names: Sequence[str]) -> bool:
    return name in names or name in ("first", "last") or (name.isdigit() and 1 <= int(name) <= len(names))


@dataclass(frozen=True)
class _Body:
    """The records of a file, below the comments at its head."""

    text: bytes
    path: Path
    dialect: Dialect
    header: bool
    head: tuple[str, ...]  # the first record, which may name the columns
    width: int  # of most records
    before: int  # how many lines stand above the first record
    commented: tuple[str, ...] = ()  # names from the last comment above, where the first record names none

    @classmethod
    def of(cls, text: bytes, path: Path, reading: Reading) -> "_Body":
        start, comment, before = _below_comments(text)
        lines = _sampled(text, start)
        given = reading.separator or ("\t" if path.suffix.lower() in (".tsv", ".tab") and "\t" in lines[0] else None)
        try:
            dialect = find_dialect(lines, given)
            records = [[field.strip() for field in one] for one in dialect.records(lines) if one]
        except csv.Error as error:
            raise DataError(
                f"{path}, line {before + 1}: malformed CSV ({error}). Mend the quotes of that line."
            ) from error
        sizes = [len(record) for record in records]
        width = max(set(sizes[1:] or sizes), key=sizes.count)
        if width > MAX_COLUMNS:
            raise DataError(
                f"{path}, line {before + 1}: {width:,} columns. Expected at most {MAX_COLUMNS:,}: save the numbers as one "
                f"array (rows, 1, columns) in an NPZ file, or leave columns out."
            )
        # Only whole records of the usual size say anything of the first one.
        alike = [record for record in records[1:-1] or records[1:] if len(record) == width]
        header = names_columns([records[0], *alike]) if reading.header == "auto" else reading.header == "yes"
        commented = [field.strip() for field in dialect.records([comment])[0]] if comment else []
        usable = not header and len(commented) == width and names_columns([commented, records[0], *alike])
        if dialect.separator == BLANKS:
            text, start = "\n".join(map(squeezed, text[start:].decode().splitlines())).encode(), 0
        return cls(
            text=text[start:] if start else text,
            path=path,
            dialect=replace(dialect, separator="\t") if dialect.separator == BLANKS else dialect,
            header=header,
            head=tuple(records[0]),
            width=width,
            before=before,
            commented=tuple(commented) if usable and reading.header == "auto" else (),
        )

    def names(self) -> tuple[list[str], bool]:
        """The columns' names, and whether they are the file's own."""
        if not self.header and not self.commented:
            return numbered_names(self.width), False
        names = list(self.head if self.header else self.commented)
        if self.header and len(names) == self.width - 1:
            names = ["", *names]  # as R writes tables, whose first column is the rows' names
        taken = set(names)
        for place, name in enumerate(names):
            if not name:
                names[place] = NUMBERED.format(place + 1)
                while names[place] in taken:
                    names[place] += "_"
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise DataError(
                    f"{self.path}, line {self.before + 1}: the column name {name!r} is there twice. Expected each name once: "
                    f"rename one, or say --header no if that line is a row."
                )
            seen.add(name)
        return names, True


def _below_comments(text: bytes) -> tuple[int, str, int]:
    """Where the first line begins that is no comment and not empty, the last comment's text, and how many lines lie above."""
    start, comment, before = 0, "", 0
    while start < len(text):
        end = text.find(b"\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end].decode(errors="replace").strip()
        if line and not line.startswith(_COMMENTS):
            break
        if line.startswith(_COMMENTS) and _is_data(line, text[end + 1 : end + _SAMPLE_BYTES]):
            break
        comment = line.lstrip("".join(_COMMENTS)).strip() or comment
        start, before = end + 1, before + 1
    if start >= len(text):
        return 0, "", 0
    return start, comment, before


def _is_data(line: str, below: bytes) -> bool:
    """Whether a line that begins as comments do is a row, as most lines below begin so too."""
    lines = [one.strip() for one in below.decode(errors="replace").splitlines()[:_SAMPLE_LINES]]
    lines = [one for one in lines if one]
    return bool(lines) and sum(one[0] == line[0] for one in lines) * 2 > len(lines)


def _sampled(text: bytes, start: int) -> list[str]:
    sample = text[start : start + _SAMPLE_BYTES].decode(errors="replace")
    lines = [line for line in sample.splitlines(keepends=True) if line.strip()]
    whole = lines[:-1] if start + _SAMPLE_BYTES < len(text) and len(lines) > 1 else lines
    return whole[:_SAMPLE_LINES]


def _fast(body: _Body, names: list[str], kept: set[str], known: Mapping[str, str]) -> pl.DataFrame | None:
    """Read with polars, if the records are what polars takes them for."""
    separator, quote = body.dialect.separator, body.dialect.quote
    quoted = quote.encode() in body.text
    if (
        len(names) != body.width
        or len(separator.encode()) != 1
        or (quoted and not _well_quoted(body.text, separator, quote))
    ):
        return None
    if body.header and len(body.head) != body.width:
        return None
    numbers = _numbers(body, names, kept, known)
    as_numbers = {name: pl.Float64() for name in numbers}
    # Marks of missing values are looked for where there are some, since that takes time.
    for typed, marks in ((as_numbers, None), (as_numbers, _MARKS), ({}, None)):
        try:
            frame = pl.read_csv(
                body.text,
                has_header=body.header,
                schema={name: typed.get(name, pl.String()) for name in names},
                separator=separator,
                quote_char=quote if quoted else None,
                null_values=marks,
                infer_schema=False,
            )
        except (pl.exceptions.PolarsError, OSError):
            continue
        # Polars fills up lines that are too short, and empty ones, with missing values.
        return frame.rechunk() if not frame[:, -1].null_count() or _whole_lines(body, quoted=quoted) else None
    return None


def _numbers(body: _Body, names: Sequence[str], kept: set[str], known: Mapping[str, str]) -> set[str]:
    """Columns that are numbers by all that is seen of them; whole ones are texts first, as 007 is none.

    A column with a fraction in the sample is read as numbers at once. Where some value is none, all are read as texts.
    """
    if known:
        return {name for name in names if known.get(name) == "number"} - kept
    lines = _sampled(body.text, 0)[body.header :]
    records = [record for record in body.dialect.records(lines) if len(record) == len(names)]
    found = set()
    for place, name in enumerate(names):
        values = [value for record in records if not is_mark(value := record[place].strip())]
        fractions = sum(bool(_FRACTION.match(value)) for value in values)
        if name not in kept and fractions and fractions + sum(bool(_WHOLE.match(one)) for one in values) == len(values):
            found.add(name)
    return found


def _well_quoted(text: bytes, separator: str, quote: str) -> bool:
    """Whether quotes stand around whole fields alone, or twice within such."""
    if text.count(quote.encode()) % 2:
        return False
    one, between = re.escape(quote.encode()), re.escape(separator.encode())
    field = rb"(?:(?<=[\n%b])|\A)%b[^%b]*(?:%b%b[^%b]*)*%b(?=%b|\r?\n|\r?\Z)" % (
        between,
        one,
        one,
        one,
        one,
        one,
        one,
        between,
    )
    return quote.encode() not in re.sub(field, b"", text)


def _whole_lines(body: _Body, *, quoted: bool) -> bool:
    """Whether each line has all its fields, so that what polars calls missing is."""
    if quoted or body.width == 1:
        return False
    lines = pl.Series([body.text.decode()]).str.split("\n").explode()
    counts = lines.str.count_matches(body.dialect.separator, literal=True)
    last = 1 if body.text.endswith(b"\n") else 0
    return bool((counts.head(len(counts) - last) == body.width - 1).all())


def _slow(body: _Body, names: list[str]) -> tuple[pl.DataFrame, int]:
    """Read record by record, and find the line that does not fit in."""
    columns: list[list[str]] = [[] for _ in names]
    comments = 0
    for line, record in _records(body):
        if len(record) != len(names):
            if record[0].startswith(_COMMENTS):
                comments += 1
                continue
            raise _ragged(body, line, record, len(names))
        for column, field in zip(columns, record, strict=True):
            column.append(field)
    return pl.DataFrame(dict(zip(names, columns, strict=True)), schema=dict.fromkeys(names, pl.String)), comments


def _records(body: _Body) -> Iterator[tuple[int, list[str]]]:
    """Every record but the header and empty lines, with the line it begins at."""
    lines = io.StringIO(body.text.decode(), newline="")
    reader = csv.reader(
        lines, delimiter=body.dialect.separator, quotechar=body.dialect.quote, skipinitialspace=True, strict=True
    )
    begins, skipped = 0, not body.header
    try:
        for record in reader:
            line, begins = body.before + begins + 1, reader.line_num
            if not skipped and record:
                skipped = True
            elif record or body.width == 1:
                yield line, record or [""]
    except csv.Error as error:
        raise DataError(
            f"{body.path}, line {body.before + begins + 1}: malformed CSV ({error}). Mend the quotes of that line."
        ) from error


def _ragged(body: _Body, line: int, record: Sequence[str], width: int) -> DataError:
    said = "the header names" if body.header else "most lines have"
    fields = "1 field" if len(record) == 1 else f"{len(record):,} fields"
    return DataError(
        f"{body.path}, line {line}: {fields}, where {said} {width}: {listed(record, 4)}. Mend the line, or quote fields that "
        f"hold a {body.dialect.name}."
    )


def _line(path: Path, reading: Reading, row: int) -> int:
    """The line that a row begins at, found anew as it is needed for a message alone."""
    body = _Body.of(read_content(path, reading.encoding).text, path, reading)
    names, _ = body.names()
    rows = (line for line, record in _records(body) if len(record) == len(names))
    return next((line for number, line in enumerate(rows) if number == row), row + 1)


def _with_whole_numbers(frame: pl.DataFrame, kept: set[str]) -> pl.DataFrame:
    """Texts that are whole numbers in every row as numbers, unless one would lose a zero before it, or its last digits."""
    texts = [name for name, dtype in frame.schema.items() if dtype == pl.String and name not in kept]
    sample = frame.select(texts).head(_SAMPLE_LINES)
    likely = [column.name for column in sample if column.str.contains(_WHOLE.pattern).any()]
    if not likely:
        return frame
    whole = pl.col(likely).str.contains(_WHOLE.pattern) & (pl.col(likely).str.len_bytes() <= _EXACT_DIGITS)
    counts = frame.select((whole | pl.col(likely).is_null()).all()).row(0, named=True)
    return frame.with_columns(pl.col([name for name in likely if counts[name]]).cast(pl.Float64))


def _stripped(frame: pl.DataFrame) -> pl.DataFrame:
    """Texts without blanks around; what is empty is missing."""
    columns = [column.str.strip_chars() if column.dtype == pl.String else column for column in frame]
    return pl.DataFrame([column.set(column == "", None) if column.dtype == pl.String else column for column in columns])
