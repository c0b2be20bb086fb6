import numpy as np
import pytest
import torch
from scipy.stats import entropy

from dropnorm import nn
from dropnorm.errors import ArgumentError
from dropnorm.random import keep_mask
from dropnorm.surgery.mc_predict import MonteCarlo, mc_predict, sample_passes, sampled_values, tails

KEY = 11
FIELDS = ("mean", "variance", "low", "high", "predictive_entropy", "mutual_information")


@pytest.fixture
def net() -> torch.nn.Sequential:
    """Two hidden layers of awkward widths, the first with batch norm, and running statistics of their own."""
    net = torch.nn.Sequential(
        torch.nn.Linear(5, 33, bias=False),
        torch.nn.BatchNorm1d(33),
        torch.nn.ReLU(),
        nn.Dropout(0.4),
        torch.nn.Linear(33, 7),
        torch.nn.Tanh(),
        torch.nn.Dropout(0.25),
        torch.nn.Linear(7, 3),
    )
    net[1].running_mean.normal_()
    net[1].running_var.uniform_(0.5, 2)
    return net


def by_hand(net: torch.nn.Sequential, x: torch.Tensor, samples: int) -> np.ndarray:
    """Logits (samples, rows, classes), one pass after the other, each mask straight from the contract."""
    net, key, passes = net.eval(), torch.tensor(KEY), []
    for sample in range(samples):
        rows = sample * 2**32 + torch.arange(len(x))
        h = net[:3](x)
        h = h * keep_mask(key, rows, 33, [0.4], site=0) / 0.6
        h = net[4:6](h)
        h = h * keep_mask(key, rows, 7, [0.25], site=1) / 0.75
        passes.append(net[7](h).detach().double().numpy())
    return np.stack(passes)


def test_classes_by_hand(net):
    x = torch.randn(19, 5)
    logits = by_hand(net, x, 30)
    probabilities = np.exp(logits) / np.exp(logits).sum(2, keepdims=True)
    result = mc_predict(net, x, 30, key=KEY)
    assert isinstance(result, MonteCarlo)
    # float32 matrix products of other shapes than by hand
    same = {"rtol": 1e-4, "atol": 1e-6}
    np.testing.assert_allclose(result.mean, probabilities.mean(0), **same)
    np.testing.assert_allclose(result.variance, probabilities.var(0, ddof=1), **same)
    np.testing.assert_allclose(result.low, np.quantile(probabilities, 0.025, axis=0), **same)
    np.testing.assert_allclose(result.high, np.quantile(probabilities, 0.975, axis=0), **same)
    predictive = entropy(probabilities.mean(0), axis=1)
    np.testing.assert_allclose(result.predictive_entropy, predictive, **same)
    expected = predictive - entropy(probabilities, axis=2).mean(0)
    np.testing.assert_allclose(result.mutual_information, expected, **same)


