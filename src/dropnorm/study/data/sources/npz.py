"""NumPy's NPZ files: a table and its labels, with or without a test part of their own."""

import math
import zipfile
from pathlib import Path

import numpy as np
import polars as pl

from dropnorm.errors import DataError
from dropnorm.study.data.sources.decoding import looks_like
from dropnorm.study.data.sources.memory import as_column, frame_of_array
from dropnorm.study.data.sources.table import Table, listed
from dropnorm.study.memory import check_fits

TARGET = "y"
_MAGIC = np.lib.format.MAGIC_PREFIX
_WANTED = "expected X and y, or X_train and y_train with or without X_test and y_test"


def read_npz(path: Path) -> Table:
    """Read arrays X (rows, *) and y (rows,); or X_train, y_train, X_test and y_test. To predict, X alone will do.

    Raises:      DataError that names the file and the array. Object arrays are refused: they are pickles, and
                 unpickling a file runs whatever its writer wanted.
    """
    arrays = _load(path)
    prefix = "_train" if "X_train" in arrays else ""
    if f"X{prefix}" not in arrays:
        raise DataError(f"{path}: holds the arrays {listed(arrays) or 'none'}: {_WANTED}. Save it with those names.")
    for name in [name for name in ("X_test", "y_test") if name in arrays]:
        other = f"{'y' if name.startswith('X') else 'X'}_test"
        if other not in arrays:
            raise DataError(f"{path}: holds {name} without {other}: {_WANTED}. Add the array, or leave out both.")
    frame = _frame(path, arrays, prefix)
    test = _frame(path, arrays, "_test") if "X_test" in arrays else None
    return Table(frame, target=TARGET if TARGET in frame.columns else None, test=test)


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        # NumPy leaves a file that it opened itself open if it is no archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: _array(path, archive, name) for name in archive.files}
    except (DataError, MemoryError):
        raise
    # Damage can end any of the parsers inside: of the archive, its compression, an array's header.
    except Exception as error:
        look = looks_like(path)
        remedy = look if look and "ZIP" not in look else "Expected a whole one: write it anew with numpy.savez."
        raise DataError(f"{path}: is not a readable NPZ file ({type(error).__name__}). {remedy}") from error


def _array(path: Path, archive: "np.lib.npyio.NpzFile", name: str) -> np.ndarray:
    check_fits(path, f"the array {name!r}", _size(path, name))
    try:
        array: np.ndarray = archive[name]
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        raise DataError(
            f"{path}: the array {name!r} holds Python objects: expected numbers, truth values or texts. Objects are never "
            f"unpickled, since that would run code from the file: convert the array, such as with .astype(str)."
        ) from error
    return array


def _size(path: Path, name: str) -> int:
    """How many bytes an array takes, as its header says; of what is no array, the bytes themselves."""
    with zipfile.ZipFile(path) as archive:
        member = f"{name}.npy" if f"{name}.npy" in archive.namelist() else name
        with archive.open(member) as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return archive.getinfo(member).file_size
            file.seek(0)
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
    return math.prod(shape) * dtype.itemsize


def _frame(path: Path, arrays: dict[str, np.ndarray], suffix: str) -> pl.DataFrame:
    X, y = f"X{suffix}", f"y{suffix}"
    if arrays[X].ndim < 2 or arrays[X].dtype.kind not in "biuf":
        raise DataError(
            f"{path}: the array {X!r} has shape {arrays[X].shape} and dtype {arrays[X].dtype}: expected numbers of shape "
            f"(rows, columns), or (rows, *) for images. Convert or reshape it."
        )
    frame = frame_of_array(arrays[X])
    if y not in arrays:
        return frame
    if arrays[y].size != len(arrays[X]):
        raise DataError(
            f"{path}: the array {y!r} has {arrays[y].size} labels for {len(arrays[X])} rows of {X!r}: expected one label "
            f"per row."
        )
    return frame.with_columns(as_column(arrays[y]).alias(TARGET))
