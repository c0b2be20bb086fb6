"""Rows that are there several times, features and target alike: in two parts they would make any net look good."""

from dataclasses import dataclass

import numpy as np
import polars as pl

_FEW = 10  # different rows, below which a table has so few values that rows are alike by nature
_FIRST = 4  # features, which tell most rows apart
_AMBIGUOUS = 0.1  # of the repeated features, from which share on that have several targets they are so too


@dataclass(frozen=True)
class Copies:
    """Which rows are copies of each other.

    Args:        groups: a number for each row that all of its copies share; repeated: how many rows have a copy; by_mistake:
                 whether they are few or are copied throughout, and not alike by nature as rows of a few coarse columns are;
                 fewest: how many different rows the rarest class has, or of a quantity all rows.
    """

    groups: np.ndarray
    repeated: int
    by_mistake: bool
    fewest: int


def find_copies(features: np.ndarray, targets: np.ndarray) -> Copies | None:
    """The copies among rows; None if each is there once."""
    if len(features) < 2 or not features.shape[1]:
        return None
    # Few rows of a large table have the same first features; only those are compared as a whole.
    candidates = np.flatnonzero(_hashed(features[:, :_FIRST]).is_duplicated().to_numpy())
    alike, whole = np.arange(len(features)), np.arange(len(features))
    if len(candidates):
        hashes = _hashed(features[candidates])
        alike[candidates] = candidates[_first_of(hashes)]
        pairs = pl.DataFrame([alike[candidates], targets[candidates] + 0.0]).hash_rows()
        whole[candidates] = candidates[_first_of(pairs)]
    counts = np.bincount(whole, minlength=len(features))
    repeated = int(counts[counts > 1].sum())
    if not repeated:
        return None
    first, groups = np.unique(whole, return_inverse=True)
    # Rows of the same features: how many different targets have they?
    several = np.bincount(alike) > 1
    targets_of = np.bincount(alike[first], minlength=len(several))
    ambiguous = (targets_of[several] > 1).mean()
    classes = targets.dtype.kind == "i"
    fewest = int(np.unique(targets[first], return_counts=True)[1].min()) if classes else len(first)
    by_nature = len(first) < _FEW or (repeated * 2 > len(features) and ambiguous > _AMBIGUOUS)
    return Copies(groups=groups, repeated=repeated, by_mistake=not by_nature, fewest=fewest)


def _hashed(values: np.ndarray) -> pl.Series:
    """A hash of each row of an array, NaN being one value and -0 being 0."""
    return pl.DataFrame(values + 0.0).hash_rows()


def _first_of(hashes: pl.Series) -> np.ndarray:
    """For each hash the place of the first one like it."""
    _, first, places = np.unique(hashes.to_numpy(), return_index=True, return_inverse=True)
    found: np.ndarray = first[places.reshape(-1)]
    return found
