import numpy as np
import pytest

from dropnorm.study.data.copies import find_copies

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 3)), np.arange(60) % 2


def test_rows_that_are_there_once_are_no_copies():
    assert find_copies(X, Y) is None
    assert find_copies(X[:1], Y[:1]) is None
    # The same features with another target are another row.
    assert find_copies(np.concatenate([X, X]), np.concatenate([Y, 1 - Y])) is None


@pytest.mark.parametrize("times", [2, 4])
def test_a_table_that_is_there_several_times_is_so_by_mistake(times):
    found = find_copies(np.tile(X, (times, 1)), np.tile(Y, times))
    assert (found.repeated, found.by_mistake) == (60 * times, True)
    np.testing.assert_array_equal(found.groups, np.tile(np.arange(60), times))


def test_gaps_and_signs_of_zero_are_alike():
    features = np.array([[np.nan, 0.0], [np.nan, -0.0], [1.0, 0.0], *RNG.normal(size=(60, 2)).tolist()])
    found = find_copies(features, np.linspace(0, 1, 63).round(0))
    assert found is not None
    assert found.groups[0] == found.groups[1] != found.groups[2]
    assert found.repeated == 2


def test_rows_of_few_coarse_values_are_alike_by_nature():
    coarse = RNG.integers(0, 3, size=(400, 3)).astype(float)
    assert not find_copies(coarse, RNG.integers(0, 2, size=400)).by_mistake
    # Of a hundred different rows, with several targets each.
    many = RNG.integers(0, 5, size=(2000, 3)).astype(float)
    assert not find_copies(many, RNG.integers(0, 2, size=2000)).by_mistake


def test_different_rows_of_the_rarest_class_are_counted():
    features, targets = np.concatenate([X, np.tile(X[:3], (4, 1))]), np.concatenate([Y, np.full(12, 2)])
    assert find_copies(features, targets).fewest == 3
    assert find_copies(np.tile(X, (2, 1)), np.tile(X[:, 0], 2)).fewest == 60


@pytest.mark.parametrize("different", [15, 30])
def test_few_different_rows_that_are_there_four_times_are_so_by_mistake(different):
    found = find_copies(np.tile(X[:different], (4, 1)), np.tile(Y[:different], 4))
    assert (found.repeated, found.by_mistake, found.fewest) == (4 * different, True, different // 2)


def test_quantities_have_copies_too():
    found = find_copies(np.concatenate([X, X[:5]]), np.concatenate([X[:, 0], X[:5, 0]]))
    assert (found.repeated, found.by_mistake) == (10, True)
