"""A source by its name: a bundled set, a file by its ending, or a folder of images."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dropnorm._validate import closest
from dropnorm.errors import DataError
from dropnorm.study.data.sources.arff import read_arff
from dropnorm.study.data.sources.bundled import BUNDLED, load_bundled
from dropnorm.study.data.sources.columnar import read_arrow, read_parquet
from dropnorm.study.data.sources.given import Reading
from dropnorm.study.data.sources.image_paths import with_images
from dropnorm.study.data.sources.images import read_images
from dropnorm.study.data.sources.json_records import read_json, read_json_lines
from dropnorm.study.data.sources.naming import column_named
from dropnorm.study.data.sources.npz import read_npz
from dropnorm.study.data.sources.spreadsheet import read_spreadsheet
from dropnorm.study.data.sources.table import Table, listed
from dropnorm.study.data.sources.text import MAX_COLUMNS, read_text

KINDS = (
    "a table of text such as CSV or TSV, compressed or not, an Excel or OpenDocument sheet, JSON lines, a Parquet, Arrow, NPZ "
    "or ARFF file, or a folder of images"
)
# Kinds of files that would only be read as broken text.
_OTHERS = (".h5", ".hdf5", ".mat", ".npy", ".pickle", ".pkl", ".rda", ".rdata", ".sqlite", ".db", ".sav", ".dta")
_TYPED: dict[str, Callable[[Path], Table]] = {
    ".parquet": lambda path: Table(read_parquet(path)),
    ".pq": lambda path: Table(read_parquet(path)),
    ".arrow": lambda path: Table(read_arrow(path)),
    ".feather": lambda path: Table(read_arrow(path)),
    ".ipc": lambda path: Table(read_arrow(path)),
    ".npz": read_npz,
}
_READ: dict[str, Callable[[Path, Reading], Table]] = {
    ".xlsx": read_spreadsheet,
    ".xlsm": read_spreadsheet,
    ".xlsb": read_spreadsheet,
    ".xls": read_spreadsheet,
    ".ods": read_spreadsheet,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".arff": read_arff,
}
_TEXT = (".csv", ".tsv", ".tab", ".txt", ".data", ".dat")
_COMPRESSED = (".gz", ".bz2", ".xz", ".zip")


def name_without_ending(name: str) -> str:
    """A file's name without the endings that say what kind of file it is: the same data has one name in files of all kinds."""
    for endings in (_COMPRESSED, (*_TYPED, *_READ, *_TEXT)):
        stem, _, ending = name.rpartition(".")
        if stem and f".{ending.lower()}" in endings:
            name = stem
    return name


def read_source(source: str | Path, target: str | None = None, reading: Reading = Reading()) -> Table:  # noqa: B008
    """Read whatever a name stands for.

    Args:        target: the column to predict, by name or place, which a file of text must not take for numbers.
    Raises:      DataError that names the file, and the line or the column, for whatever cannot be read as a table.
    """
    path = Path(source)
    if str(path) in BUNDLED and not path.exists():
        return load_bundled(path.name)
    if not path.exists():
        meant = closest(str(path), BUNDLED)
        hint = f" Did you mean the bundled set {meant!r}?" if meant else ""
        raise DataError(f"{path}: no such file. Expected {KINDS}; or one of {listed(BUNDLED)}.{hint}")
    if path.is_dir():
        return read_images(path, skip_broken=reading.skip_broken, labelled=reading.labelled, studied=reading.studied)
    if not path.is_file():
        raise DataError(f"{path}: is a pipe, a device or a socket. Expected {KINDS}: save what it gives as a file.")
    table = _read(path, target, reading)
    if table.frame.height == 0:
        raise DataError(f"{path}: the file has column names and no rows. Expected rows below them: add some.")
    if table.frame.width > MAX_COLUMNS:
        raise DataError(
            f"{path}: {table.frame.width:,} columns. Expected at most {MAX_COLUMNS:,}: save the numbers as one array (rows, "
            f"1, columns) in an NPZ file, or leave columns out."
        )
    besides = _columns_besides(table.frame.columns, (*reading.ignored, *reading.texts), target)
    table = with_images(table, path, path.parent, besides, skip_broken=reading.skip_broken, studied=reading.studied)
    known = target in table.frame.columns or target in ("first", "last") or (target or "").isdigit()
    return replace(table, target=column_named(target, table.frame.columns, path)) if target and known else table


def _columns_besides(columns: Sequence[str], named: Sequence[str], target: str | None) -> list[str]:
    """The columns that a user names for something else than to learn from."""
    parts = [part.strip() for one in named for part in ([one] if one in columns else one.split(","))]
    places = {"first": columns[0], "last": columns[-1]} | {str(place): name for place, name in enumerate(columns, 1)}
    return [name if name in columns else places.get(name, name) for name in (*parts, *([target] if target else []))]


def _read(path: Path, target: str | None, reading: Reading) -> Table:
    ending = path.suffix.lower()
    if ending in _COMPRESSED:
        ending = Path(path.stem).suffix.lower()
        if ending in _TYPED or _READ.get(ending) is read_spreadsheet:
            raise DataError(f"{path}: a compressed {ending} file is not read. Expected {KINDS}: decompress it.")
    if ending in _OTHERS:
        raise DataError(f"{path}: files that end with {ending} are not read. Expected {KINDS}: convert it.")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: the file is empty. Expected a table: names of columns, and rows below them.")
    if ending in _TYPED:
        return _TYPED[ending](path)
    if ending in _READ:
        return _READ[ending](path, reading)
    return read_text(path, reading, target)
