"""The runs in a folder, finished or not, in short. Nothing here imports torch."""

import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from dropnorm._arguments import checked
from dropnorm._constraints import FilePath
from dropnorm._record import Record
from dropnorm.errors import DropnormError, RunError
from dropnorm.study.older_schemas import config_of
from dropnorm.study.records import ArmName, Beginning, Interval, StudyIdentity, TaskName
from dropnorm.study.runs.damage import told_as_damage
from dropnorm.study.runs.loading import SUMMARY_NAME, load_summary
from dropnorm.study.runs.store import STORE_NAME, Store, StoreInUseError

RUNS_FOLDER = "dropnorm-runs"


class RunOverview(Record):
    """A run in short; what is not known of it is None.

    Args:        state: running, if another process writes to it; unreadable, if it is damaged, of another version or no run at
                 all, which `problem` says; done: the share of all epochs of all nets that are behind; plain, advised_score:
                 the mean scores on test rows of the plain arm and of the advised one, over the same seeds.
    """

    folder: str
    state: Literal["finished", "unfinished", "running", "unreadable"]
    problem: str = ""
    data: str | None = None
    task: TaskName | None = None
    metric: str | None = None
    arms: tuple[ArmName, ...] = ()
    nets: int | None = None
    nets_finished: int | None = None
    done: float | None = None
    plain: Interval | None = None
    advised: ArmName | None = None
    advised_score: Interval | None = None
    begun: datetime | None = None
    seconds: float | None = None


@checked(folder=FilePath("a folder of runs"))
def list_runs(folder: str | Path = RUNS_FOLDER) -> tuple[RunOverview, ...]:
    """What runs there are in a folder, or the one that it is, the latest first; those that cannot be read come last.

    Raises:      RunError if there is no such folder.
    Example:
        >>> import tempfile
        >>> import dropnorm as dn
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     study = dn.run_study("iris", seeds=2, epochs=2, hidden=(8,), out=f"{folder}/first")
        ...     [(run.data, run.state, run.nets) for run in dn.list_runs(folder)]
        [('iris', 'finished', 16)]
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(
            f"{folder}: is no folder. Expected one that holds runs, such as {RUNS_FOLDER}, or a run itself. Name another one."
        )
    if (folder / STORE_NAME).exists() or (folder / SUMMARY_NAME).exists():
        return (overview(folder),)
    found = [overview(each) for each in sorted(folder.iterdir()) if each.is_dir() and not each.name.startswith(".")]
    return tuple(sorted(found, key=lambda run: run.begun.timestamp() if run.begun else 0.0, reverse=True))


def overview(folder: Path) -> RunOverview:
    """One run in short, whatever has become of it."""
    path = folder / STORE_NAME
    name = os.fsencode(folder).decode(errors="backslashreplace")
    if name != str(folder):
        problem = f"{name}: is no UTF-8: expected names in UTF-8. Rename the folder."
        return RunOverview(folder=name, state="unreadable", problem=problem)
    if not path.exists():
        return RunOverview(folder=str(folder), state="unreadable", problem=f"{folder}: holds no run.")
    try:
        with told_as_damage(folder):
            try:
                with closing(Store(path, read_only=True, timeout=0.0)) as store:
                    return _of_store(folder, store)
            except StoreInUseError:
                return _running(folder, path)
    except (DropnormError, OSError, sqlite3.Error, MemoryError) as error:
        problem = str(error)
    return RunOverview(folder=str(folder), state="unreadable", problem=problem)


def _running(folder: Path, path: Path) -> RunOverview:
    """A run that another process writes to: how far it was when it last wrote, if that can be seen."""
    try:
        with closing(Store(path, read_only=True, despite_lock=True)) as store:
            return RunOverview(**dict(_started(folder, store), state="running"))
    except (DropnormError, OSError, sqlite3.Error, ValidationError):
        return RunOverview(folder=str(folder), state="running")


def _of_store(folder: Path, store: Store) -> RunOverview:
    if not (folder / SUMMARY_NAME).exists():
        return RunOverview(**_started(folder, store))
    summary = load_summary(folder)
    scores = {arm.arm: arm.test_score for arm in summary.arms}
    advised = summary.advice.arm
    concluded = {
        "state": "finished",
        "done": 1.0,
        "plain": scores["plain"],
        "advised": advised,
        "advised_score": scores[advised],
    }
    return RunOverview(**(_started(folder, store) | concluded))


def _started(folder: Path, store: Store) -> dict[str, Any]:
    """What a store says, as the fields of an overview."""
    identity, beginning = store.get_record("study", StudyIdentity), store.get_record("begun", Beginning)
    if identity is None:
        raise RunError(f"{folder}: its study was ended before it began. Start it again, or remove the folder.")
    try:
        config = config_of(identity)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(map(str, ("meta", "study", "config", *wrong["loc"])))
        raise RunError(
            f"{folder / STORE_NAME}: is damaged ({where}: {wrong['msg']}). Use another --out, or remove the folder."
        ) from error
    finished, behind = store.counts()
    epochs = config.epochs or (beginning and beginning.epochs) or 1
    nets = config.nets if beginning is None else beginning.nets
    return {
        "folder": str(folder),
        "state": "unfinished",
        "data": beginning and beginning.data,
        "task": beginning and beginning.task,
        "arms": tuple(arm.name for arm in config.arms),
        "nets": nets,
        "nets_finished": finished,
        "done": (finished + behind / epochs) / nets,
        "begun": beginning and beginning.at,
        "seconds": store.seconds(),
    }
