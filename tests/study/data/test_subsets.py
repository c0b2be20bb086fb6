from itertools import pairwise

import numpy as np
import pytest
import torch

import dropnorm as dn
from dropnorm.errors import DataError
from dropnorm.study.conclusions.learning_curve import FRACTIONS
from dropnorm.study.data.class_weights import balanced_weights
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.parts import Parts
from dropnorm.study.data.standardization import Standardization
from dropnorm.study.data.subsets import check_learning_curve, nested_rows, reduced_parts, usable_fractions
from dropnorm.study.design import configure


@pytest.fixture(scope="module")
def wine():
    return load_dataset("wine")


def test_each_smaller_part_lies_within_each_larger_one_and_keeps_the_classes(wine):
    train = np.random.default_rng(0).permutation(wine.rows)[:120]
    parts = [set(nested_rows(wine, train, fraction, 0).tolist()) for fraction in (*FRACTIONS, 1.0)]
    for smaller, larger in pairwise(parts):
        assert smaller < larger
    assert parts[-1] == set(train.tolist())
    labels = wine.targets[train]
    for part, fraction in zip(parts, FRACTIONS, strict=False):
        counts = np.bincount(wine.targets[list(part)], minlength=3)
        assert np.abs(counts - fraction * np.bincount(labels)).max() <= 0.5


def test_a_class_of_one_row_keeps_it(blobs):
    X, _ = blobs(rows=40)
    y = np.array([0] * 38 + [1] + [0])
    dataset = load_dataset(X, np.where(y, "rare", "common"))
    assert 38 in nested_rows(dataset, np.arange(40), 1 / 16, 0)


def test_a_quantitys_rows_are_the_first_of_the_split():
    dataset = load_dataset("diabetes")
    train = np.random.default_rng(1).permutation(dataset.rows)
    assert np.array_equal(nested_rows(dataset, train, 0.25, 0), train[: round(0.25 * len(train))])


def test_groups_stay_whole(blobs):
    X, y = blobs(rows=120)
    groups = np.arange(120) // 5
    dataset = load_dataset(X, y, group=groups)
    train = np.arange(100)
    parts = [nested_rows(dataset, train, fraction, seed=3) for fraction in (0.25, 0.5)]
    assert [len(part) for part in parts] == [25, 50]
    for part in parts:
        assert all(np.isin(np.flatnonzero(groups == group), part).all() for group in np.unique(groups[part]))
    assert np.isin(parts[0], parts[1]).all()


def test_reduced_parts_learn_from_their_rows_alone_for_as_many_steps(wine):
    config = configure(seeds=2, batch_size=16)
    parts = Parts.prepare(wine, config)
    reduced = reduced_parts(parts, wine, 0.25)
    assert reduced.steps_per_epoch(16) == parts.steps_per_epoch(16)
    for seed, (split, own) in enumerate(zip(parts.splits, reduced.splits, strict=True)):
        rows = nested_rows(wine, split.train, 0.25, seed)
        assert set(own.train.tolist()) == set(rows.tolist())
        # Repeated as a whole: no row is there two times more often than another.
        counts = np.bincount(own.train)[rows]
        assert counts.max() - counts.min() <= 1
        assert np.array_equal(own.test, split.test)
        assert np.array_equal(own.validation, split.validation)
        # Means and scales are those of the fraction, each of its rows counted once.
        expected = Standardization.learn(wine.features, rows).apply(wine.features[split.validation])
        got, _ = reduced.take(torch.tensor([seed]), torch.from_numpy(split.validation)[None])
        assert np.allclose(got[0], expected, rtol=1e-4, atol=1e-4)


def test_a_quantity_is_standardized_by_the_fraction_too():
    dataset = load_dataset("diabetes")
    reduced = reduced_parts(Parts.prepare(dataset, configure(seeds=2)), dataset, 0.5)
    rows = torch.from_numpy(np.unique(reduced.splits[1].train))
    _, targets = reduced.take(torch.tensor([1]), rows[None])
    assert float(targets.mean()) == pytest.approx(0.0, abs=1e-5)
    assert float(targets.double().std(correction=0)) == pytest.approx(1.0, abs=1e-5)
    assert float(reduced.target_scale[1]) == pytest.approx(float(dataset.targets[rows].std()))


def test_seeds_of_one_split_learn_from_the_same_groups(blobs):
    X, y = blobs(rows=120)
    dataset = load_dataset(X, y, group=np.arange(120) // 4)
    parts = reduced_parts(Parts.prepare(dataset, configure(splits=2, seeds=2, batch_size=8)), dataset, 0.5)
    first, second, third, _ = (split.train for split in parts.splits)
    assert np.array_equal(first, second)
    assert set(first.tolist()) != set(third.tolist())


def test_fractions_are_usable_that_hold_a_batch():
    assert usable_fractions(1077, 32) == FRACTIONS
    assert usable_fractions(300, 32) == (1 / 8, 1 / 4, 1 / 2)
    assert usable_fractions(60, 32) == ()


def test_a_training_part_too_small_for_any_fraction_is_refused(wine):
    check_learning_curve(wine, configure(batch_size=64))
    with pytest.raises(DataError) as raised:
        check_learning_curve(wine, configure(batch_size=64, learning_curve=True))
    assert str(raised.value) == (
        "wine: learning_curve is asked for, and half of its 106 training rows are fewer than one batch of 64. "
        "Use --batch-size 13 (batch_size= in Python), or leave it out."
    )


def test_weights_of_classes_are_learned_from_the_fraction_too():
    y = np.repeat([0, 1], [170, 30])
    dataset = load_dataset(np.random.default_rng(0).normal(size=(200, 3)), y)
    whole = Parts.prepare(dataset, configure(seeds=2, class_weight="balanced"))
    reduced = reduced_parts(whole, dataset, 1 / 16)
    for seed, split in enumerate(reduced.splits):
        rows = np.unique(split.train)
        expected = balanced_weights(dataset.targets, rows, 2)
        np.testing.assert_allclose(reduced.class_weights[seed].numpy(), expected)
        assert not np.allclose(expected, whole.class_weights[seed].numpy(), rtol=1e-3)


STUDY = {"seeds": 2, "epochs": 2, "hidden": (8,), "batch_size": 16, "dropout": (0.2, 0.5)}


@pytest.mark.parametrize("data", ["wine", "diabetes"])
def test_a_learning_curve_leaves_the_study_itself_as_it_is(data):
    without = dn.run_study(data, **STUDY)
    study = dn.run_study(data, learning_curve=True, **STUDY)
    assert study.run.nets == without.run.nets
    assert study.run.epochs == without.run.epochs
    assert study.summary.arms == without.summary.arms
    assert study.summary.verdict == without.summary.verdict
    assert without.summary.learning_curve == ()
    curve = study.summary.learning_curve
    rows = sorted({point.rows for point in curve})
    assert rows[-1] == study.summary.data.train_rows
    assert len(rows) == (3 if data == "wine" else 5)
    assert len(study.run.curve_nets) == (len(rows) - 1) * len(without.run.nets)
    last = {point.arm: point for point in curve if point.fraction == 1.0}
    for arm in study.summary.arms:
        assert last[arm.arm].test_score == arm.test_score
        assert last[arm.arm].difference == (arm.comparison and arm.comparison.interval)
