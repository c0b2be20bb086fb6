"""Intervals about rows: against scipy, exact coverage by enumeration, groups, and what has no spread."""

import numpy as np
import pytest
from scipy import stats

from dropnorm.study.statistics import rows
from dropnorm.study.statistics.rows import Units, mean_interval, mean_of_new_rows, share_interval, share_of_new_rows


def hits_of(count: int, of: int) -> np.ndarray:
    return np.arange(of) < count


@pytest.mark.parametrize(("count", "of"), [(0, 5), (5, 5), (1, 2), (93, 100), (950, 1000)])
def test_a_share_has_wilsons_interval(count, of):
    got = share_interval(hits_of(count, of))
    expected = stats.binomtest(count, of).proportion_ci(0.95, method="wilson")
    assert (got.mean, got.low, got.high) == pytest.approx((count / of, expected.low, expected.high))


def test_rows_of_groups_that_agree_within_count_as_one_each():
    """Ten groups of twenty equal rows say no more than ten rows."""
    groups = np.repeat(np.arange(10), 20)
    got, alone = share_interval(groups < 7, groups), share_interval(np.arange(10) < 7)
    assert got.mean == pytest.approx(0.7)
    # Student's quantile for ten groups, and their variance with n - 1, make it wider than Wilson's of ten rows.
    assert got.high - got.low > alone.high - alone.low
    assert got.high - got.low < 1.35 * (alone.high - alone.low)


def test_groups_that_are_alike_change_next_to_nothing():
    hits = np.tile([True] * 9 + [False], 40)
    got, alone = share_interval(hits, np.repeat(np.arange(40), 10)), share_interval(hits)
    assert (got.low, got.high) == pytest.approx((alone.low, alone.high), abs=0.003)


def test_hits_in_every_row_of_a_few_groups_are_no_certainty():
    groups = np.repeat(np.arange(4), 100)
    assert share_interval(np.ones(400, dtype=bool)).low > 0.99
    assert share_interval(np.ones(400, dtype=bool), groups).low < 0.45
    one = share_interval(hits_of(3, 4), np.zeros(4, dtype=int))
    assert (one.mean, one.low, one.high) == (0.75, 0.0, 1.0)


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
@pytest.mark.parametrize(("rows", "new"), [(60, 20), (150, 30), (1500, 360)])
def test_the_score_of_new_rows_is_in_its_range_in_about_95_of_100_cases(share, rows, new):
    """By enumeration, not by chance: over all counts of hits among the rows and among the new ones."""
    covered = 0.0
    for count, chance in enumerate(stats.binom.pmf(np.arange(rows + 1), rows, share)):
        if chance > 1e-9:
            got = share_of_new_rows(hits_of(count, rows), new)
            low, high = round(got.low * new), round(got.high * new)
            covered += chance * (stats.binom.cdf(high, new, share) - stats.binom.cdf(low - 1, new, share))
    assert 0.94 < covered < 0.995


def test_new_rows_add_their_own_chance_and_fewer_add_more():
    hits = hits_of(95, 100)
    widths = [
        got.high - got.low for got in (share_interval(hits), *(share_of_new_rows(hits, new) for new in (1000, 20)))
    ]
    assert widths[0] < 1.05 * widths[1] < widths[2]
    grouped = share_of_new_rows(hits, 20, np.arange(100) // 5)
    assert grouped.high - grouped.low >= widths[2]


def test_a_mean_has_the_bootstraps_interval():
    values = np.random.default_rng(1).exponential(size=120)
    got = mean_interval(values)
    expected = stats.bootstrap((values,), np.mean, n_resamples=2000, method="BCa", rng=np.random.default_rng(0))
    assert got.mean == pytest.approx(values.mean())
    assert (got.low, got.high) == pytest.approx(tuple(expected.confidence_interval))
    assert got == mean_interval(values), "the same resamples each time"


def test_a_mean_of_many_rows_has_nearly_the_same_interval_as_by_the_normal_distribution():
    """Of 20,000 rows, which are put together into 1,000 units."""
    values = np.random.default_rng(1).exponential(size=20_000)
    got = mean_interval(values)
    error = values.std() / len(values) ** 0.5
    assert (got.low, got.high) == pytest.approx((values.mean() - 1.96 * error, values.mean() + 1.96 * error), rel=0.002)
    assert got.high - got.low == pytest.approx(2 * 1.96 * error, rel=0.12)


def test_values_that_agree_within_groups_have_the_interval_of_the_groups():
    means = np.random.default_rng(1).exponential(size=30)
    groups = np.repeat(np.arange(30), 10)
    got, expected = mean_interval(means[groups], groups), mean_interval(means)
    assert (got.mean, got.low, got.high) == pytest.approx((expected.mean, expected.low, expected.high))
    assert mean_interval(means[groups]).low > got.low


def test_groups_of_different_sizes_weigh_by_their_rows():
    values, groups = np.array([1.0, 1.0, 1.0, 7.0]), np.array([5, 5, 5, 9])
    assert mean_interval(values, groups).mean == pytest.approx(2.5)
    units = Units.of(values, groups)
    assert (units.sums.tolist(), units.counts.tolist()) == ([3.0, 7.0], [3.0, 1.0])
    assert (units.new(1), units.new(2), units.new(40)) == (1, 1, 20)


@pytest.mark.parametrize("groups", [None, np.arange(100) // 4])
def test_units_are_dealt_out_whole_and_none_is_lost(groups, monkeypatch):
    monkeypatch.setattr(rows, "MOST_UNITS", 7)
    values = np.random.default_rng(0).exponential(size=100)
    units = Units.of(values, groups)
    assert len(units.sums) == 7
    assert units.counts.sum() == 100
    assert units.sums.sum() == pytest.approx(values.sum())
    if groups is not None:
        assert not (units.counts % 4).any()


def test_the_mean_over_new_rows_is_in_its_range_in_about_95_of_100_cases():
    """A false alarm is rarer than 10^-9: 1,000 cases of 0.95 have a deviation of 0.7 %, and the bounds are 6 of them away."""
    rng, inside = np.random.default_rng(0), 0
    for _ in range(1000):
        values, new = rng.exponential(size=100), rng.exponential(size=25)
        got = mean_of_new_rows(values, 25)
        inside += got.low <= new.mean() <= got.high
    assert 0.90 < inside / 1000 < 0.992


def test_what_has_no_spread_has_a_point_and_what_is_infinite_or_alone_tells_nothing():
    same = mean_interval(np.full(9, 0.3))
    assert (same.low, same.mean, same.high) == pytest.approx((0.3, 0.3, 0.3))
    for values, groups in (([0.1, np.inf], None), ([0.4], None), ([0.1, 0.3], np.array([2, 2]))):
        for got in (mean_interval(np.array(values), groups), mean_of_new_rows(np.array(values), 2, groups)):
            assert (got.mean, got.low, got.high) == (pytest.approx(np.mean(values)), 0.0, np.inf)
    two = mean_interval(np.array([0.1, 0.3]))
    assert 0.1 <= two.low <= 0.2 <= two.high <= 0.3
