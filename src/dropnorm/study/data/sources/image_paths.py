"""Tables with a column of paths of images, which are read in its place."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from dropnorm.errors import DataError
from dropnorm.study.data.sources.image_parts import ENDINGS
from dropnorm.study.data.sources.images import IMAGE, read_pixels
from dropnorm.study.data.sources.memory import array_column
from dropnorm.study.data.sources.table import Source, Table, free_name


def with_images(
    table: Table,
    source: Path,
    folder: Path,
    besides: Sequence[str] = (),
    *,
    skip_broken: bool = False,
    studied: tuple[int, ...] = (),
) -> Table:
    """The table with the images that a column of paths names, in that column's place; as it is if there is no such column.

    Args:        source: the table's file; folder: that paths begin at; besides: columns that hold no paths, whatever they look
                 like; skip_broken, studied: as for `read_images`.
    Raises:      DataError that names the line of a path without a file, where others have one.
    """
    name = next((column.name for column in table.frame if column.name not in besides and _is_paths(column)), None)
    if name is None:
        return table
    texts = [str(text).strip() for text in table.frame[name]]
    paths = [folder / text for text in texts]
    missing = [number for number, path in enumerate(paths) if not path.is_file()]
    if len(missing) == len(paths):
        notice = f"{name} holds names of images, none of which is in {folder}; it is read as texts"
        return replace(table, notices=(*table.notices, notice))
    if missing:
        place = Source(str(source), line=table.line).place(missing[0])
        raise DataError(
            f"{source}, {place}: there is no image {texts[missing[0]]!r} of the column {name!r} in {folder}, as in "
            f"{len(missing):,} of {len(paths):,} rows. Expected a file for each row: add them, take the rows out, or say "
            f"--ignore {name}."
        )
    pixels, kept = read_pixels(paths, texts, source, skip_broken=skip_broken, studied=studied)
    frame = table.frame[kept]
    image = array_column(free_name(IMAGE, [other for other in frame.columns if other != name]), pixels)
    shape = " x ".join(map(str, pixels.shape[1:]))
    notice = f"{name} holds paths of images, read as {len(kept):,} arrays of {shape}; --ignore {name} leaves them out"
    line = table.line
    return replace(
        table,
        frame=pl.DataFrame([image if column.name == name else column for column in frame]),
        files=tuple(texts[number] for number in kept),
        skipped=table.skipped + len(paths) - len(kept),
        notices=(*table.notices, notice),
        line=None if line is None else lambda row: line(kept[row]),
    )


def _is_paths(column: pl.Series) -> bool:
    """Whether a column names a file of an image in every row."""
    if column.dtype != pl.String or column.null_count() or not len(column):
        return False
    pattern = rf"(?i)^.+({'|'.join(ending.replace('.', '[.]') for ending in ENDINGS)})\s*$"
    return bool(column.head(100).str.contains(pattern).all()) and bool(column.str.contains(pattern).all())
