"""How many splits or seeds it would take to see a difference."""

import math
from collections.abc import Sequence

from scipy import stats

from dropnorm.study.records import Power
from dropnorm.study.statistics.intervals import CONFIDENCE, variance

WANTED = 0.8
MOST = 100_000


def power(difference: float, deviation: float, share: float, count: int) -> float:
    """The chance that the corrected resampled t-test of so many splits finds this true difference at the 5 % level.

    Equation:    the two tails of the noncentral t with count - 1 degrees of freedom and noncentrality
                 difference / (deviation * sqrt(1 / count + share))
    """
    noncentrality = abs(difference) / (deviation * math.sqrt(1 / count + share))
    edge = float(stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1))
    upper = float(stats.nct.sf(edge, count - 1, noncentrality))
    lower = float(stats.nct.cdf(-edge, count - 1, noncentrality))
    # Far out, scipy's tails become NaN: the near one is 1 there, the far one 0.
    return (1.0 if math.isnan(upper) else upper) + (0.0 if math.isnan(lower) else lower)


def needed_to_see(values: Sequence[float], share: float, resolution: float = 0.0) -> Power:
    """How many splits would show a difference as large as the mean found, were it the true one, with 80 % power.

    More splits of the same rows do not narrow an interval beyond sqrt(share) deviations, so that no number of them may
    suffice. Then more rows may: the deviation falls as 1 / sqrt(rows), as long as it is that of small parts.
    Args:        values: the differences, one per split; share, resolution: as of the test.
    Source:      the noncentral t distribution of the t-test's power, Lehmann & Romano, "Testing statistical hypotheses",
                 section 5.2, with Nadeau & Bengio's variance.
    """
    deviation, mean = math.sqrt(variance(values, resolution)), sum(values) / len(values)
    if not math.isfinite(deviation) or mean == 0.0 or math.isnan(mean):
        return Power(needed=None, at_best=1 - CONFIDENCE, rows_factor=None)
    if deviation == 0.0:
        return Power(needed=2, at_best=1.0, rows_factor=None)
    edge = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
    limit = abs(mean) / (deviation * math.sqrt(share)) if share > 0 else math.inf
    at_best = float(stats.norm.sf(edge - limit) + stats.norm.cdf(-edge - limit))
    if at_best <= WANTED:
        factor = ((edge + float(stats.norm.ppf(WANTED))) / limit) ** 2
        return Power(needed=None, at_best=at_best, rows_factor=factor)
    high = 2
    while power(mean, deviation, share, high) < WANTED:
        high *= 2
        if high > MOST:
            return Power(needed=None, at_best=at_best, rows_factor=None)
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(mean, deviation, share, middle) >= WANTED else (middle, high)
    return Power(needed=high, at_best=at_best, rows_factor=None)