def test_quantities_by_hand(net):
    x = torch.randn(9, 5)
    outputs = by_hand(net, x, 12)
    result = mc_predict(net, x, 12, task="regression", key=KEY)
    np.testing.assert_allclose(result.mean, outputs.mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(result.variance, outputs.var(0, ddof=1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(result.high, np.quantile(outputs, 0.975, axis=0), rtol=1e-4, atol=1e-6)
    assert result.predictive_entropy is None
    assert result.mutual_information is None


def test_mean_and_variance_are_those_of_dropout_on_a_linear_map():
    """Of y = w . dropout(x): mean w . x, variance p / (1 - p) * sum (w x)^2, within 6 standard errors.

    False alarms: 6 deviations of a sum of 40 x 4,000 independent terms, once per row and bound: under 1e-7 in all.
    """
    net = torch.nn.Sequential(torch.nn.Dropout(0.3), torch.nn.Linear(40, 1, bias=False))
    x, samples = torch.randn(5, 40), 4000
    result = mc_predict(net, x, samples, task="regression", key=KEY)
    terms = (x * net[1].weight).double().detach()
    variance = 0.3 / 0.7 * terms.square().sum(1)
    assert ((result.mean[:, 0] - terms.sum(1)).abs() < 6 * (variance / samples).sqrt()).all()
    # A sum of many terms is nearly normal: the variance of its variance is 2 sigma^4 / (samples - 1).
    assert ((result.variance[:, 0] - variance).abs() < 6 * variance * (2 / samples) ** 0.5).all()


@pytest.mark.parametrize("passes_at_once", [1, 7, 20, 45, 64])
def test_how_the_rows_are_split_makes_no_difference(net, passes_at_once):
    x = torch.randn(23, 5)
    whole = mc_predict(net, x, 20, key=KEY)
    parts = mc_predict(net, x, 20, key=KEY, passes_at_once=passes_at_once)
    for field in FIELDS:
        torch.testing.assert_close(getattr(parts, field), getattr(whole, field), rtol=1e-5, atol=1e-6)


def test_the_key_alone_decides(net):
    x, state = torch.randn(6, 5), torch.get_rng_state()
    first, again, other = (mc_predict(net, x, 10, key=key).mean for key in (KEY, KEY, KEY + 1))
    assert torch.equal(first, again)
    assert not torch.isclose(first, other).any()
    assert torch.equal(torch.get_rng_state(), state)


def test_without_rows_there_is_nothing_to_tell(net):
    result = mc_predict(net, torch.empty(0, 5), 10)
    assert [tuple(getattr(result, field).shape) for field in FIELDS] == [(0, 3)] * 4 + [(0,)] * 2


def test_where_all_samples_agree_nothing_is_unsure(net):
    with torch.no_grad():
        net[7].weight.zero_()
    result = mc_predict(net, torch.randn(4, 5), 10)
    torch.testing.assert_close(result.variance, torch.zeros(4, 3).double(), rtol=0, atol=1e-30)
    assert (result.mutual_information >= 0).all()
    assert (result.mutual_information < 1e-12).all()


def test_what_cannot_be_sampled(net, refuses):
    x = torch.randn(4, 5)
    with refuses(
        ArgumentError, "samples=1 is too small: expected at least 2 (one sample has no spread). Use samples=2."
    ):
        mc_predict(net, x, 1)
    message = "task='regresion' is unknown: expected one of 'classification', 'regression'. Did you mean 'regression'?"
    with refuses(ArgumentError, message):
        mc_predict(net, x, task="regresion")
    message = (
        "the model's outputs have the shape (4, 1): expected (N, classes, *), a logit for each of two or more classes. For "
        'quantities use task="regression".'
    )
    with refuses(ArgumentError, message):
        mc_predict(torch.nn.Sequential(net[:7], torch.nn.Linear(7, 1)), x)


@pytest.mark.parametrize("rows", [0, 1, 19])
def test_the_samples_of_several_models_come_in_step_row_by_row(net, rows):
    other = torch.nn.Sequential(torch.nn.Linear(5, 4), nn.Dropout(0.5), torch.nn.Linear(4, 3))
    x = torch.randn(rows, 5)
    given = (x, 2 * x)
    samplings = [sample_passes(model, own, key=KEY) for model, own in zip((net, other), given, strict=True)]
    stretches = list(sampled_values(samplings, 10, passes_at_once=40))
    assert [len(one) for one, _ in stretches] == [10] * max(1, -(-rows // 4))
    for place, (model, own) in enumerate(zip((net, other), given, strict=True)):
        values = torch.cat([stretch[place] for stretch in stretches], dim=1)
        expected = mc_predict(model, own, 10, key=KEY)
        torch.testing.assert_close(values.mean(0), expected.mean, rtol=1e-5, atol=1e-7)
        low, high = tails(values)
        torch.testing.assert_close(low, expected.low, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(high, expected.high, rtol=1e-5, atol=1e-7)
