"""What every source becomes: a frame, and what the source itself says about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Table:
    """A frame with, where the source has them, its target, its own test part, and the file that each row came from."""

    frame: pl.DataFrame
    target: str | None = None
    test: pl.DataFrame | None = None
    files: tuple[str, ...] = ()
    skipped: int = 0


def listed(names: Iterable[object], limit: int = 12) -> str:
    """Names with commas; of many, the first."""
    texts = [str(name) for name in names]
    return ", ".join(texts[:limit]) + (", ..." if len(texts) > limit else "")


def free_name(name: str, taken: Sequence[str]) -> str:
    """The name, with as many underscores as it takes to be none of those that are there."""
    while name in taken:
        name += "_"
    return name


def first_line(error: BaseException) -> str:
    """What a library says is wrong, without its advice on its own arguments below."""
    return str(error).strip().partition("\n")[0]
