"""A study under way: a panel on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console, Group
from rich.table import Table

from dropnorm.cli.printing import PlainConsole, tell

if TYPE_CHECKING:
    from dropnorm.study.progress import Progress

LONGEST_BAR, BESIDE_BAR = 30, 48  # columns
SLOW = 1.0  # seconds


class Shown(NamedTuple):
    """Where progress is shown, and messages beside it."""

    show: "Callable[[Progress], None]"
    tell: Callable[[str], None]


@contextmanager
def told_if_slow(message: str) -> Iterator[None]:
    """Say what is being done once it has taken a second."""
    timer = threading.Timer(SLOW, tell, (message,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def shown_progress() -> Iterator["Shown"]:
    """A live panel on a terminal, a plain line for every twentieth elsewhere."""
    console = PlainConsole(stderr=True)
    if not console.is_terminal:
        yield Shown(_Lines().show, tell)
        return
    from rich.live import Live

    panel = _Panel(console)
    with Live(get_renderable=panel.draw, console=console, transient=True):
        # Past the panel's own console, a message would be written over it.
        yield Shown(panel.show, lambda message: tell(message, console))


class _Clock:
    """How long is left, by how long what is done took since the first epoch that was shown."""

    def __init__(self) -> None:
        self.first: tuple[float, float] | None = None

    def left(self, done: float) -> float | None:
        """Seconds, or None while nothing can be said."""
        now = time.monotonic()
        if self.first is None:
            self.first = now, done
        started, first = self.first
        if done <= first or done >= 1.0:
            return None
        return (now - started) * (1.0 - done) / (done - first)


class _Panel:
    """Bar, share, epoch and time left in one line; below it a row for each arm."""

    def __init__(self, console: Console) -> None:
        self.console, self.clock, self.seen = console, _Clock(), 0.0
        self.progress: Progress | None = None
        self.left: float | None = None

    def show(self, progress: "Progress") -> None:
        self.progress, self.seen = progress, time.monotonic()
        self.left = self.clock.left(progress.done)

    def draw(self) -> Group:
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        if self.progress is None:
            return Group(Text("starting ..."))
        progress = self.progress
        line = Table.grid(padding=(0, 2))
        cells = [f"{100 * progress.done:3.0f} %", f"epoch {progress.epoch} of {progress.epochs}"]
        if self.left is not None:
            # It goes down between epochs too, however long they are.
            cells.append(f"about {_whole(self.left - (time.monotonic() - self.seen))} left")
        width = max(4, min(LONGEST_BAR, self.console.width - BESIDE_BAR))
        line.add_row(ProgressBar(total=1.0, completed=progress.done, width=width), *cells)
        return Group(line, _arm_table(progress, self.console.width))


def _arm_table(progress: "Progress", width: int) -> Table:
    from dropnorm.study.task import TASKS

    metric = TASKS[progress.task].metric
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    score = f"validation {metric.name}" + (f", {metric.unit}" if metric.unit else "")
    headers = ("nets", "in training", "finished", score)
    # On a narrow terminal the names give way, not the numbers.
    names = max(len("arm"), width - sum(len(header) + 2 for header in headers))
    table.add_column("arm", no_wrap=True, overflow="ellipsis", max_width=names)
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    for arm in progress.by_arm:
        value = arm.validation_score
        shown = "–" if value is None else metric.scale(value).write(value)
        counts = (arm.nets, arm.nets_in_training, arm.nets_finished)
        table.add_row(arm.arm, *map(str, counts), shown, style="bold" if arm.nets_in_training else "")
    return table


class _Lines:
    """A line for every twentieth of the way."""

    def __init__(self) -> None:
        self.clock, self.printed = _Clock(), -1

    def show(self, progress: "Progress") -> None:
        left = self.clock.left(progress.done)
        if (step := int(progress.done * 20)) == self.printed:
            return
        self.printed = step
        ending = "" if left is None else f"; about {_whole(left)} left"
        tell(f"{100 * progress.done:3.0f} %  {_describe(progress)}{ending}")


def _whole(seconds: float) -> str:
    """A time without fractions of a second, which would be noise in an estimate."""
    from dropnorm.report.tables import duration

    return f"{max(1, round(seconds))} s" if seconds < 59.5 else duration(seconds)


def _describe(progress: "Progress") -> str:
    from dropnorm.study.task import TASKS

    metric = TASKS[progress.task].metric
    training = f"{progress.nets_in_training} net{'' if progress.nets_in_training == 1 else 's'}"
    scores = [
        f"{arm.arm} {metric.scale(arm.validation_score).write(arm.validation_score)} {metric.unit}".rstrip()
        for arm in progress.by_arm
        if arm.arm in progress.arms and arm.validation_score is not None
    ]
    return (
        f"epoch {progress.epoch} of {progress.epochs}, {training} in training, {progress.nets_finished} "
        f"of {progress.nets} finished; validation {metric.name}: {', '.join(scores)}"
    )
