"""What the commands say, and where: results to standard output, all else beside them."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
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

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    arms = arm_table(summary)
    table = Table(title=f"{summary.data.name}: {repetitions(summary.config)}; intervals 95 %", title_justify="left")
    for column in arms.columns:
        table.add_column(column.header, justify=column.align, no_wrap=column.align == "left")
    for index, row in enumerate(arms.rows):
        marked = index == arms.marked
        table.add_row(*(("→ " if marked else "  ") + row[0], *row[1:]), style="bold" if marked else "")
    console.print(table)
    sentences = list(summary.verdict)
    if summary.learning_curve:
        sentences.append(describe_curve(summary.learning_curve, TASKS[summary.data.task].metric))
    console.print("\n".join(sentences), markup=False, highlight=False, soft_wrap=True)
