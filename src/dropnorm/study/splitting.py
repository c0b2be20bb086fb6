"""Which rows train, validate and test: each seed's own split, the same in every arm."""

import math
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from dropnorm.errors import DataError
from dropnorm.study.dataset import Dataset
from dropnorm.study.records import StudyConfig


@dataclass(frozen=True)
class Split:
    """The rows of the three parts, int64."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_rows(dataset: Dataset, seed: int, config: StudyConfig) -> Split:
    """A seed's split at random; of classes stratified, so that each part has its share of each."""
    _, validation, test = part_sizes(dataset.rows, config)
    rest, test_rows = _cut(dataset, np.arange(dataset.rows), test, seed)
    train_rows, validation_rows = _cut(dataset, rest, validation, seed)
    return Split(train=train_rows, validation=validation_rows, test=test_rows)


def part_sizes(rows: int, config: StudyConfig) -> tuple[int, int, int]:
    """How many rows train, validate and test."""
    test, validation = math.ceil(rows * config.test_size), math.ceil(rows * config.validation_size)
    return rows - test - validation, validation, test


def check_splittable(dataset: Dataset, config: StudyConfig) -> None:
    """Refuse data too small to be split, stratified, and trained on in batches."""
    needed = math.ceil(1 / min(config.test_size, config.validation_size))
    rarest, name = min(zip(dataset.class_rows, dataset.encoding.classes, strict=True), default=(needed, ""))
    if rarest < needed:
        raise DataError(
            f"{dataset.name}: the class {name!r} of {dataset.encoding.target!r} has {rarest} rows: expected at least "
            f"{needed}, so that training, validation and test part each get one. Merge rare classes, or add rows."
        )
    train, _, _ = part_sizes(dataset.rows, config)
    if train < config.batch_size:
        raise DataError(
            f"{dataset.name}: {train} of its {dataset.rows} rows are for training, fewer than one batch of "
            f"{config.batch_size}. Use --batch-size {max(2, train // 4)} (batch_size= in Python), or add rows."
        )


def _cut(dataset: Dataset, rows: np.ndarray, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels = dataset.targets[rows] if dataset.encoding.classes else None
    remaining, part = train_test_split(rows, test_size=size, random_state=seed, stratify=labels)
    return remaining, part
