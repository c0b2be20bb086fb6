import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import train_test_split

from dropnorm.errors import ArgumentError, DataError
from dropnorm.study.data.dataset import Dataset, load_dataset
from dropnorm.study.data.splitting import (
    check_splits,
    check_splittable,
    part_sizes,
    split_rows,
    training_rows,
    with_batches,
)
from dropnorm.study.design import configure


def labelled(*counts: int) -> Dataset:
    """Rows of classes c0, c1, ..., so many of each."""
    y = np.repeat([f"c{index}" for index in range(len(counts))], counts)
    return load_dataset(np.arange(float(len(y)))[:, None], y)


def quantities(rows: int) -> Dataset:
    return load_dataset(np.arange(float(rows))[:, None], np.arange(rows) + 0.5)


def test_the_smallest_training_part_is_counted(blobs):
    X, y = blobs(rows=100)
    config = configure(seeds=4)
    assert training_rows(load_dataset(X, y), config) == 60
    groups = np.repeat(np.arange(8), [30, 20, 10, 10, 10, 10, 5, 5])
    dataset = load_dataset(X, y, group=groups)
    sizes = [len(split_rows(dataset, number, config).train) for number in range(4)]
    assert training_rows(dataset, config) == min(sizes) < max(sizes)


def test_the_parts_make_up_the_whole():
    config = configure(validation_size=0.1, test_size=0.25)
    assert part_sizes(3, config) == (1, 1, 1)
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


def test_fewer_rows_than_a_batch(refuses):
    message = (
        "data: 30 of its 50 rows are for training, fewer than one batch of 32. Use --batch-size 7 (batch_size= in "
        "Python), or add rows."
    )
    with refuses(DataError, message):
        with_batches(labelled(25, 25), configure(), given=True)
    assert with_batches(labelled(25, 25), configure(batch_size=30), given=True).batch_size == 30


@pytest.mark.parametrize(("rows", "batch"), [(25, 7), (20, 6), (10, 3), (6, 2), (27, 32)])
def test_few_rows_train_in_smaller_batches(rows, batch):
    assert with_batches(labelled(rows, rows), configure(), given=False).batch_size == batch


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [True, False])
def test_all_copies_of_a_row_are_in_one_part(seed, classes):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(80, 3)), np.arange(80) % 2
    rows = np.concatenate([np.arange(80), rng.integers(0, 80, size=60)])
    target = y if classes else X[:, 0] + 0.5
    dataset = load_dataset(X[rows], target[rows])
    assert dataset.kept_together(configure()) is not None
    assert dataset.kept_together(configure(copies="apart")) is None
    parts = vars(split_rows(dataset, seed, configure())).values()
    held = [set(rows[part].tolist()) for part in parts]
    assert sum(map(len, held)) == 80
    assert sorted(np.concatenate(list(parts)).tolist()) == list(range(140))
    if classes:
        for part in held:
            assert abs(np.mean([y[row] for row in part]) - 0.5) < 0.05


@pytest.mark.parametrize(("given", "together"), [({}, True), ({"test_size": 0.05}, False)])
def test_copies_of_a_class_with_too_few_different_rows_for_the_parts_go_where_chance_has_them(given, together):
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    dataset = load_dataset(np.tile(X, (4, 1)), np.tile(y, 4))
    assert (dataset.kept_together(configure(**given)) is not None) == together
    split_rows(dataset, 0, configure(**given))


def test_rows_without_copies_are_split_as_ever(blobs):
    X, y = blobs(rows=100)
    split = split_rows(load_dataset(X, y), 3, configure())
    assert (
        split.test[:5].tolist()
        == train_test_split(np.arange(100), test_size=20, random_state=3, stratify=y)[1][:5].tolist()
    )


def test_fewer_rows_than_parts(refuses):
    message = (
        "data: there are 2 rows to learn from: expected at least 3, so that training, validation and test part each get their "
        "own. Name another column, or add rows."
    )
    with refuses(DataError, message):
        check_splittable(load_dataset([[1.0], [2.0]], [0.5, 1.5], task="regression"), configure(batch_size=2))


def grouped(groups, y=None) -> Dataset:
    y = np.arange(len(groups)) % 2 if y is None else y
    return load_dataset(np.arange(float(len(groups)))[:, None], y, group=groups)


GROUPS = np.random.default_rng(0).choice(20, 200, p=np.arange(1, 21) / 210)


