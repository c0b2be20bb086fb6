"""Means with intervals and tests: Student's t corrected for overlapping splits, Holm's adjustment, and the bootstrap."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from dropnorm.study.records import Interval

CONFIDENCE = 0.95
RESAMPLES = 2000


def standard_error(values: Sequence[float], share: float, resolution: float = 0.0) -> float:
    """Standard error of the mean over splits, corrected for their overlap.

    Equation:    sqrt((1 / n + share) * variance), variance with n - 1. Scores of splits of the same data are
                 correlated; the plain 1 / n would find differences where there are none.
    Args:        values: one per split; share: rows left out over rows used, 0 where nothing is resampled; resolution: the
                 step of the scores whose difference a value is, such as 1 / rows tested. The variance is at least that
                 of rounding two scores to such steps, resolution^2 / 6: a few splits that happen to differ by the same
                 count do not make a difference sure.
    Source:      Nadeau & Bengio 2003, "Inference for the generalization error", Machine Learning 52, equation 9.
    """
    return float(np.sqrt((1.0 / len(values) + share) * variance(values, resolution)))


def variance(values: Sequence[float], resolution: float = 0.0) -> float:
    """The variance with n - 1, at least that of rounding; infinite where a net has diverged."""
    if not np.isfinite(values).all():
        return np.inf
    return max(float(np.var(values, ddof=1)), resolution**2 / 6)


def interval(values: Sequence[float], share: float, resolution: float = 0.0) -> Interval:
    """The mean with its 95 % interval, by Student's t with n - 1 degrees of freedom."""
    mean = _mean(values)
    error = standard_error(values, share, resolution)
    if not np.isfinite(error):
        return Interval(mean=mean, low=-np.inf, high=np.inf)
    reach = error * float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(values) - 1))
    return Interval(mean=mean, low=mean - reach, high=mean + reach)


def interval_within(
    values: Sequence[float], share: float, resolution: float = 0.0, *, lowest: float = -np.inf, highest: float = np.inf
) -> Interval:
    """`interval` of what lies between two bounds: what is outside cannot be and is cut off."""
    free = interval(values, share, resolution)
    return Interval(mean=free.mean, low=max(lowest, free.low), high=min(highest, free.high))


def share_interval(hits: int, rows: int) -> Interval:
    """The share of hits with Wilson's 95 % interval, which stays between 0 and 1 and has a width for any share of few rows.

    Source:      Wilson 1927, "Probable inference, the law of succession, and statistical inference", Journal of the American
                 Statistical Association 22.
    """
    found = stats.binomtest(hits, rows).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(mean=hits / rows, low=float(found.low), high=float(found.high))


def p_value(values: Sequence[float], share: float, resolution: float = 0.0) -> float:
    """Two-sided p of the hypothesis that the mean is zero: the corrected resampled t-test; for resolution see there."""
    error = standard_error(values, share, resolution)
    if not np.isfinite(error):
        return 1.0
    mean = _mean(values)
    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / error, len(values) - 1))


def bootstrap_interval(values: Sequence[float]) -> Interval:
    """The mean with its 95 % bootstrap interval, bias-corrected and accelerated (BCa), over as many values as there are.

    It supposes no shape, and so shows whether the t interval's symmetry misleads. But it takes splits as independent, and
    is too narrow where they overlap: nothing is concluded from it.
    Randomness:  none: always the same 2000 resamples.
    Source:      Efron 1987, "Better bootstrap confidence intervals", JASA 82, by scipy.stats.bootstrap.
    """
    mean = _mean(values)
    if not np.isfinite(values).all():
        return Interval(mean=mean, low=-np.inf, high=np.inf)
    # Of values that are all alike up to rounding there is nothing to accelerate.
    if np.ptp(values) <= 1e-12 * np.abs(values).max():
        return Interval(mean=mean, low=mean, high=mean)
    got = stats.bootstrap(
        (np.asarray(values),),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(mean=mean, low=float(got.low), high=float(got.high))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values that keep the chance of any false finding at its level (Holm 1979)."""
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(np.argsort(p_values, kind="stable")):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def _mean(values: Sequence[float]) -> float:
    """The mean; infinite, and no NaN of infinities that cancel, where a net has diverged."""
    return float(np.mean(values)) if np.isfinite(values).all() else np.inf
