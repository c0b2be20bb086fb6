import numpy as np
import pytest

from dropnorm.errors import DataError
from dropnorm.study.dataset import Dataset, load_dataset
from dropnorm.study.design import configure
from dropnorm.study.splitting import check_splittable, part_sizes, split_rows


def labelled(*counts: int) -> Dataset:
    """Rows of classes c0, c1, ..., so many of each."""
    y = np.repeat([f"c{index}" for index in range(len(counts))], counts)
    return load_dataset(np.arange(float(len(y)))[:, None], y)


def quantities(rows: int) -> Dataset:
    return load_dataset(np.arange(float(rows))[:, None], np.arange(rows) + 0.5)


def test_the_parts_make_up_the_whole():
    config = configure(validation_size=0.1, test_size=0.25)
    for rows in range(20, 200):
        train, validation, test = part_sizes(rows, config)
        assert train + validation + test == rows
        assert 0 <= validation - 0.1 * rows < 1
        assert 0 <= test - 0.25 * rows < 1


DATA = labelled(60, 30, 11)


@pytest.mark.parametrize("data", [DATA, quantities(101)], ids=["classes", "a quantity"])
@pytest.mark.parametrize("seed", range(5))
def test_a_split_is_disjoint_and_complete(seed, data):
    config = configure()
    split = split_rows(data, seed, config)
    parts = (split.train, split.validation, split.test)
    assert tuple(len(part) for part in parts) == part_sizes(101, config) == (59, 21, 21)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(101))


@pytest.mark.parametrize("seed", range(5))
def test_classes_are_stratified(seed):
    split = split_rows(DATA, seed, configure())
    for part in (split.train, split.validation, split.test):
        shares = np.bincount(DATA.targets[part], minlength=3) / len(part)
        np.testing.assert_allclose(shares, np.array([60, 30, 11]) / 101, atol=1.5 / len(part))


def test_a_seed_gives_its_split_again_and_another_seed_another():
    config = configure()
    first, again, other = (split_rows(DATA, seed, config) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.train, again.train)
    np.testing.assert_array_equal(first.test, again.test)
    assert set(first.test) != set(other.test)
    assert set(first.validation) != set(other.validation)


def test_the_smallest_classes_that_are_allowed_can_be_split():
    """Of every size that passes the check, each seed finds a split in which every part has every class."""
    for big in range(5, 60):
        data = labelled(big, 5, 5)
        for seed in range(3):
            split = split_rows(data, seed, configure())
            for part in (split.train, split.validation, split.test):
                assert set(data.targets[part]) == {0, 1, 2}


def test_a_class_too_rare_to_be_split(refuses):
    message = (
        "data: the class 'c1' of 'target' has 4 rows: expected at least 5, so that training, validation and test part "
        "each get one. Merge rare classes, or add rows."
    )
    with refuses(DataError, message):
        check_splittable(labelled(96, 4), configure())
    check_splittable(labelled(95, 5), configure())


def test_smaller_parts_need_more_rows_of_a_class(refuses):
    message = (
        "data: the class 'c1' of 'target' has 9 rows: expected at least 10, so that training, validation and test part "
        "each get one. Merge rare classes, or add rows."
    )
    with refuses(DataError, message):
        check_splittable(labelled(91, 9), configure(test_size=0.1))


def test_fewer_rows_than_a_batch(refuses):
    message = (
        "data: 30 of its 50 rows are for training, fewer than one batch of 32. Use --batch-size 7 (batch_size= in "
        "Python), or add rows."
    )
    with refuses(DataError, message):
        check_splittable(labelled(25, 25), configure())
    check_splittable(labelled(25, 25), configure(batch_size=30))
