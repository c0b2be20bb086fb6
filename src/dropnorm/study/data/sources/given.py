"""What a user says of how a file is to be read, and what is known of its columns before."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

HeaderGiven = Literal["auto", "yes", "no"]


@dataclass(frozen=True)
class Reading:
    """How to read a file.

    Args:        header: whether its first line names the columns; encoding: of its text; separator: between its fields; sheet:
                 of a workbook, by name or by number from 1; each None or auto where it is to be found out.
                 texts: columns that stay as they are written, by name or place; ignored: those that are left out; known:
                 columns whose kind is known, as those of a studied table are, by name; skip_broken: leave out images that
                 cannot be used; labelled: whether images must lie in a folder per class; studied: the shape (channels,
                 height, width) that images must have.
    """

    header: HeaderGiven = "auto"
    encoding: str | None = None
    separator: str | None = None
    sheet: str | None = None
    texts: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    known: Mapping[str, str] = field(default_factory=dict)
    skip_broken: bool = False
    labelled: bool = True
    studied: tuple[int, ...] = ()

    def for_columns(self, known: Mapping[str, str], studied: tuple[int, ...]) -> "Reading":
        """The same for a table whose columns, and images, are known."""
        return replace(self, known=known, studied=studied)
