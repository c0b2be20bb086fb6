"""A study under way, shown on a terminal or in plain lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from dropnorm.cli.printing import tell

if TYPE_CHECKING:
    from dropnorm.study.execution import Progress


@contextmanager
def shown_progress() -> "Iterator[Callable[[Progress], None]]":
    """A live bar on a terminal, a plain line for every twentieth elsewhere."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain_lines()
        return
    # On a narrow terminal the description gives way, not the numbers.
    fixed, giving_way = Column(no_wrap=True), Column(no_wrap=True, overflow="ellipsis", ratio=1)
    columns = (
        BarColumn(bar_width=20, table_column=fixed),
        TextColumn("{task.percentage:3.0f} %", table_column=fixed),
        TimeRemainingColumn(table_column=fixed),
        TextColumn("left", table_column=fixed),
        TextColumn("{task.description}", table_column=giving_way),
    )
    with Bar(*columns, console=console, transient=True, expand=True) as bar:
        task = bar.add_task("starting", total=1.0)
        yield lambda progress: bar.update(task, completed=progress.done, description=_describe(progress))


def _plain_lines() -> "Callable[[Progress], None]":
    import time

    from dropnorm.report.tables import duration

    started, first, printed = time.monotonic(), None, -1

    def show(progress: "Progress") -> None:
        nonlocal first, printed
        first = progress.done if first is None else first
        if (step := int(progress.done * 20)) == printed:
            return
        printed = step
        made = progress.done - first
        left = (time.monotonic() - started) * (1.0 - progress.done) / made if made > 0 else None
        ending = "" if left is None or progress.done >= 1.0 else f", at most {duration(left)} left"
        tell(f"{100 * progress.done:3.0f} %  {_describe(progress)}{ending}")

    return show


def _describe(progress: "Progress") -> str:
    from dropnorm.study.task import TASKS

    metric, score = TASKS[progress.task].metric, progress.validation_score
    return (
        f"{' and '.join(progress.arms)}: epoch {progress.epoch} of {progress.epochs}, {progress.nets_in_training} nets, "
        f"validation {metric.name} {metric.scale(score).write(score)} {metric.unit}".rstrip()
    )
