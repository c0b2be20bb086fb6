"""What is between nets and what is within, told apart: by formulas, by members one by one, and by nets that agree."""

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from dropnorm.errors import ArgumentError
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.saving.saved_model import model_with
from dropnorm.study.saving.uncertainty import uncertain_predictions
from dropnorm.surgery.mc_predict import mc_predict

QUANTITY = Architecture(features=4, hidden=(10, 7), outputs=1)
ROWS = np.random.default_rng(0).normal(size=(25, 4))


def told(model, samples=30, key=3):
    return uncertain_predictions(model.saved, model.description, ROWS, samples, key)


def one_by_one(model, samples=30, key=3, task="classification"):
    """Monte Carlo dropout of each net alone."""
    return [
        mc_predict(net, torch.from_numpy(member.standardization.apply(ROWS)), samples, task=task, key=key)
        for net, member in zip(model.nets, model.description.members, strict=True)
    ]


@pytest.mark.parametrize("arm", ["dropout", "dropout+batch_norm"])
def test_of_classes_the_parts_are_those_of_monte_carlo_dropout_and_of_the_nets_means(arm, made_model):
    model = made_model(arm)
    values, columns = told(model)
    nets = one_by_one(model)
    means = np.array([net.mean.numpy() for net in nets])
    np.testing.assert_allclose(values, means.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(columns["predictive_entropy"], entropy(means.mean(axis=0), axis=1), rtol=1e-9)
    within = np.mean([net.mutual_information.numpy() for net in nets], axis=0)
    np.testing.assert_allclose(columns["mutual_information_within_nets"], within, rtol=1e-9)
    between = entropy(means.mean(axis=0), axis=1) - entropy(means, axis=2).mean(axis=0)
    np.testing.assert_allclose(columns["mutual_information_between_nets"], between, atol=1e-12)
    np.testing.assert_allclose(columns["mutual_information"], within + between, rtol=1e-9)
    assert columns["mutual_information_between_nets"].min() > 0
    assert columns["mutual_information_within_nets"].min() > 0


def test_of_a_quantity_the_variances_add_up_in_its_own_unit(made_model):
    model = made_model("dropout", QUANTITY)
    values, columns = told(model)
    nets, members = one_by_one(model, task="regression"), model.description.members
    scale = np.array([member.target_scale for member in members])
    center = np.array([member.target_mean for member in members])
    means = np.array([net.mean.numpy()[:, 0] for net in nets]) * scale[:, None] + center[:, None]
    within = np.mean([net.variance.numpy()[:, 0] * own**2 for net, own in zip(nets, scale, strict=True)], axis=0)
    between = np.maximum(means.var(axis=0, ddof=1) - within / 30, 0.0)
    np.testing.assert_allclose(values[:, 0], means.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(columns["deviation_within_nets"], np.sqrt(within), rtol=1e-9)
    np.testing.assert_allclose(columns["deviation_between_nets"], np.sqrt(between), rtol=1e-6)
    np.testing.assert_allclose(columns["deviation"], np.sqrt(within + between), rtol=1e-9)
    assert ((columns["low"] < values[:, 0]) & (values[:, 0] < columns["high"])).all()
    lows = [net.low.numpy()[:, 0] * own + mean for net, own, mean in zip(nets, scale, center, strict=True)]
    assert (columns["low"] >= np.min(lows, axis=0) - 1e-9).mean() > 0.9, (
        "the tails of all samples are not those of one net"
    )


def test_nets_without_dropout_differ_from_each_other_alone(made_model):
    model = made_model("batch_norm")
    values, columns = told(model)
    np.testing.assert_allclose(values, model.predict(ROWS).drop("prediction").to_numpy(), atol=1e-6)
    assert not columns["mutual_information_within_nets"].any()
    np.testing.assert_array_equal(columns["mutual_information"], columns["mutual_information_between_nets"])
    quantity = made_model("plain", QUANTITY)
    values, columns = told(quantity)
    said = np.array([quantity_of(quantity, place) for place in range(3)])
    np.testing.assert_allclose(columns["deviation"], said.std(axis=0, ddof=1), rtol=1e-5)
    np.testing.assert_allclose(columns["low"], np.quantile(said, 0.025, axis=0), rtol=1e-6)
    np.testing.assert_allclose(columns["high"], np.quantile(said, 0.975, axis=0), rtol=1e-6)
    assert not columns["deviation_within_nets"].any()


def quantity_of(model, place):
    member = model.description.members[place]
    with torch.no_grad():
        outputs = model.nets[place](torch.from_numpy(member.standardization.apply(ROWS)))
    return outputs[:, 0].double().numpy() * member.target_scale + member.target_mean


@pytest.mark.parametrize("shape", [None, QUANTITY], ids=["classes", "quantity"])
def test_nets_that_are_all_the_same_differ_within_alone(shape, made_nets, description_of):
    given = {} if shape is None else {"shape": shape}
    tensors = {
        name: tensor[:1].expand_as(tensor).contiguous()
        for name, tensor in made_nets("dropout", **given).tensors().items()
    }
    description = description_of("dropout", **given)
    description = description.model_copy(update={"members": description.members[:1] * 3})
    _, columns = told(model_with(description, tensors))
    total, between, within = (columns[name] for name in [*columns] if name.startswith(("mutual", "deviation")))
    np.testing.assert_allclose(between, 0.0, atol=1e-9)
    np.testing.assert_allclose(total, within, rtol=1e-9)


def test_a_single_net_is_that_of_monte_carlo_dropout(made_model):
    model = made_model("dropout", QUANTITY, count=1)
    values, columns = told(model)
    (alone,) = one_by_one(model, task="regression")
    np.testing.assert_allclose(values[:, 0], alone.mean.numpy()[:, 0] * 20.0 + 100.0, rtol=1e-9)
    np.testing.assert_allclose(columns["deviation"], np.sqrt(alone.variance.numpy()[:, 0]) * 20.0, rtol=1e-9)
    np.testing.assert_allclose(columns["low"], alone.low.numpy()[:, 0] * 20.0 + 100.0, rtol=1e-9)
    np.testing.assert_allclose(columns["high"], alone.high.numpy()[:, 0] * 20.0 + 100.0, rtol=1e-9)
    assert not columns["deviation_between_nets"].any()


@pytest.mark.parametrize("arm", ["plain", "dropout"])
def test_one_sample_is_too_few(arm, made_model, refuses):
    with refuses(
        ArgumentError, "samples=1 is too small: expected at least 2 (one sample has no spread). Use samples=2."
    ):
        told(made_model(arm), samples=1)
