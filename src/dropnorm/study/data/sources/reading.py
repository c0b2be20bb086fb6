"""A source by its name: a bundled set, a file by its ending, or a folder of images."""

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from dropnorm._validate import closest
from dropnorm.errors import DataError
from dropnorm.study.data.sources.bundled import BUNDLED, load_bundled
from dropnorm.study.data.sources.columnar import read_arrow, read_parquet
from dropnorm.study.data.sources.images import read_images
from dropnorm.study.data.sources.npz import read_npz
from dropnorm.study.data.sources.table import Table, listed
from dropnorm.study.data.sources.text import read_text

KINDS = "a CSV, TSV, Parquet, Arrow or NPZ file, or a folder of images"
# Kinds of files that would only be read as broken text.
_OTHERS = (".gz", ".h5", ".json", ".npy", ".pickle", ".pkl", ".xls", ".xlsx", ".zip")
_COLUMNAR: dict[str, Callable[[Path], pl.DataFrame]] = {
    ".parquet": read_parquet,
    ".pq": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
    ".ipc": read_arrow,
}


def read_source(
    source: str | Path,
    target: str | None = None,
    *,
    texts: Sequence[str] = (),
    skip_broken: bool = False,
    labelled: bool = True,
    studied: tuple[int, ...] = (),
) -> Table:
    """Read whatever a name stands for.

    Args:        target: the column to predict, and texts: other columns, which a file of text must not take for numbers;
                 skip_broken: leave out images that cannot be used; labelled: whether images must lie in a folder per class;
                 studied: the shape (channels, height, width) that images must have, default: what most have.
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
        return read_images(path, skip_broken=skip_broken, labelled=labelled, studied=studied)
    if not path.is_file():
        raise DataError(f"{path}: is a pipe, a device or a socket. Expected {KINDS}: save what it gives as a file.")
    ending = path.suffix.lower()
    if ending in _OTHERS:
        raise DataError(f"{path}: files that end with {ending} are not read. Expected {KINDS}: convert it.")
    binary = ending == ".npz" or ending in _COLUMNAR
    if path.stat().st_size == 0:
        wanted = "rows" if binary else "a header line with column names, and rows below it"
        raise DataError(f"{path}: the file is empty. Expected {wanted}.")
    if ending == ".npz":
        table = read_npz(path)
    elif ending in _COLUMNAR:
        table = Table(_COLUMNAR[ending](path))
    else:
        table = Table(read_text(path, texts, target))
    if table.frame.height == 0:
        raise DataError(
            f"{path}: the file has column names and no rows. Expected rows{'' if binary else ' below the header'}."
        )
    return table
