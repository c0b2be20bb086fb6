import pytest
import torch
from scipy import stats

from dropnorm.kernels import cpu

# Each test fails by bad luck with about this probability, split evenly among the comparisons that it makes (Bonferroni);
# the laws that stand in for exact ones keep it under 1e-6. Keys are fixed, so that a test fails always or never.
FALSE_ALARM = 1e-7
ROWS, COLUMNS = 2048, 1024
RATES = [0.5, 0.03, 0.75, 1 / 3, 2.0**-9, 1 - 2.0**-9]


def drops(p, key=0, site=0, rows=ROWS, columns=COLUMNS):
    """Who is dropped, as bool (rows, columns)."""
    return cpu.dropout(torch.ones(rows, columns), [p], torch.tensor(key), site, None, False) == 0


def assert_plausible(statistic, law, comparisons=1):
    """The statistic is in neither tail: a fit that is too good is a fault as well."""
    tail = FALSE_ALARM / comparisons / 2
    statistic = torch.as_tensor(statistic, dtype=torch.float64)
    assert law.ppf(tail) <= float(statistic.min())
    assert float(statistic.max()) <= law.isf(tail)


def assert_fits(counts, of, p, comparisons=1):
    """Counts of drops among `of` units each are binomial: their sum, and by chi-square their spread."""
    counts = counts.double()
    cells = counts.numel()
    assert_plausible(counts.sum(), stats.binom(cells * of, p), 2 * comparisons)
    chi_square = (counts - of * p).square().sum() / (of * p * (1 - p))
    # Exact variance, and not chi-square's: the counts of rare drops are not quite normal.
    variance = cells * (2 + (1 - 6 * p * (1 - p)) / (of * p * (1 - p)))
    assert_plausible(chi_square, stats.gamma(cells**2 / variance, scale=variance / cells), 2 * comparisons)


def assert_independent(first, second, p, comparisons=1):
    """Chi-square with three degrees of freedom of the four ways in which a pair of units can fall."""
    pairs = torch.bincount((2 * first.int() + second.int()).flatten(), minlength=4).double()
    shares = torch.tensor([(1 - p) ** 2, p * (1 - p), p * (1 - p), p * p], dtype=torch.float64)
    expected = shares * pairs.sum()
    assert_plausible((pairs - expected).square().div(expected).sum(), stats.chi2(3), comparisons)


def assert_lags_independent(dropped, dim, lags, p):
    """Pairs that lie `lag` apart, none of which shares a unit with another."""
    for lag in lags:
        for start in (0, lag):
            count = (dropped.shape[dim] - start) // (2 * lag)
            pairs = dropped.narrow(dim, start, count * 2 * lag).unflatten(dim, (count, 2, lag))
            assert_independent(*pairs.unbind(dim + 1), p, 2 * len(lags))


@pytest.mark.parametrize("p", RATES)
def test_drops_are_spread_evenly(p):
    dropped = drops(p)
    assert_fits(dropped.sum(0), ROWS, p, 3)
    assert_fits(dropped.sum(1), COLUMNS, p, 3)
    blocks = dropped.reshape(ROWS // 32, 32, COLUMNS // 32, 32).sum((1, 3))
    assert_fits(blocks, 1024, p, 3)


def test_sixteen_bits_are_equally_often_each_of_their_values():
    # Raising p drops more of the same: the number of rates that keep a unit tells its draw.
    draws = sum((~drops(level / 64, rows=512)).int() for level in range(1, 64))
    counts = torch.bincount(draws.flatten(), minlength=64).double()
    expected = draws.numel() / 64
    assert_plausible((counts - expected).square().sum() / expected, stats.chi2(63))


@pytest.mark.parametrize("p", [0.5, 0.1, 0.9])
def test_a_column_tells_nothing_of_another(p):
    assert_lags_independent(drops(p), 1, (1, 2, 3, 16, 31, 32, 33, 64, 96, 127, 128, 256), p)


@pytest.mark.parametrize("p", [0.5, 0.1, 0.9])
def test_a_row_tells_nothing_of_another(p):
    assert_lags_independent(drops(p), 0, (1, 2, 3, 4, 8, 16, 64, 128, 512), p)


@pytest.mark.parametrize("columns", [1, 2, 15, 33])
def test_narrow_rows_tell_nothing_of_one_another(columns):
    dropped = drops(0.5, rows=400_000 // columns, columns=columns)
    assert_lags_independent(dropped.flatten(), 0, (1, 2, 15, 16, 17, 33), 0.5)


@pytest.mark.parametrize("start", [0, 2**32 - 4, -4, 2**62], ids=str)
def test_a_key_tells_nothing_of_the_next(start):
    masks = [drops(0.5, key=start + i, rows=512) for i in range(8)]
    pairs = [(i, j) for j in range(8) for i in range(j)]
    for i, j in pairs:
        assert_independent(masks[i], masks[j], 0.5, len(pairs))


def test_a_site_tells_nothing_of_the_next():
    masks = [drops(0.5, site=site, rows=512) for site in (0, 1, 2, 3, 4, 2**16, 2**30, 2**31 - 1)]
    pairs = [(i, j) for j in range(len(masks)) for i in range(j)]
    for i, j in pairs:
        assert_independent(masks[i], masks[j], 0.5, len(pairs))


def test_one_bit_of_the_key_turns_half_of_the_decisions():
    mask = drops(0.5, rows=128)
    for bit in range(64):
        key = 1 << bit if bit < 63 else -(2**63)
        turned = int((drops(0.5, key=key, rows=128) != mask).sum())
        assert_plausible(turned, stats.binom(mask.numel(), 0.5), 64)


def test_of_many_masks_a_unit_is_dropped_in_its_share():
    counts = sum(drops(0.3, key=key, rows=16, columns=600).int() for key in range(3000))
    assert_fits(counts, 3000, 0.3)
