"""Rows that are there several times, features and target alike: in two parts they would make any net look good."""

from dataclasses import dataclass

import numpy as np
import polars as pl

_FEW = 50  # different rows, below which a table has so few values that rows are alike by nature
_FEW_OF_CLASS = 10  # different rows of a class, which could not be spread over the parts
_AMBIGUOUS = 0.1  # of the repeated features, from which share on that have several targets they are so too


@dataclass(frozen=True)
class Copies:
    """Which rows are copies of each other.

    Args:        groups: a number for each row that all of its copies share; repeated: how many rows have a copy; by_mistake:
                 whether they are few or are copied throughout, and not alike by nature as rows of a few coarse columns are.
    """

    groups: np.ndarray
    repeated: int
    by_mistake: bool


def find_copies(features: np.ndarray, targets: np.ndarray) -> Copies | None:
    """The copies among rows; None if each is there once."""
    if len(features) < 2 or not features.shape[1]:
        return None
    alike = _numbered(features)
    groups = np.unique(np.stack([alike, _numbered(targets[:, None])], axis=1), axis=0, return_inverse=True)[1].reshape(
        -1
    )
    counts = np.bincount(groups)
    repeated = int(counts[counts > 1].sum())
    if not repeated:
        return None
    # Rows of the same features: how many different targets have they?
    rows_of = np.bincount(alike)
    targets_of = np.bincount(alike[np.unique(groups, return_index=True)[1]], minlength=len(rows_of))
    several = rows_of > 1
    ambiguous = (targets_of[several] > 1).mean()
    classes = targets[np.unique(groups, return_index=True)[1]] if targets.dtype.kind == "i" else np.empty(0, dtype=int)
    few = len(counts) < _FEW or (len(classes) > 0 and np.unique(classes, return_counts=True)[1].min() < _FEW_OF_CLASS)
    by_nature = few or (repeated * 2 > len(features) and ambiguous > _AMBIGUOUS)
    return Copies(groups=groups, repeated=repeated, by_mistake=not by_nature)


def _numbered(values: np.ndarray) -> np.ndarray:
    """A number for each row of an array, the same for the same rows, NaN being one value and -0 being 0."""
    hashed = pl.DataFrame(values + 0.0).hash_rows().to_numpy()
    _, first, places = np.unique(hashed, return_index=True, return_inverse=True)
    # In the order in which they come first, whatever the hashes are.
    number: np.ndarray = first.argsort().argsort()[places.reshape(-1)]
    return number
