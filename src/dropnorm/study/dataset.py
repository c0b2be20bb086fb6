"""A table ready to be studied: its features, its labels, and what a saved model must know of it."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.encoding import Encoding, learn_encoding
from dropnorm.study.records import DataDescription, StudyConfig
from dropnorm.study.sources.opening import open_source
from dropnorm.study.target import encode_target
from dropnorm.study.values import without_value


@dataclass(frozen=True)
class Dataset:
    """Features (rows, features) in float64, NaN where missing, and int64 labels (rows,)."""

    name: str
    columns: int
    features: np.ndarray
    labels: np.ndarray
    encoding: Encoding
    rows_without_target: int
    images_skipped: int

    @property
    def rows(self) -> int:
        """How many rows have a target."""
        return len(self.labels)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that a study sees of the data: the same for the same data, wherever it was read from."""
        digest = hashlib.sha256()
        for part in (
            self.features.tobytes(),
            self.labels.tobytes(),
            self.encoding.model_dump_json().encode(),
        ):
            digest.update(part)
        return digest.hexdigest()[:16]

    def describe(self, config: StudyConfig) -> DataDescription:
        """The data in counts, with the sizes of the parts that the configuration makes."""
        train, validation, test = part_sizes(self.rows, config)
        return DataDescription(
            name=self.name,
            target=self.encoding.target,
            fingerprint=self.fingerprint,
            rows=self.rows,
            columns=self.columns,
            features=self.encoding.features,
            classes=self.encoding.classes,
            class_rows=tuple(int(count) for count in np.bincount(self.labels, minlength=len(self.encoding.classes))),
            rows_without_target=self.rows_without_target,
            images_skipped=self.images_skipped,
            train_rows=train,
            validation_rows=validation,
            test_rows=test,
        )


def load_dataset(
    X: Any, y: Any = None, *, target: str | None = None, ignore: str | Sequence[str] = (), skip_broken: bool = False
) -> Dataset:
    """Read, check and encode what a user gave.

    Args:        X: a bundled set's name, a file's or a folder's path, a frame, an array (rows, *) or a torch Dataset;
                 y: labels, if X does not hold them; target: the name of the column to predict; ignore: columns to leave out;
                 skip_broken: leave out images that cannot be used.
    Raises:      DataError that names the file or column and the remedy; ArgumentError for y and target together.
    """
    table, target = open_source(X, y, target, skip_broken=skip_broken)
    ignore = [ignore] if isinstance(ignore, str) else list(map(str, ignore))
    if target in ignore:
        raise ArgumentError(
            f"ignore={ignore!r} holds the target {target!r}: expected other columns. Take it out of one of them."
        )
    source = str(X) if isinstance(X, str | Path) else "X"
    encoding = learn_encoding(table.frame, target, ignore, source)
    labelled = table.frame.filter(~without_value(table.frame[target]))
    return Dataset(
        name=Path(X).name if isinstance(X, str | Path) else "data",
        columns=len(encoding.columns),
        features=encoding.encode(labelled, source),
        labels=encode_target(labelled[target], encoding.classes),
        encoding=encoding,
        rows_without_target=table.frame.height - labelled.height,
        images_skipped=table.skipped,
    )


def part_sizes(rows: int, config: StudyConfig) -> tuple[int, int, int]:
    """How many rows train, validate and test."""
    test, validation = math.ceil(rows * config.test_size), math.ceil(rows * config.validation_size)
    return rows - test - validation, validation, test


def check_splittable(dataset: Dataset, config: StudyConfig) -> None:
    """Refuse data too small to be split, stratified, and trained on in batches."""
    needed = math.ceil(1 / min(config.test_size, config.validation_size))
    counts = np.bincount(dataset.labels, minlength=len(dataset.encoding.classes))
    if counts.min() < needed:
        name = dataset.encoding.classes[int(counts.argmin())]
        raise DataError(
            f"{dataset.name}: the class {name!r} of {dataset.encoding.target!r} has {counts.min()} rows: expected at least "
            f"{needed}, so that training, validation and test part each get one. Merge rare classes, or add rows."
        )
    train, _, _ = part_sizes(dataset.rows, config)
    if train < config.batch_size:
        raise DataError(
            f"{dataset.name}: {train} of its {dataset.rows} rows are for training, fewer than one batch of "
            f"{config.batch_size}. Use --batch-size {max(2, train // 4)} (batch_size= in Python), or add rows."
        )
