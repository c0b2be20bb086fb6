"""What the commands say, and where: results to standard output, all else beside them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from dropnorm.report.tables import Table
    from dropnorm.study.records import Summary


def complain(message: str) -> None:
    """Say what is wrong."""
    tell(f"dropnorm: {message}")


def tell(message: str, console: Console | None = None) -> None:
    """Say something beside the results, which alone go to standard output."""
    console = console or Console(stderr=True)
    console.print(message, markup=False, highlight=False, soft_wrap=True)


def print_results(summary: "Summary") -> None:
    """The table of arms, the recommended one marked, and the verdict."""
    from dropnorm.report.tables import arm_table, repetitions
    from dropnorm.study.learning_curve import describe_curve
    from dropnorm.study.task import TASKS

    title = f"{summary.data.name}: {repetitions(summary.config)}; intervals 95 %"
    print_table(arm_table(summary), title)
    curve = summary.learning_curve
    said = [describe_curve(curve, TASKS[summary.data.task].metric)] if curve else []
    print_sentences([*summary.verdict, *said])


def print_table(table: "Table", title: str | None = None, *, compact: bool = False) -> None:
    """A table on standard output, or what a narrow terminal has room for; see `draw_table`."""
    from dropnorm.cli.tables import draw_table

    console = _console()
    console.print(draw_table(table, console, title, compact=compact), highlight=False, soft_wrap=False)


def print_sentences(sentences: Sequence[str]) -> None:
    """What the numbers say, one sentence a line, on a terminal broken between words."""
    console = _console()
    console.print("\n".join(sentences), markup=False, highlight=False, soft_wrap=not console.is_terminal)


def _console() -> Console:
    """Standard output; wide enough for tables where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=160)
