"""What the commands say, and where: results to standard output, all else beside them."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from dropnorm.cli.control_characters import visible
from dropnorm.cli.results import results

if TYPE_CHECKING:
    from dropnorm.report.tables import Table
    from dropnorm.study.records import Summary
    from dropnorm.surgery.audit.findings import Audit


class PlainConsole(Console):
    """A console to which texts are texts: no markup, no emoji codes, no control characters."""

    def __init__(self, **given: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **given)

    def render_str(self, text: str, **given: Any) -> Text:
        """The text as it is written, in which controls are seen."""
        return super().render_str(visible(text), **given)


def complain(message: str) -> None:
    """Say what is wrong."""
    tell(f"dropnorm: {message}")


def tell(message: str, console: Console | None = None) -> None:
    """Say something beside the results, which alone go to standard output."""
    console = console or PlainConsole(stderr=True)
    with suppress(OSError):  # a terminal that is closed must not end what is told of
        console.print(message, soft_wrap=True)


def print_results(summary: "Summary") -> None:
    """The table of arms, the advised one marked, and the verdict."""
    from dropnorm.report.tables import arm_table, repetitions
    from dropnorm.study.conclusions.learning_curve import describe_curve
    from dropnorm.study.task import task_of

    title = f"{summary.data.name}: {repetitions(summary.config)}; intervals 95 %"
    print_table(arm_table(summary), title)
    curve = summary.learning_curve
    said = [describe_curve(curve, task_of(summary).metric, summary.advice.units)] if curve else []
    print_sentences([*summary.verdict, *said])


def print_table(table: "Table", title: str | None = None, *, compact: bool = False) -> None:
    """A table on standard output, or what a narrow terminal has room for; see `draw_table`."""
    from dropnorm.cli.tables import draw_table

    console = _console()
    console.print(draw_table(table, console, title, compact=compact), soft_wrap=False)


def print_sentences(sentences: Sequence[str]) -> None:
    """What the numbers say, one sentence a line, on a terminal broken between words."""
    console = _console()
    console.print("\n".join(sentences), soft_wrap=not console.is_terminal)


def _console() -> Console:
    """Standard output; wide enough for tables where it is no terminal."""
    console = PlainConsole(file=results())
    return console if console.is_terminal else PlainConsole(file=results(), width=160)


def print_findings(audit: "Audit") -> None:
    """The findings as a table, and how to read more of them."""
    from rich.table import Table

    from dropnorm.surgery.audit.findings import counted, not_checked, row_of

    console = _console()
    colors = {"error": "bold red", "warning": "yellow", "note": ""}
    if audit.findings:
        table = Table("code", "severity", "module", "seen")
        for finding in audit.findings:
            table.add_row(*row_of(finding), style=colors[finding.severity])
        console.print(table)
    print_sentences([f"{audit.model}: {counted(audit.findings)}"])
    if audit.findings:
        tell("Why each matters and what to do: --full.")
    # What a command cannot be given is of no interest there.
    given = {"needs a batch": "needs --data", "needs a loader": "needs --data"}
    reasons = {
        code: given.get(reason, reason.replace("give a batch", "give --data"))
        for code, reason in audit.not_checked.items()
        if reason not in ("needs an optimizer", "needs a history")
    }
    for line in not_checked(reasons):
        tell(line)
