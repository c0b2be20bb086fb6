"""Which rows train, validate and test: splits that are the same in every arm."""

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.dataset import Dataset
from dropnorm.study.records import StudyConfig
from dropnorm.study.task import judged_by

GROUP_TRIES = 100
_SMALLEST_BATCH = 2


@dataclass(frozen=True)
class Split:
    """The rows of the three parts, int64."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_rows(dataset: Dataset, number: int, config: StudyConfig) -> Split:
    """A study's split of this number: at random, of classes stratified; or whole groups at random; or by time.

    A test part that the user gave is that of every split, and the rest is split into two. Otherwise, parts of groups hold
    their share of the groups, and parts of time theirs of the rows, as nearly as whole times allow.
    Raises:      DataError if no such split leaves every class something to be learned from.
    """
    rows = np.arange(dataset.rows - dataset.given_test)
    given = np.arange(len(rows), dataset.rows)
    if dataset.order.times is not None:
        return _split_by_time(dataset, rows, given, config)
    free = functools.partial(_cut_rows, together=dataset.kept_together(config))
    cut = free if dataset.order.groups is None else _cut_groups
    units = len(rows) if dataset.order.groups is None else len(np.unique(dataset.order.groups[rows]))
    _, validation, test = part_sizes(units, config)
    rest, test_rows = (rows, given) if len(given) else cut(dataset, rows, test, number)
    train_rows, validation_rows = cut(dataset, rest, validation, number)
    return Split(train=train_rows, validation=validation_rows, test=test_rows)


def part_sizes(units: int, config: StudyConfig) -> tuple[int, int, int]:
    """How many of the rows, or of the groups, train, validate and test; of as few as three, each gets one."""
    test = min(math.ceil(units * config.test_size), units - 2)
    validation = min(math.ceil(units * config.validation_size), units - test - 1)
    return units - test - validation, validation, test


def check_splits(dataset: Dataset, config: StudyConfig) -> StudyConfig:
    """The configuration with the number of splits that the data allow: rows in time have one.

    Raises:      ArgumentError for several splits by time, and for a single one where each would come out otherwise.
    """
    if dataset.order.times is not None:
        if config.splits not in (None, 1):
            raise ArgumentError(
                f"splits={config.splits} is given beside time: expected one split, as rows have one order in time. Leave "
                f"splits out; seeds={config.seeds} nets then differ in weights and order."
            )
        return replace(config, splits=1)
    if config.splits == 1 and not dataset.given_test:
        raise ArgumentError(
            "splits=1 is one of many that chance could make, and says nothing of others: expected at least 2, unless a test "
            "part or an order in time is given. Use splits=5."
        )
    return config


def check_splittable(dataset: Dataset, config: StudyConfig) -> None:
    """Refuse data too small to be split, stratified, and trained on in batches."""
    order, learned = dataset.order, dataset.rows - dataset.given_test
    if order.groups is not None:
        _check_units(dataset, f"groups of {order.group!r}", order.groups[:learned])
    elif order.times is not None:
        _check_units(dataset, f"different times of {order.time!r}", order.times[:learned])
    else:
        _check_units(dataset, "rows to learn from", np.arange(learned))
    _check_ranked(dataset, config)


def with_batches(dataset: Dataset, config: StudyConfig, *, given: bool) -> StudyConfig:
    """The configuration with a batch that the training part holds: a smaller one on few rows, unless one is given.

    Raises:      DataError for a given one that is too large, and for a training part of a single row.
    """
    train = training_rows(dataset, config)
    if train >= config.batch_size:
        return config
    if given or train < _SMALLEST_BATCH:
        remedy = (
            f"Use --batch-size {max(2, train // 4)} (batch_size= in Python), or add rows." if given else "Add rows."
        )
        raise DataError(
            f"{dataset.name}: {train} of its {dataset.rows} rows are for training, fewer than one batch of "
            f"{config.batch_size if given else _SMALLEST_BATCH}. {remedy}"
        )
    return replace(config, batch_size=max(_SMALLEST_BATCH, train // 4))


def training_rows(dataset: Dataset, config: StudyConfig) -> int:
    """How many rows the smallest training part has; those of whole groups, or copies, are of another size in another split."""
    whole = dataset.order.groups is not None or dataset.kept_together(config) is not None
    splits = config.split_count if whole else 1
    return min(len(split_rows(dataset, split, config).train) for split in range(splits))


def _check_ranked(dataset: Dataset, config: StudyConfig) -> None:
    """Refuse a metric that judges an order of rows where a part has rows of one class alone, as whole groups and times may."""
    if not judged_by(dataset.encoding.task, config.metric).metric.ranks:
        return
    for number in range(config.split_count):
        for part, rows in vars(split_rows(dataset, number, config)).items():
            classes = np.unique(dataset.targets[rows])
            if len(classes) == 1:
                raise DataError(
                    f"{dataset.name}: metric={config.metric!r} is not defined on the {part} part of split {number}, all of "
                    f"whose rows are of the class {dataset.encoding.classes[classes[0]]!r}: expected two classes in each "
                    f"part. Use --metric log_loss, or other groups, times or sizes of the parts."
                )


def _check_units(dataset: Dataset, what: str, values: np.ndarray) -> None:
    found, parts = len(np.unique(values)), 2 if dataset.given_test else 3
    if found < parts:
        named = "training, validation and test part" if parts == 3 else "training and validation part"
        raise DataError(
            f"{dataset.name}: there are {found} {what}: expected at least {parts}, so that {named} each get their own. Name "
            f"another column, or add rows."
        )


def _cut_rows(
    dataset: Dataset, rows: np.ndarray, size: int, seed: int, *, together: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    labels = dataset.targets[rows] if dataset.encoding.classes else None
    if together is None:
        remaining, part = train_test_split(rows, test_size=size, random_state=seed, stratify=labels)
        return remaining, part
    # One row of each kind is cut, and its copies go where it goes.
    _, first, kinds = np.unique(together[rows], return_index=True, return_inverse=True)
    share = size / len(rows)
    labels = None if labels is None else labels[first]
    one, other = train_test_split(np.arange(len(first)), test_size=share, random_state=seed, stratify=labels)
    return tuple(_shuffled(rows[np.isin(kinds, kept)], seed) for kept in (one, other))  # type: ignore[return-value]


def _cut_groups(dataset: Dataset, rows: np.ndarray, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """So many whole groups at random, but such that what remains has rows of every class."""
    assert dataset.order.groups is not None
    groups = dataset.order.groups[rows]
    splits = GroupShuffleSplit(GROUP_TRIES, test_size=size, random_state=seed).split(rows, groups=groups)
    for remaining, part in splits:
        if not _classes_without(dataset, rows[remaining]):
            return _shuffled(rows[remaining], seed), rows[part]
    raise DataError(
        f"{dataset.name}: of {GROUP_TRIES} splits by {dataset.order.group!r} none has every class in its training part: "
        f"expected classes that are spread over the groups. Use --rare merge or --rare drop."
    )


def _split_by_time(dataset: Dataset, rows: np.ndarray, given: np.ndarray, config: StudyConfig) -> Split:
    """The earliest rows to train, later ones to validate, the latest to test; rows of one time stay together."""
    assert dataset.order.times is not None
    order = rows[np.argsort(dataset.order.times[rows], kind="stable")]
    # Where a part may begin: at the first row of a time, but for the very first time.
    starts = np.flatnonzero(np.diff(dataset.order.times[order])) + 1
    _, validation, test = part_sizes(len(rows), config)
    end = len(rows)
    if not len(given):
        end = _nearest(starts[1:], len(rows) - test)
    begin = _nearest(starts[starts < end], end - validation)
    split = Split(
        train=_shuffled(order[:begin], 0), validation=order[begin:end], test=given if len(given) else order[end:]
    )
    if missing := _classes_without(dataset, split.train):
        raise DataError(
            f"{dataset.name}: the training part, the {begin} earliest rows by {dataset.order.time!r}, has no row of the class "
            f"{missing[0]!r}: expected rows of every class. Leave such classes' rows out."
        )
    return split


def _shuffled(rows: np.ndarray, seed: int) -> np.ndarray:
    """In no order, as what is measured while nets learn is measured on the first of them."""
    return np.random.default_rng(seed).permutation(rows)


def _nearest(places: np.ndarray, wanted: int) -> int:
    return int(places[np.abs(places - wanted).argmin()])


def _classes_without(dataset: Dataset, rows: np.ndarray) -> list[str]:
    """The classes of which none of the rows is."""
    present = set(np.unique(dataset.targets[rows]).tolist())
    return [name for index, name in enumerate(dataset.encoding.classes) if index not in present]
