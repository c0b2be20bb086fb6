"""Classes with too few rows for each part to get one: merged into one class, left out, or refused."""

from dataclasses import replace

import numpy as np

from dropnorm.errors import DataError
from dropnorm.study.data.copies import find_copies
from dropnorm.study.data.dataset import Dataset
from dropnorm.study.data.sources.table import free_name, listed
from dropnorm.study.records import RareName, StudyConfig

OTHER = "other"


def needed_rows(dataset: Dataset, config: StudyConfig) -> int:
    """How many rows a class must have, so that each part gets one; of groups, in how many it must be."""
    if dataset.order.groups is not None:
        return 2 if dataset.given_test else 3
    return config.least_for_parts(given_test=dataset.given_test > 0)


def class_counts(dataset: Dataset) -> np.ndarray:
    """How many of the rows to learn from each class has; where rows are in groups, in how many groups it is."""
    learned = dataset.rows - dataset.given_test
    targets, groups = dataset.targets[:learned], dataset.order.groups
    if groups is not None:
        targets = np.unique(np.stack([targets, groups[:learned]], axis=1), axis=0)[:, 0]
    return np.bincount(targets, minlength=len(dataset.encoding.classes))


def without_rare_classes(dataset: Dataset, config: StudyConfig, rare: RareName) -> Dataset:
    """The data with its rare classes merged or left out, as is asked for; as it is where there are none.

    Raises:      DataError that names a rare class and what can be done, where nothing is asked for or not enough is left.
    """
    if not dataset.encoding.classes or dataset.order.times is not None:
        return dataset
    needed, counts = needed_rows(dataset, config), class_counts(dataset)
    few = [number for number, count in enumerate(counts) if count < needed]
    if not few:
        return dataset
    if rare == "error":
        raise _too_rare(dataset, few, counts, needed)
    names = dataset.encoding.classes
    kept = [name for number, name in enumerate(names) if number not in few]
    merged = int(counts[few].sum())
    if rare == "drop":
        changed = _dropped(dataset, few, tuple(kept))
    elif merged < needed:
        raise DataError(
            f"{dataset.name}: rare='merge' makes one class of {listed([names[number] for number in few], 5)}, with {merged} "
            f"{_units(dataset)}: expected at least {needed}. Use --rare drop, or add rows."
        )
    else:
        changed = _merged(dataset, few, tuple(kept))
    if len(changed.encoding.classes) < 2:
        raise DataError(
            f"{dataset.name}: without its rare classes {listed([names[number] for number in few], 5)} only one class is left: "
            f"expected at least two. Add rows, or use --test-size and --validation-size for larger parts."
        )
    return changed


def _too_rare(dataset: Dataset, few: list[int], counts: np.ndarray, needed: int) -> DataError:
    encoding = dataset.encoding
    rarest = min(few, key=lambda number: counts[number])
    numbers = all(name.lstrip("+-").replace(".", "", 1).isdigit() for name in encoding.classes)
    regression = " If they are a quantity, such as a count or a rating, use --task regression." if numbers else ""
    others = f", and {len(few) - 1} other classes are too rare as well" if len(few) > 1 else ""
    return DataError(
        f"{dataset.name}: the class {encoding.classes[rarest]!r} of {encoding.target!r} has {counts[rarest]} "
        f"{_units(dataset)}{others}: expected at least {needed}, so that training, validation and test part "
        f"each get one. Use --rare merge to make one class of all such ones, or --rare drop to leave their rows out."
        f"{regression}"
    )


def _units(dataset: Dataset) -> str:
    return "rows" if dataset.order.groups is None else f"groups of {dataset.order.group!r}"


def _dropped(dataset: Dataset, few: list[int], kept: tuple[str, ...]) -> Dataset:
    rows = ~np.isin(dataset.targets, few)
    learned = dataset.rows - dataset.given_test
    names = [dataset.encoding.classes[number] for number in few]
    notice = f"left out as too rare: {int((~rows).sum()):,} rows of {listed(names, 5)}"
    return _renumbered(
        dataset,
        rows,
        np.cumsum([number not in few for number in range(len(kept) + len(few))]) - 1,
        kept,
        names,
        {},
        notice,
        learned,
    )


def _merged(dataset: Dataset, few: list[int], kept: tuple[str, ...]) -> Dataset:
    other = free_name(OTHER, kept)
    names = [dataset.encoding.classes[number] for number in few]
    places = np.cumsum([number not in few for number in range(len(kept) + len(few))]) - 1
    places[few] = len(kept)
    notice = f"merged into {other!r} as too rare: {listed(names, 5)}"
    rows = np.ones(dataset.rows, dtype=bool)
    learned = dataset.rows - dataset.given_test
    return _renumbered(dataset, rows, places, (*kept, other), names, dict.fromkeys(names, other), notice, learned)


def _renumbered(
    dataset: Dataset,
    rows: np.ndarray,
    places: np.ndarray,
    classes: tuple[str, ...],
    names: list[str],
    merged: dict[str, str],
    notice: str,
    learned: int,
) -> Dataset:
    """The rows that are kept, with the numbers that their classes have now."""
    order = dataset.order
    groups = None if order.groups is None else order.groups[rows]
    features, targets = dataset.features[rows], places[dataset.targets[rows]].astype(np.int64)
    still = int(rows[:learned].sum())
    return replace(
        dataset,
        features=features,
        targets=targets,
        encoding=dataset.encoding.model_copy(update={"classes": classes, "merged": merged}),
        order=replace(order, groups=groups),
        given_test=int(rows[learned:].sum()),
        copies=find_copies(features[:still], targets[:still]),
        rare_classes=tuple(names),
        notices=(*dataset.notices, notice),
    )
