"""Two levels of repetition: what is averaged, what is corrected, and how often a true hypothesis is rejected."""

import numpy as np
import pytest

from dropnorm.study.design import configure
from dropnorm.study.records import DataDescription
from dropnorm.study.statistics.intervals import p_value
from dropnorm.study.statistics.resampling import Resampling


@pytest.fixture
def described() -> DataDescription:
    return DataDescription(
        name="data",
        task="classification",
        target="y",
        fingerprint="",
        rows=100,
        columns=2,
        features=2,
        classes=("a", "b"),
        class_rows=(50, 50),
        quantity=None,
        train_rows=60,
        validation_rows=20,
        test_rows=20,
    )


def test_each_seed_is_a_split_of_its_own_by_default(described):
    got = Resampling.of(described, configure(seeds=7))
    assert got == Resampling(splits=7, seeds=1, test_share=0.25, validation_share=pytest.approx(1 / 3))
    assert got.tested([1.0, 2.0, 3.0], 0.1) == ([1.0, 2.0, 3.0], 0.25, 0.1)
    assert got.unit == "seeds"


def test_several_seeds_of_a_split_count_by_their_mean(described):
    got = Resampling.of(described, configure(splits=2, seeds=4))
    assert (got.splits, got.seeds, got.unit) == (2, 4, "splits")
    sample = got.tested([1.0, 2.0, 3.0, 4.0, 10.0, 10.0, 10.0, 14.0], 0.1)
    assert sample == ([2.5, 11.0], 0.25, pytest.approx(0.05))
    assert got.validated([0.0] * 4 + [1.0] * 4) == ([0.0, 1.0], pytest.approx(1 / 3), 0.0)


def test_of_one_split_the_seeds_count_and_nothing_is_corrected(described):
    got = Resampling.of(described, configure(splits=1, seeds=5))
    assert got == Resampling(splits=1, seeds=5, test_share=0.0, validation_share=0.0)
    assert got.tested([1.0, 2.0, 3.0, 4.0, 5.0]) == ([1.0, 2.0, 3.0, 4.0, 5.0], 0.0, 0.0)
    assert got.unit == "seeds"


def test_the_size_of_a_given_test_part_has_no_say(described):
    given = described.model_copy(update={"given_test": True, "test_rows": 100_000})
    got = Resampling.of(given, configure(seeds=5))
    assert (got.test_share, got.validation_share) == (pytest.approx(1 / 3), pytest.approx(1 / 3))


def threshold_errors(rng, rows: int, splits: int, seeds: int) -> np.ndarray:
    """Differences of test error between two learners that are exactly as good as each other, (splits, seeds).

    Both learn a threshold between the class means, one of the first feature and one of the second; the two features are
    exchangeable, and so are the learners over all data sets, but on any one of them one is better. Split at random, 64 % of
    the rows to learn from and 20 % to test; a seed draws its own half of the former.
    """
    labels = np.arange(rows) % 2
    features = rng.standard_normal((rows, 2)) + labels[:, None]
    differences = np.empty((splits, seeds))
    for split in range(splits):
        order = rng.permutation(rows)
        train, test = order[: rows * 4 // 5], order[rows * 4 // 5 :]
        for seed in range(seeds):
            mine = rng.permutation(train)[: len(train) // 2]
            means = [features[mine][labels[mine] == label].mean(axis=0) for label in (0, 1)]
            wrong = (features[test] > (means[0] + means[1]) / 2) != labels[test][:, None]
            differences[split, seed] = np.subtract(*wrong.mean(axis=0))
    return differences


def test_two_equal_learners_are_seldom_found_different():
    """On 400 data sets: 5.0 % with the correction over splits, and 46 % with all 15 nets pooled as though independent.

    At a true rate of 5 %, more than 45 of 400 have a chance below 1e-6.
    """
    rng, splits, seeds = np.random.default_rng(3), 5, 3
    resampling = Resampling(splits=splits, seeds=seeds, test_share=0.25, validation_share=0.25)
    found = [threshold_errors(rng, 100, splits, seeds).ravel().tolist() for _ in range(400)]
    corrected = np.mean([p_value(*resampling.tested(values)) < 0.05 for values in found])
    pooled = np.mean([p_value(values, 0.0) < 0.05 for values in found])
    assert corrected <= 45 / 400
    assert pooled > 0.25


@pytest.mark.parametrize("seed_noise", [0.0, 1.0, 3.0])
def test_the_seeds_own_noise_makes_it_reject_less_and_never_more(seed_noise):
    """Splits correlated as the correction supposes, share / (1 + share), and seeds with noise of their own.

    4000 repetitions with a fixed seed; a bound of five standard errors, a false alarm below 1e-6.
    """
    repetitions, splits, seeds, share = 4000, 5, 4, 0.25
    correlation = share / (1 + share)
    resampling = Resampling(splits=splits, seeds=seeds, test_share=share, validation_share=share)
    rng = np.random.default_rng(11)
    common = correlation**0.5 * rng.standard_normal((repetitions, 1, 1))
    own = (1 - correlation) ** 0.5 * rng.standard_normal((repetitions, splits, 1))
    values = common + own + seed_noise * rng.standard_normal((repetitions, splits, seeds))
    rejected = np.mean([p_value(*resampling.tested(row.ravel().tolist())) < 0.05 for row in values])
    bound = 5 * (0.95 * 0.05 / repetitions) ** 0.5
    assert rejected < 0.05 + bound
    if seed_noise == 0.0:
        assert rejected > 0.05 - bound
    # As though every net were independent, where split and not seed decides, a multiple of that is rejected.
    if seed_noise == 0.0:
        pooled = np.mean([p_value(row.ravel().tolist(), 0.0) < 0.05 for row in values[:500]])
        assert pooled > 0.4
