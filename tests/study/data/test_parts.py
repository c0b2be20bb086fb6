from dataclasses import replace

import numpy as np
import pytest
import torch

from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.parts import Parts, standardize_target
from dropnorm.study.data.splitting import split_rows
from dropnorm.study.design import configure


@pytest.fixture(scope="module")
def prepared(table):
    dataset, config = load_dataset(table, target="kind"), configure(seeds=3)
    return dataset, config, Parts.prepare(dataset, config)


def test_each_seed_has_its_own_split(prepared):
    dataset, config, parts = prepared
    assert len(parts.splits) == 3
    for seed, split in enumerate(parts.splits):
        expected = split_rows(dataset, seed, config)
        for part in ("train", "validation", "test"):
            np.testing.assert_array_equal(getattr(split, part), getattr(expected, part))
            np.testing.assert_array_equal(parts.index([2, seed], part)[0][1].numpy(), getattr(expected, part))


def test_seeds_of_one_split_share_its_rows(table):
    dataset, config = load_dataset(table, target="kind"), configure(splits=2, seeds=3)
    parts = Parts.prepare(dataset, config)
    assert len(parts.splits) == 6
    for seed, split in enumerate(parts.splits):
        np.testing.assert_array_equal(split.train, split_rows(dataset, seed // 3, config).train)


def test_each_seed_is_standardized_with_its_own_training_part_alone(prepared):
    dataset, _, parts = prepared
    for seed, split in enumerate(parts.splits):
        rows = torch.arange(dataset.rows)[None]
        features, labels = parts.take(torch.tensor([seed]), rows)
        train = dataset.features[split.train]
        expected = (dataset.features - np.nanmean(train, axis=0)) / np.nanstd(train, axis=0)
        np.testing.assert_allclose(features[0].numpy(), np.nan_to_num(expected), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(labels[0].numpy(), dataset.targets)


def test_a_missing_number_is_zero_beside_the_feature_that_says_so(prepared, table):
    _, _, parts = prepared
    missing = torch.from_numpy(table["height"].is_null().to_numpy())
    features, _ = parts.take(torch.tensor([1]), torch.arange(table.height)[None])
    height, said = features[0, :, 1], features[0, :, 2]
    assert not height[missing].any()
    assert height[~missing].all()
    assert (said[missing] > 0).all()
    assert (said[~missing] < 0).all()


def test_every_net_takes_the_rows_of_its_own_seed(prepared):
    _, _, parts = prepared
    rows = torch.tensor([[4, 2], [9, 9]])
    features, labels = parts.take(torch.tensor([2, 0]), rows)
    assert features.shape == (2, 2, 8)
    for net, seed in enumerate((2, 0)):
        alone, _ = parts.take(torch.tensor([seed]), torch.arange(120)[None])
        assert torch.equal(features[net], alone[0, rows[net]])
    np.testing.assert_array_equal(labels.numpy(), np.arange(120)[rows] % 3)


@pytest.fixture(scope="module")
def quantity():
    """A regression's data: prices around 300, and what they depend on."""
    X = np.random.default_rng(0).normal(size=(60, 2))
    return load_dataset(X, 300 + 50 * X[:, 0] + np.random.default_rng(1).normal(size=60))


def test_a_quantity_is_standardized_by_the_training_part_of_each_seed_alone(quantity):
    config = configure(seeds=2)
    parts = Parts.prepare(quantity, config)
    for seed, split in enumerate(parts.splits):
        train = quantity.targets[split.train]
        _, targets = parts.take(torch.tensor([seed]), torch.arange(60)[None])
        assert targets.dtype == torch.float32
        np.testing.assert_allclose(
            targets[0].numpy(), (quantity.targets - train.mean()) / train.std(), rtol=1e-4, atol=1e-5
        )
        assert float(parts.target_scale[seed]) == pytest.approx(train.std())
        values, mean, scale = standardize_target(quantity, split)
        np.testing.assert_allclose(values * scale + mean, quantity.targets, rtol=1e-6)
        test = quantity.targets[split.test]
        assert parts.target_variance(seed, "test") == pytest.approx(test.var() / train.var(), rel=1e-5)


def test_classes_stay_as_they_are(prepared):
    dataset, _, parts = prepared
    values, mean, scale = standardize_target(dataset, parts.splits[0])
    assert values is dataset.targets
    assert (mean, scale, parts.target_scale.tolist()) == (0.0, 1.0, [1.0] * 3)


def test_a_quantity_that_is_constant_in_training_has_a_scale_of_one():
    dataset = replace(load_dataset(np.eye(40), np.arange(40.0) + 0.5), targets=np.full(40, 7.0))
    values, mean, scale = standardize_target(dataset, split_rows(dataset, 0, configure()))
    assert (set(values.tolist()), mean, scale) == ({0.0}, 7.0, 1.0)


def test_smaller_parts_are_filled_up_and_counted():
    groups = np.repeat(np.arange(9), np.arange(9, 0, -1) * 3)
    dataset = load_dataset(np.arange(135.0)[:, None], np.arange(135) % 2, group=groups)
    config = configure(seeds=4)
    parts = Parts.prepare(dataset, config)
    rows, sizes = parts.index([3, 0, 2], "test")
    splits = [split_rows(dataset, seed, config) for seed in (3, 0, 2)]
    assert sizes.tolist() == [len(split.test) for split in splits]
    assert len(set(sizes.tolist())) > 1
    assert rows.shape == (3, max(sizes))
    for own, size, split in zip(rows.numpy(), sizes.tolist(), splits, strict=True):
        np.testing.assert_array_equal(own[:size], split.test)
        assert set(own[size:]) <= {split.test[0]}
    trained = [len(split_rows(dataset, seed, config).train) for seed in range(4)]
    assert trained[0] > min(trained), "the first seed does not decide"
    assert parts.steps_per_epoch(1) == min(trained)
    assert parts.steps_per_epoch(10) == min(trained) // 10
    assert parts.sizes[0] == round(np.mean(trained))


def test_rows_weigh_by_their_class_among_the_training_rows_of_each_seed():
    y = np.repeat([0, 1], [50, 10])
    dataset = load_dataset(np.random.default_rng(0).normal(size=(60, 2)), y)
    parts = Parts.prepare(dataset, configure(seeds=2, class_weight="balanced"))
    for seed, split in enumerate(parts.splits):
        targets = parts.targets[torch.from_numpy(split.train)][None]
        weights = parts.take_weights(torch.tensor([seed]), targets)[0].numpy()
        assert weights[targets[0] == 1].sum() == pytest.approx(len(split.train) / 2)
        assert weights[targets[0] == 0].sum() == pytest.approx(len(split.train) / 2)
    assert Parts.prepare(dataset, configure(seeds=2)).take_weights(torch.tensor([0]), targets) is None
