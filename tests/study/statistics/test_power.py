import math

import numpy as np
import pytest
from scipy import stats

from dropnorm.study.records import Power
from dropnorm.study.statistics.intervals import p_value
from dropnorm.study.statistics.power import needed_to_see, power


def test_power_of_the_plain_t_test_is_that_of_a_printed_table():
    # Cohen 1988, table 2.3.5 and G*Power: one sample, d = 0.5, n = 34 has 80.8 %; n = 33 has 79.6 %.
    assert power(0.5, 1.0, 0.0, 34) == pytest.approx(0.808, abs=5e-4)
    assert power(0.5, 1.0, 0.0, 33) < 0.8


def test_power_is_how_often_the_corrected_test_finds_what_is_there():
    """Splits correlated as supposed; 4000 repetitions, a bound of five standard errors, a false alarm below 1e-6."""
    share, count, repetitions = 0.25, 6, 4000
    correlation = share / (1 + share)
    rng = np.random.default_rng(2)
    common = correlation**0.5 * rng.standard_normal((repetitions, 1))
    values = 1.5 + common + (1 - correlation) ** 0.5 * rng.standard_normal((repetitions, count))
    # The sample's own variance is that of what the splits do not share.
    expected = power(1.5, (1 - correlation) ** 0.5, share, count)
    found = np.mean([p_value(row, share) < 0.05 for row in values])
    assert 0.2 < expected < 0.98
    assert abs(found - expected) < 5 * (expected * (1 - expected) / repetitions) ** 0.5


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_as_many_as_needed_suffice_and_one_less_does_not(share):
    values = [2.0, 3.0, 4.0, 1.0]
    got = needed_to_see(values, share)
    deviation = np.std(values, ddof=1)
    assert power(2.5, deviation, share, got.needed) >= 0.8 > power(2.5, deviation, share, got.needed - 1)
    assert got.rows_factor is None


def test_where_no_number_suffices_more_rows_would():
    values, share = [0.2, 1.2, -0.5, 0.6], 0.25
    got = needed_to_see(values, share)
    deviation, mean = np.std(values, ddof=1), np.mean(values)
    assert got.needed is None
    assert got.at_best == pytest.approx(power(mean, deviation, share, 10**7), abs=1e-4)
    assert got.at_best < 0.8
    # With so many times the rows, the deviation is just small enough for ever more splits.
    assert power(mean, deviation / math.sqrt(got.rows_factor), share, 10**7) == pytest.approx(0.8, abs=1e-3)


def test_no_difference_is_never_seen():
    got = needed_to_see([0.0, 0.0], 0.25, 0.1)
    assert got == Power(needed=None, at_best=got.at_best, rows_factor=None)
    assert got.at_best == pytest.approx(0.05)
    assert needed_to_see([0.1, math.inf], 0.25).needed is None


def test_a_difference_without_variance_is_seen_at_once():
    assert needed_to_see([0.5, 0.5], 0.25).needed == 2


def test_a_tiny_difference_without_overlap_takes_very_many():
    assert needed_to_see([1.0, -1.0, 0.004], 0.0).needed is None
    needed = needed_to_see([1.0, -1.0, 0.3], 0.0).needed
    # Of many, the normal distribution's: (1.96 + 0.8416)^2 * variance / difference^2
    assert needed == pytest.approx(7.849 * np.var([1.0, -1.0, 0.3], ddof=1) / 0.1**2, rel=0.02)
    assert stats.norm.ppf(0.8) == pytest.approx(0.8416, abs=1e-4)
