"""What `--json` prints, command by command: one record each, or one per row.

study: a `Summary`, as in summary.json; runs: `RunOverview`s; compare: a `RunComparison`; audit: an `Audit`; predict: an object
per row with the columns of its table, or `Written` with --out; report, export: `Written`; info: `Facts`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from dropnorm._record import Record
from dropnorm.cli.results import write_result

Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]
"""The option of commands that have nothing more particular to say of it."""


class Written(Record):
    """The files that a command wrote; `rows` counts the predictions among them, where they are such."""

    files: tuple[str, ...]
    rows: int | None = None


class Facts(Record):
    """What dropnorm runs on; `cuda` is the name of the accelerator."""

    dropnorm: str
    torch: str
    processor: str
    threads: int
    kernels: str
    kernels_available: tuple[str, ...]
    cuda: str | None


def print_record(record: Record) -> None:
    """Print a record as JSON."""
    write_result(record.model_dump_json(indent=2))


def print_written(files: Iterable[Path], rows: int | None = None) -> None:
    """Print as JSON which files were written."""
    print_record(Written(files=tuple(map(str, files)), rows=rows))
