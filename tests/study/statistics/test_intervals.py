import numpy as np
import pytest
from scipy import stats

from dropnorm.study.records import Interval
from dropnorm.study.statistics.intervals import (
    bootstrap_interval,
    holm,
    interval,
    interval_within,
    p_value,
    share_interval,
    standard_error,
    variance,
)

VALUES = [0.02, -0.01, 0.03, 0.015, 0.0]


def test_without_overlap_the_test_is_students():
    expected = stats.ttest_1samp(VALUES, 0.0)
    confidence = expected.confidence_interval(0.95)
    assert p_value(VALUES, 0.0) == pytest.approx(expected.pvalue)
    got = interval(VALUES, 0.0)
    assert (got.mean, got.low, got.high) == pytest.approx((np.mean(VALUES), confidence.low, confidence.high))


def test_overlap_is_corrected_for_as_nadeau_and_bengio_do():
    # Mean 3 and variance 10 of these five; with a quarter as much for testing: 10 * (1 / 5 + 1 / 4) = 4.5.
    values = [-1.0, 1.0, 3.0, 5.0, 7.0]
    assert standard_error(values, 0.25) == pytest.approx(4.5**0.5)
    # t of 4 degrees of freedom at 97.5 %, from a printed table
    assert interval(values, 0.25).high == pytest.approx(3 + 2.776445 * 4.5**0.5)
    assert interval(values, 0.25).low == pytest.approx(3 - 2.776445 * 4.5**0.5)
    assert p_value(values, 0.25) == pytest.approx(2 * stats.t.sf(3 / 4.5**0.5, 4))


def test_the_sign_of_the_mean_has_no_say_in_p():
    assert p_value([-value for value in VALUES], 0.25) == pytest.approx(p_value(VALUES, 0.25))


@pytest.mark.parametrize("test_share", [0.0, 0.25])
def test_intervals_cover_and_tests_reject_as_often_as_they_say(test_share):
    """Of scores with the correlation that the correction assumes, test_share / (1 + test_share), it is exact.

    4000 repetitions with a fixed seed; a bound of five standard errors, a false alarm below 1e-6.
    """
    repetitions, correlation = 4000, test_share / (1 + test_share)
    rng = np.random.default_rng(7)
    scores = correlation**0.5 * rng.standard_normal((repetitions, 1))
    scores = scores + (1 - correlation) ** 0.5 * rng.standard_normal((repetitions, 5))
    covered = np.mean([interval(row, test_share).low <= 0 <= interval(row, test_share).high for row in scores])
    rejected = np.mean([p_value(row, test_share) < 0.05 for row in scores])
    bound = 5 * (0.95 * 0.05 / repetitions) ** 0.5
    assert abs(covered - 0.95) < bound
    assert abs(rejected - 0.05) < bound


def test_differences_that_are_all_the_same_are_judged_by_the_step_of_their_scores():
    step = 1 / 30
    assert p_value([0.0] * 5, 0.25, step) == 1.0
    # Two seeds that both differ by two rows of thirty: t = 2 / sqrt(0.75 / 6), with one degree of freedom
    same = [29 / 30 - 27 / 30, 28 / 30 - 26 / 30]
    assert p_value(same, 0.25, step) == pytest.approx(2 * stats.t.sf(2 / (0.75 / 6) ** 0.5, 1))
    reach = step * (0.75 / 6) ** 0.5 * stats.t.ppf(0.975, 1)
    got = interval(same, 0.25, step)
    assert (got.low, got.high) == pytest.approx((2 * step - reach, 2 * step + reach))
    assert (p_value(same, 0.25, step) < 0.05) == (got.low > 0)


def test_the_step_matters_only_where_differences_vary_less_than_rounding_does():
    assert p_value(VALUES, 0.25, 1e-9) == p_value(VALUES, 0.25)
    assert interval(VALUES, 0.25, 1e-9) == interval(VALUES, 0.25)


def test_without_a_step_equal_values_have_an_interval_without_width():
    assert p_value([0.0] * 3, 0.25) == 1.0
    assert p_value([0.5] * 3, 0.25) == 0.0
    assert interval([0.5] * 3, 0.25) == Interval(mean=0.5, low=0.5, high=0.5)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.04, 0.01]) == pytest.approx([0.04, 0.02])
    assert holm([0.5, 0.9, 0.4]) == [1.0, 1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_an_interval_of_scores_ends_where_scores_do():
    wide = interval_within([0.9, 1.0], 0.25, lowest=0.0, highest=1.0)
    assert (wide.high, wide.low) == (1.0, interval([0.9, 1.0], 0.25).low)
    assert interval_within([0.0, 0.1], 0.25, lowest=0.0, highest=1.0).low == 0.0
    narrow = [0.50, 0.51, 0.49]
    assert interval_within(narrow, 0.25, lowest=0.0, highest=1.0) == interval(narrow, 0.25)
    assert interval_within(narrow, 0.25) == interval(narrow, 0.25)


@pytest.mark.parametrize("values", [[0.5, np.inf, 0.4], [0.5, np.nan], [np.inf, -np.inf]])
def test_of_a_net_that_has_diverged_nothing_is_concluded(values):
    unknown = Interval(mean=np.inf, low=-np.inf, high=np.inf)
    assert interval(values, 0.25) == unknown
    assert bootstrap_interval(values) == unknown
    assert p_value(values, 0.25) == 1.0
    assert variance(values) == np.inf


def test_the_bootstrap_is_scipys_and_always_the_same():
    got = bootstrap_interval(VALUES)
    expected = stats.bootstrap((np.array(VALUES),), np.mean, n_resamples=20_000, rng=np.random.default_rng(5))
    assert got == bootstrap_interval(VALUES)
    assert got.mean == pytest.approx(np.mean(VALUES))
    # Two sets of resamples agree to a tenth of the interval's width.
    width = got.high - got.low
    assert (got.low, got.high) == pytest.approx(tuple(expected.confidence_interval), abs=0.1 * width)


def test_a_skewed_sample_has_a_skewed_bootstrap_interval():
    got = bootstrap_interval([0.0, 0.0, 0.01, 0.0, 0.02, 0.0, 0.01, 0.3])
    assert got.high - got.mean > 1.5 * (got.mean - got.low)


def test_the_bootstrap_of_values_that_are_all_alike_has_no_width():
    got = bootstrap_interval([0.1 + 0.2, 0.3, 0.3])
    assert (got.low, got.high) == (got.mean, got.mean) == pytest.approx((0.3, 0.3))
    assert bootstrap_interval([0.0, 0.0]) == Interval(mean=0.0, low=0.0, high=0.0)


@pytest.mark.parametrize(("hits", "rows"), [(0, 1), (1, 1), (1, 2), (7, 10), (0, 500), (499, 500)])
def test_a_share_has_wilsons_interval(hits, rows):
    found = share_interval(hits, rows)
    # The two shares from which hits / rows is 1.96 standard errors away: roots of Wilson's quadratic equation
    z = stats.norm.ppf(0.975)
    low, high = sorted(np.roots([1 + z**2 / rows, -(2 * hits + z**2) / rows, (hits / rows) ** 2]).real)
    assert found.mean == hits / rows
    assert (found.low, found.high) == pytest.approx((max(low, 0.0), min(high, 1.0)), abs=1e-9)
    assert 0.0 <= found.low < found.high <= 1.0


def test_few_rows_leave_a_share_open():
    assert share_interval(1, 1).low < 0.25
    assert share_interval(1000, 1000).low > 0.99
