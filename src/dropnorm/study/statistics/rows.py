"""How surely a mean over rows is known, with the model given, and where the mean over as many new rows will lie."""

from typing import NamedTuple

import numpy as np
from scipy import stats

from dropnorm.study.records import Interval
from dropnorm.study.statistics.intervals import CONFIDENCE, RESAMPLES

MOST_UNITS = (
    1000  # more are put together at random: the interval's width changes by a few per cent, and its time no more
)
_TAILS = (0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2)


class Units(NamedTuple):
    """What is independent of each other among rows: rows, or groups of them; the sum of its values and its rows of each."""

    sums: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, groups: np.ndarray | None) -> "Units":
        """The groups of rows, or the rows themselves; more than `MOST_UNITS` are dealt out, in no order, into so many."""
        labels = deal(len(values), groups, MOST_UNITS)
        return cls(np.bincount(labels, values.astype(np.float64)), np.bincount(labels).astype(np.float64))

    def new(self, rows: int) -> int:
        """How many units hold so many rows."""
        return max(1, round(len(self.sums) * rows / float(self.counts.sum())))


def deal(rows: int, groups: np.ndarray | None, most: int) -> np.ndarray:
    """The unit of each row (rows,): its group, or itself; more than `most` are dealt out, in no order, into so many."""
    labels: np.ndarray = np.arange(rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    units = int(labels.max(initial=-1)) + 1
    return np.random.default_rng(0).permutation(units)[labels] % most if units > most else labels


def share_interval(hits: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """The share of rows that are hits, with Wilson's 95 % interval.

    Equation:    (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), of n rows. Of groups, n is the number of
                 independent rows that would give the share its variance, at most all rows, and z is Student's for as many
                 groups less one; where all rows are hits, or none, n is the number of groups.
    Source:      Wilson 1927, JASA 22; groups: Korn & Graubard 1998, "Confidence intervals for proportions with small expected
                 number of positive counts estimated from survey data", Survey Methodology 24.
    """
    share, rows, quantile = _effective(hits, groups)
    if not np.isfinite(quantile):
        return Interval(mean=share, low=0.0, high=1.0)
    square = quantile**2 / rows
    center = (share + square / 2) / (1 + square)
    reach = np.sqrt(share * (1 - share) * square + square**2 / 4) / (1 + square)
    # Rounding may leave the share itself, of all or of none, a trifle outside.
    return Interval(mean=share, low=max(0.0, min(share, center - reach)), high=min(1.0, max(share, center + reach)))


def share_of_new_rows(hits: np.ndarray, new_rows: int, groups: np.ndarray | None = None) -> Interval:
    """Where the share of hits among so many new rows lies in 95 of 100 cases; the mean is the share among these rows.

    Equation:    quantiles of the beta-binomial distribution: the true share has Jeffreys' posterior Beta(hits + 1/2,
                 misses + 1/2), and the new hits are binomial. Of groups, rows count as in `share_interval`.
    Source:      Brown, Cai & DasGupta 2001, "Interval estimation for a binomial proportion", Statistical Science 16, on
                 Jeffreys' prior.
    """
    share, rows, _ = _effective(hits, groups)
    new = max(1, round(new_rows * rows / len(hits)))
    chances = stats.betabinom.pmf(np.arange(new + 1), new, share * rows + 0.5, (1 - share) * rows + 0.5)
    low, high = np.minimum(np.searchsorted(np.cumsum(chances), _TAILS), new) / new
    return Interval(mean=share, low=float(low), high=float(high))


def mean_interval(values: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """The mean of values of rows that are 0 or more, with its 95 % bootstrap interval (BCa) over rows or groups.

    Randomness:  none: always the same 2000 resamples.
    Source:      Efron 1987, "Better bootstrap confidence intervals", JASA 82, by scipy.stats.bootstrap.
    """
    units = Units.of(values, groups)
    mean = _ratio(*units)
    if not np.isfinite(mean) or len(units.sums) < 2:
        return Interval(mean=float(mean), low=0.0, high=np.inf)
    means = units.sums / units.counts
    # Of values that are all alike up to rounding there is nothing to accelerate.
    if np.ptp(means) <= 1e-12 * np.abs(means).max():
        return Interval(mean=float(mean), low=float(mean), high=float(mean))
    got = stats.bootstrap(
        units,
        _ratio,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(mean=float(mean), low=float(got.low), high=float(got.high))


def mean_of_new_rows(values: np.ndarray, new_rows: int, groups: np.ndarray | None = None) -> Interval:
    """Where the mean over so many new rows lies in 95 of 100 cases; the mean is that over these rows.

    Equation:    quantiles of means of new rows, or groups, that are drawn from a resample of these
    Randomness:  none: always the same 2000 resamples.
    """
    units = Units.of(values, groups)
    mean = float(_ratio(*units))
    if not np.isfinite(mean) or len(units.sums) < 2:
        return Interval(mean=mean, low=0.0, high=np.inf)
    rng, count = np.random.default_rng(0), len(units.sums)
    resampled = rng.integers(count, size=(RESAMPLES, count))
    drawn = np.take_along_axis(resampled, rng.integers(count, size=(RESAMPLES, units.new(new_rows))), axis=1)
    low, high = np.quantile(_ratio(units.sums[drawn], units.counts[drawn]), _TAILS)
    return Interval(mean=mean, low=float(low), high=float(high))


def _ratio(sums: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
    """The mean over the rows of all units."""
    mean: np.ndarray = sums.sum(axis) / counts.sum(axis)
    return mean


def _effective(hits: np.ndarray, groups: np.ndarray | None) -> tuple[float, float, float]:
    """The share of hits, how many independent rows it rests on, and the quantile for a two-sided interval around it."""
    share, rows = float(np.mean(hits)), len(hits)
    if groups is None:
        return share, rows, float(stats.norm.ppf(_TAILS[1]))
    units = Units.of(hits, groups)
    count = len(units.sums)
    if count < 2:
        return share, 1.0, np.inf
    quantile = float(stats.t.ppf(_TAILS[1], count - 1))
    if share in (0.0, 1.0):
        return share, count, quantile
    variance = count / (count - 1) * float(np.square(units.sums - share * units.counts).sum()) / rows**2
    return share, min(rows, share * (1 - share) / variance) if variance > 0 else rows, quantile