@pytest.mark.parametrize("seed", range(20))
def test_no_group_is_in_two_parts_and_no_row_is_left_out(seed):
    split = split_rows(grouped(GROUPS), seed, configure())
    parts = [split.train, split.validation, split.test]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(200))
    train, validation, test = (set(GROUPS[part].tolist()) for part in parts)
    assert train.isdisjoint(validation)
    assert train.isdisjoint(test)
    assert validation.isdisjoint(test)
    groups = len(set(GROUPS.tolist()))
    assert (len(train), len(validation), len(test)) == part_sizes(groups, configure())


def test_seeds_test_on_different_groups():
    tested = [frozenset(GROUPS[split_rows(grouped(GROUPS), seed, configure()).test]) for seed in range(5)]
    assert len(set(tested)) == 5


def test_three_groups_are_one_for_each_part():
    groups = np.repeat([0, 1, 2], 20)
    split = split_rows(grouped(groups), 0, configure(test_size=0.45))
    assert [len(set(groups[part])) for part in (split.train, split.validation, split.test)] == [1, 1, 1]


def test_every_class_can_be_learned_from_some_group():
    """Of ten groups two hold all rows of a class; training always has one of them."""
    groups, y = np.repeat(np.arange(10), 10), np.repeat([1, 1, *[0] * 8], 10)
    for seed in range(20):
        assert set(y[split_rows(grouped(groups, y), seed, configure()).train]) == {0, 1}


def test_classes_that_no_split_by_groups_leaves_to_learn_from(refuses):
    message = (
        "data: of 100 splits by 'group' none has every class in its training part: expected classes that are spread over the "
        "groups. Use --rare merge or --rare drop."
    )
    groups = np.repeat([0, 1, 2], 20)
    with refuses(DataError, message):
        training_rows(grouped(groups, groups), configure(batch_size=2))


def test_too_few_groups(refuses):
    message = (
        "data: there are 2 groups of 'group': expected at least 3, so that training, validation and test part each get their "
        "own. Name another column, or add rows."
    )
    with refuses(DataError, message):
        check_splittable(grouped(np.repeat([0, 1], 20)), configure(batch_size=2))


def timed(times, y=None) -> Dataset:
    y = np.arange(len(times)) % 2 if y is None else y
    return load_dataset(np.arange(float(len(times)))[:, None], y, time=times)


@pytest.mark.parametrize("different", [200, 30, 7, 3])
def test_training_is_before_validation_before_test(different):
    times = np.random.default_rng(1).integers(0, different, 200)
    split = split_rows(timed(times), 0, configure())
    parts = [split.train, split.validation, split.test]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(200))
    assert times[split.train].max() < times[split.validation].min()
    assert times[split.validation].max() < times[split.test].min()
    if different == 200:
        # Ties are pairs or so: the parts are as large as they should be, up to those.
        np.testing.assert_allclose([len(part) for part in parts], [120, 40, 40], atol=4)


def test_by_time_all_seeds_have_one_split():
    dataset = timed(np.random.default_rng(1).permutation(60))
    first, other = (split_rows(dataset, seed, configure()) for seed in (0, 1))
    np.testing.assert_array_equal(first.train, other.train)
    np.testing.assert_array_equal(first.test, other.test)


def test_too_few_times(refuses):
    message = (
        "data: there are 2 different times of 'time': expected at least 3, so that training, validation and test part each get "
        "their own. Name another column, or add rows."
    )
    with refuses(DataError, message):
        check_splittable(timed([1, 2] * 20), configure(batch_size=2))


def test_a_class_that_comes_up_late(refuses):
    message = (
        "data: the training part, the 60 earliest rows by 'time', has no row of the class '1': expected rows of every class. "
        "Leave such classes' rows out."
    )
    times = np.arange(100)
    with refuses(DataError, message):
        training_rows(timed(times, (times > 70).astype(int)), configure())


def with_test(rows: int, tested: int, **given) -> Dataset:
    X = np.arange(float(rows + tested))[:, None]
    y = np.arange(rows + tested) % 2
    return load_dataset(X[:rows], y[:rows], test=(X[rows:], y[rows:]), **given)


def test_a_given_test_part_is_that_of_every_seed_and_nothing_else():
    dataset = with_test(100, 30)
    splits = [split_rows(dataset, seed, configure()) for seed in (0, 1)]
    for split in splits:
        np.testing.assert_array_equal(split.test, np.arange(100, 130))
        assert (len(split.train), len(split.validation)) == (80, 20)
        assert dataset.targets[split.validation].mean() == 0.5
        np.testing.assert_array_equal(np.sort(np.concatenate([split.train, split.validation])), np.arange(100))
    assert set(splits[0].validation) != set(splits[1].validation)


