import numpy as np
import pytest
import torch

from dropnorm.study.data import standardization
from dropnorm.study.data.scaling import FeatureGroup
from dropnorm.study.data.splitting import Split
from dropnorm.study.data.standardization import Standardization, StandardizedFeatures

NAN = np.nan


def test_training_features_get_mean_zero_and_deviation_one():
    features = np.random.default_rng(0).normal([5, -3, 1e4], [2, 0.1, 1], (50, 3))
    standardized = Standardization.learn(features, np.arange(len(features))).apply(features)
    assert standardized.dtype == np.float32
    np.testing.assert_allclose(standardized.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(standardized.std(axis=0), 1, rtol=1e-4)


def test_other_rows_are_measured_with_the_training_parts_mean_and_deviation():
    features = np.array([[2.0], [1.0], [5.0], [3.0]])
    standardization = Standardization.learn(features, np.array([3, 1]))
    assert standardization.apply(features).tolist() == [[0.0], [-1.0], [3.0], [1.0]]


def test_a_missing_value_is_left_out_of_the_mean_and_becomes_zero():
    features = np.array([[1.0], [NAN], [3.0]])
    assert Standardization.learn(features, np.arange(len(features))).apply(features).tolist() == [[-1.0], [0.0], [1.0]]


def test_a_feature_without_a_value_or_a_deviation_is_zero():
    features = np.array([[NAN, 7.0], [NAN, 7.0]])
    standardization = Standardization.learn(features, np.arange(len(features)))
    assert standardization.apply(features).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert np.isfinite(standardization.mean).all()
    assert standardization.apply(np.array([[5.0, 8.0]])).tolist() == [[0.0, 0.0]], "nothing was learned of it"


def test_an_absurd_value_is_cut_and_not_infinite():
    learned = Standardization(np.array([0.0]), np.array([1e-3]))
    assert learned.apply(np.array([[1e300], [-1e300], [1e-3]])).tolist() == [[1e6], [-1e6], [1.0]]


def test_many_columns_are_learned_as_one_by_one(monkeypatch):
    features = np.random.default_rng(1).normal(size=(40, 9))
    features[features > 1.5] = NAN
    rows = np.arange(5, 38)
    whole = Standardization.learn(features, rows)
    monkeypatch.setattr(standardization, "_VALUES_AT_ONCE", 70)
    by_two = Standardization.learn(features, rows)
    np.testing.assert_allclose(whole.mean, by_two.mean, rtol=1e-12)
    np.testing.assert_allclose(whole.scale, by_two.scale, rtol=1e-12)
    np.testing.assert_allclose(whole.mean, np.nanmean(features[rows], axis=0), rtol=1e-12)


def hard_features() -> np.ndarray:
    """Columns that a float32 would lose: far from zero, almost constant, with gaps, with one absurd value."""
    rng = np.random.default_rng(2)
    features = rng.normal(size=(90, 6))
    features[:, 0] = 1e9 + features[:, 0]
    features[:, 1] *= 1e-9
    features[::7, 2] = NAN
    features[3, 3] = 1e15
    features[:, 4] = rng.random(90) < 0.02
    features[:, 5] = 7.0
    return features


@pytest.mark.parametrize("chunk", [4096, 13])
def test_features_that_are_taken_are_those_of_each_seeds_standardization(chunk, monkeypatch):
    monkeypatch.setattr(standardization, "_ROWS_AT_ONCE", chunk)
    features = hard_features()
    splits = [Split(train=np.arange(s, 60 + s), validation=np.arange(5), test=np.arange(5)) for s in (0, 25)]
    held = StandardizedFeatures.prepare(features, splits, torch.device("cpu"))
    rows = torch.stack([torch.arange(90), torch.arange(90).flip(0)])
    taken = held.take(torch.tensor([1, 0]), rows).numpy()
    for net, seed in enumerate((1, 0)):
        expected = Standardization.learn(features, splits[seed].train).apply(features)[rows[net].numpy()]
        # float32 of the middle half's spread; where a training part has the absurd value, that is far below its deviation
        np.testing.assert_allclose(taken[net], expected, rtol=1e-5, atol=1e-5)


def test_new_rows_are_standardized_as_by_each_seed_alone():
    features = hard_features()
    learned = [Standardization.learn(features, np.arange(first, first + 60)) for first in (0, 25)]
    learned.append(Standardization(np.zeros(6), np.full(6, np.inf)))
    new = np.concatenate([features[::-1], np.full((1, 6), 1e99), np.full((1, 6), NAN)])
    taken = StandardizedFeatures.of_new_rows(new, learned).take(
        torch.arange(3), torch.arange(92).expand(3, -1).contiguous()
    )
    for net, expected in enumerate(one.apply(new) for one in learned):
        # Two roundings of float32, where `apply` has one.
        np.testing.assert_allclose(taken[net], expected, rtol=3e-7, atol=3e-7)


@pytest.mark.parametrize(
    ("changed", "dtype"),
    [(255.0, torch.uint8), (0.5, torch.float32), (256.0, torch.float32), (-1.0, torch.float32), (NAN, torch.float32)],
)
def test_bytes_stay_bytes_and_nothing_else_does(changed, dtype):
    features = np.random.default_rng(3).integers(0, 256, (50, 3)).astype(float)
    features[45, 1] = changed
    splits = [Split(train=np.arange(30), validation=np.arange(30, 40), test=np.arange(40, 50))]
    held = StandardizedFeatures.prepare(features, splits, torch.device("cpu"))
    assert held.base.dtype == dtype
    expected = Standardization.learn(features, splits[0].train).apply(features)
    np.testing.assert_allclose(held.take(torch.tensor([0]), torch.arange(50)[None])[0], expected, rtol=1e-5, atol=1e-5)


def test_the_features_of_a_group_keep_their_means_and_share_the_root_of_their_mean_variance():
    features = np.random.default_rng(4).normal([5, -3, 1e4, 0], [2, 0.1, 1, 9], (500, 4))
    group = FeatureGroup(np.array([0, 2, 1]), "image")
    learned = Standardization.learn(features, np.arange(400), [group])
    deviations = features[:400].std(axis=0)
    np.testing.assert_allclose(learned.mean, features[:400].mean(axis=0))
    np.testing.assert_allclose(learned.scale[:3], np.sqrt(np.mean(deviations[:3] ** 2)))
    np.testing.assert_allclose(learned.scale[3], deviations[3])
    together = learned.apply(features[:400])[:, :3]
    np.testing.assert_allclose(np.mean(together.astype(float) ** 2), 1, rtol=1e-5)


def test_a_constant_feature_of_a_group_stays_zero_and_has_no_say():
    features = np.array([[0.0, 7.0, 0.0], [2.0, 7.0, 6.0]])
    learned = Standardization.learn(features, np.arange(2), [FeatureGroup(np.arange(3), "image")])
    assert learned.scale.tolist() == [5**0.5, np.inf, 5**0.5]
    assert learned.apply(np.array([[1.0, 8.0, 3.0]])).tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize(("ones", "farthest"), [(1, 10), (5, 10), (10, 10), (50, 4.4), (500, 1)])
def test_what_hardly_varies_is_scaled_as_if_it_did_in_one_row_of_a_hundred(ones, farthest):
    features = np.zeros((1000, 2))
    features[:ones] = (1.0, 300.0)
    learned = Standardization.learn(features, np.arange(1000), ())
    np.testing.assert_allclose(learned.apply(features).max(axis=0), farthest, rtol=0.02)
    alone = Standardization.learn(features, np.arange(1000))
    np.testing.assert_allclose(alone.apply(features).max(axis=0), ((1000 - ones) / ones) ** 0.5, rtol=1e-5)
    if ones >= 10:
        np.testing.assert_array_equal(learned.scale, alone.scale, "an indicator of 1 % is as it was")


def test_gaps_are_not_what_rarely_varies():
    features = np.where(np.arange(1000) < 990, NAN, np.arange(1000.0))[:, None]
    rare = Standardization.learn(features, np.arange(1000), ()).scale
    np.testing.assert_array_equal(rare, Standardization.learn(features, np.arange(1000)).scale)


@pytest.mark.parametrize("column", [1.5 ** np.arange(600), np.random.default_rng(5).standard_cauchy(600)])
def test_heavy_tails_are_left_as_they_are(column):
    features = column[:, None]
    rows = np.arange(600)
    np.testing.assert_array_equal(
        Standardization.learn(features, rows, ()).scale, Standardization.learn(features, rows).scale
    )


def test_features_that_are_taken_share_the_scales_of_their_groups():
    features = hard_features()
    splits = [Split(train=np.arange(s, 60 + s), validation=np.arange(5), test=np.arange(5)) for s in (0, 25)]
    groups = (FeatureGroup(np.array([0, 2]), "range"),)
    held = StandardizedFeatures.prepare(features, splits, torch.device("cpu"), groups)
    anew = held.learned_anew(features, splits[::-1])
    rows = torch.arange(90)[None]
    for seed in (0, 1):
        expected = Standardization.learn(features, splits[seed].train, groups).apply(features)
        np.testing.assert_allclose(held.take(torch.tensor([seed]), rows)[0], expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(held.take(torch.tensor([seed]), rows), anew.take(torch.tensor([1 - seed]), rows))
