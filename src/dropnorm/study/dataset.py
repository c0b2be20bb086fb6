"""A table ready to be studied: its features, its targets, and what a saved model must know of it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dropnorm._validate import choice
from dropnorm.errors import ArgumentError
from dropnorm.study.encoding import Encoding, learn_encoding
from dropnorm.study.records import DataDescription, Quantity, TaskName
from dropnorm.study.sources.opening import open_source
from dropnorm.study.target import encode_target
from dropnorm.study.task import TASKS
from dropnorm.study.values import without_value


@dataclass(frozen=True)
class Dataset:
    """Features (rows, features) in float64, NaN where missing; targets (rows,), int64 of classes, float64 of a quantity."""

    name: str
    columns: int
    features: np.ndarray
    targets: np.ndarray
    encoding: Encoding
    rows_without_target: int
    images_skipped: int

    @property
    def rows(self) -> int:
        """How many rows have a target."""
        return len(self.targets)

    @property
    def class_rows(self) -> tuple[int, ...]:
        """How many rows each class has; empty where the target is a quantity."""
        if not self.encoding.classes:
            return ()
        return tuple(np.bincount(self.targets, minlength=len(self.encoding.classes)).tolist())

    @property
    def quantity(self) -> Quantity | None:
        """The target's values in short, unless they are classes."""
        if self.encoding.classes:
            return None
        values = self.targets
        return Quantity(
            lowest=float(values.min()),
            highest=float(values.max()),
            mean=float(values.mean()),
            deviation=float(values.std()),
        )

    @property
    def fingerprint(self) -> str:
        """A hash of everything that a study sees of the data: the same for the same data, wherever it was read from."""
        digest = hashlib.sha256()
        for part in (
            self.features.tobytes(),
            self.targets.tobytes(),
            self.encoding.model_dump_json().encode(),
        ):
            digest.update(part)
        return digest.hexdigest()[:16]

    def describe(self, train: int, validation: int, test: int) -> DataDescription:
        """The data in counts, with those of the rows of its parts."""
        return DataDescription(
            name=self.name,
            task=self.encoding.task,
            target=self.encoding.target,
            fingerprint=self.fingerprint,
            rows=self.rows,
            columns=self.columns,
            features=self.encoding.features,
            classes=self.encoding.classes,
            class_rows=self.class_rows,
            quantity=self.quantity,
            rows_without_target=self.rows_without_target,
            images_skipped=self.images_skipped,
            train_rows=train,
            validation_rows=validation,
            test_rows=test,
        )


def load_dataset(
    X: Any,
    y: Any = None,
    *,
    target: str | None = None,
    task: TaskName | None = None,
    ignore: str | Sequence[str] = (),
    skip_broken: bool = False,
) -> Dataset:
    """Read, check and encode what a user gave.

    Args:        X: a bundled set's name, a file's or a folder's path, a frame, an array (rows, *) or a torch Dataset;
                 y: labels, if X does not hold them; target: the name of the column to predict; task: what it is, if not what
                 it looks like; ignore: columns to leave out; skip_broken: leave out images that cannot be used.
    Raises:      DataError that names the file or column and the remedy; ArgumentError for y and target together, or an
                 unknown task.
    """
    if task is not None:
        choice(task, "task", TASKS)
    table, target = open_source(X, y, target, skip_broken=skip_broken)
    ignore = [ignore] if isinstance(ignore, str) else list(map(str, ignore))
    if target in ignore:
        raise ArgumentError(
            f"ignore={ignore!r} holds the target {target!r}: expected other columns. Take it out of one of them."
        )
    source = str(X) if isinstance(X, str | Path) else "X"
    encoding = learn_encoding(table.frame, target, ignore, source, task)
    labelled = table.frame.filter(~without_value(table.frame[target]))
    return Dataset(
        name=Path(X).name if isinstance(X, str | Path) else "data",
        columns=len(encoding.columns),
        features=encoding.encode(labelled, source),
        targets=encode_target(labelled[target], encoding.classes, source),
        encoding=encoding,
        rows_without_target=table.frame.height - labelled.height,
        images_skipped=table.skipped,
    )