@pytest.mark.parametrize("kind", ["group", "time"])
def test_groups_and_times_split_what_a_given_test_part_leaves(kind):
    frame = pl.DataFrame({"x": np.arange(120.0), "unit": np.arange(120) // 10, "y": np.arange(120) % 2})
    dataset = load_dataset(frame[:90], target="y", test=frame[90:], **{kind: "unit"})
    split = split_rows(dataset, 0, configure())
    np.testing.assert_array_equal(split.test, np.arange(90, 120))
    units = [set(frame["unit"].gather(part)) for part in (split.train, split.validation)]
    assert units[0].isdisjoint(units[1])
    assert [len(one) for one in units] == [7, 2]
    if kind == "time":
        assert max(units[0]) < min(units[1])


def test_beside_a_given_test_part_two_parts_need_groups_of_their_own(refuses):
    frame = pl.DataFrame({"x": np.arange(60.0), "unit": np.repeat([1, 2], 30), "y": np.arange(60) % 2})
    dataset = load_dataset(frame[:30], target="y", test=frame[30:], group="unit")
    message = (
        "data: there are 1 groups of 'unit': expected at least 2, so that training and validation part each get their own. "
        "Name another column, or add rows."
    )
    with refuses(DataError, message):
        check_splittable(dataset, configure(batch_size=2))


@pytest.mark.parametrize("kind", ["group", "time"])
def test_the_first_rows_to_learn_from_are_a_fair_sample(kind):
    # Learning curves are measured on the first of them. By chance two halves of 600 ordered rows, whose means differ by about
    # 300 in order, differ by 300 * sqrt(1 / 3 / 150) = 14 in no order.
    rows = np.arange(1000)
    given = {kind: rows // 2 if kind == "group" else rows}
    train = split_rows(load_dataset(rows[:, None].astype(float), rows % 2, **given), 0, configure()).train
    half = len(train) // 2
    assert abs(train[:half].mean() - train[half:].mean()) < 100


def test_rows_in_time_have_one_split(refuses):
    data = load_dataset(np.arange(30.0)[:, None], np.arange(30) % 2, time=np.arange(30))
    assert check_splits(data, configure(seeds=4)).splits == 1
    assert check_splits(data, configure(seeds=4)).repetitions == 4
    assert check_splits(data, configure(splits=1, seeds=4)).splits == 1
    message = (
        "splits=3 is given beside time: expected one split, as rows have one order in time. Leave splits out; seeds=4 nets "
        "then differ in weights and order."
    )
    with refuses(ArgumentError, message):
        check_splits(data, configure(splits=3, seeds=4))


def test_one_split_of_many_is_refused_unless_the_test_part_is_given(refuses):
    message = (
        "splits=1 is one of many that chance could make, and says nothing of others: expected at least 2, unless a test part "
        "or an order in time is given. Use splits=5."
    )
    with refuses(ArgumentError, message):
        check_splits(DATA, configure(splits=1))
    test = (np.arange(4.0)[:, None] + 50, np.arange(4) % 2)
    tested = load_dataset(np.arange(30.0)[:, None], np.arange(30) % 2, test=test)
    for config in (configure(splits=1), configure(), configure(splits=3)):
        assert check_splits(tested, config) == config
    assert check_splits(DATA, configure(splits=2)) == configure(splits=2)


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_a_metric_that_ranks_takes_two_classes_in_each_part(metric, refuses):
    X, groups = np.random.default_rng(0).normal(size=(240, 2)), np.arange(240) // 40
    for y, ordered in (
        (np.where(groups < 4, 0, np.arange(240) % 2), {"group": groups}),
        (np.where(np.arange(240) < 190, np.arange(240) % 2, 1), {"time": np.arange(240)}),
    ):
        dataset = load_dataset(X, y, **ordered)
        check_splittable(dataset, configure(seeds=5, metric="log_loss"))
        with pytest.raises(
            DataError, match=f"metric='{metric}' is not defined on the (validation|test) part of split "
        ):
            check_splittable(dataset, configure(seeds=5, metric=metric))
    check_splittable(load_dataset(X, np.arange(240) % 2, group=groups), configure(seeds=5, metric=metric))
