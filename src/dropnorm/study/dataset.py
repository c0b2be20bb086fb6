"""A table ready to be studied: its features, its labels, and what a saved model must know of it."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.encoding import Encoding, encode_target, learn_encoding, without_value
from dropnorm.study.records import DataDescription, StudyConfig
from dropnorm.study.table import as_column, from_memory, read_table


@dataclass(frozen=True)
class Dataset:
    """Features (rows, features) in float64, NaN where missing, and int64 labels (rows,)."""

    name: str
    columns: int
    features: np.ndarray
    labels: np.ndarray
    encoding: Encoding
    rows_without_target: int

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
            train_rows=train,
            validation_rows=validation,
            test_rows=test,
        )


def load_dataset(X: Any, y: Any = None, *, target: str | None = None, ignore: str | Sequence[str] = ()) -> Dataset:
    """Read, check and encode what a user gave.

    Args:        X: a bundled set's name, a file's path, a frame, or an array (rows, *); y: labels, if X does not hold them;
                 target: the name of the column to predict; ignore: columns to leave out.
    Raises:      DataError that names the file or column and the remedy; ArgumentError for y and target together.
    """
    if isinstance(X, str | Path):
        if y is not None:
            raise ArgumentError("y is given beside a file: expected target, the name of the file's column to predict.")
        table, target = read_table(X, target)
        name = Path(X).name
    else:
        table, name = from_memory(X), "data"
        # A frame's names become texts, such as those of pandas' numbered columns.
        target = None if target is None else str(target)
        if (y is None) == (target is None):
            raise ArgumentError("expected either y, the labels, or target, the name of a column of X.")
        if y is not None:
            column, target = as_column(y), _free_name("target", table.columns)
            if len(column) != table.height:
                raise DataError(f"y has {len(column)} labels for {table.height} rows of X: expected one label per row.")
            table = table.with_columns(column.alias(target))
    assert target is not None
    ignore = [ignore] if isinstance(ignore, str) else list(map(str, ignore))
    if target in ignore:
        raise ArgumentError(
            f"ignore={ignore!r} holds the target {target!r}: expected other columns. Take it out of one of them."
        )
    encoding_source = str(X) if isinstance(X, str | Path) else "X"
    encoding = learn_encoding(table, target, ignore, encoding_source)
    labelled = table.filter(~without_value(table[target]))
    return Dataset(
        name=name,
        columns=len(encoding.columns),
        features=encoding.encode(labelled, encoding_source),
        labels=encode_target(labelled[target], encoding.classes),
        encoding=encoding,
        rows_without_target=table.height - labelled.height,
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


def _free_name(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name
