"""What every source becomes: a frame, and what the source itself says about it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl


@dataclass(frozen=True)
class Source:
    """Where a frame's rows come from, to name one of them in a message.

    Args:        name: the file or the argument; rows: the number of each row of the frame in it, from 0, unless they are all
                 of its rows in their order; line: the line of a row of a file of text.
    """

    name: str
    rows: np.ndarray | None = None
    line: Callable[[int], int] | None = None

    def __str__(self) -> str:
        """The name alone."""
        return self.name

    def place(self, row: int) -> str:
        """A row of the frame, as a reader of the file finds it."""
        number = row if self.rows is None else int(self.rows[row])
        told = f"row {number + 1:,}"
        return told if self.line is None else f"{told} (line {self.line(number):,})"

    def where(self, kept: np.ndarray) -> "Source":
        """Where those rows come from that are kept, as a mask says."""
        rows = np.flatnonzero(kept)
        return replace(self, rows=rows if self.rows is None else self.rows[rows])


@dataclass(frozen=True)
class Table:
    """A frame with, where the source has them, its target, its own test part, and the file that each row came from.

    Args:        named: whether the columns' names are the source's own; plain: whether they are those of an array; notices:
                 what is to be told of how it was read; line: the line of a row of a file of text.
    """

    frame: pl.DataFrame
    target: str | None = None
    test: pl.DataFrame | None = None
    files: tuple[str, ...] = ()
    skipped: int = 0
    named: bool = True
    plain: bool = False
    notices: tuple[str, ...] = ()
    line: Callable[[int], int] | None = None


def listed(names: Iterable[object], limit: int = 12, *, last: bool = False) -> str:
    """Names with commas; of many, the first, and the last where that is asked for."""
    texts = [str(name) for name in names]
    end = f", ..., {texts[-1]}" if last and texts else ", ..."
    return ", ".join(texts[:limit]) + (end if len(texts) > limit else "")


def free_name(name: str, taken: Sequence[str]) -> str:
    """The name, with as many underscores as it takes to be none of those that are there."""
    while name in taken:
        name += "_"
    return name


def first_line(error: BaseException) -> str:
    """What a library says is wrong, without its advice on its own arguments below."""
    return str(error).strip().partition("\n")[0]
