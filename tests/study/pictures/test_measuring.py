import numpy as np
import pytest
import torch
from safetensors.torch import load

import dropnorm as dn
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.parts import Parts
from dropnorm.study.data.splitting import split_rows
from dropnorm.study.data.standardization import Standardization
from dropnorm.study.design import configure
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.pictures.measuring import BINS, SILENT, silent, validation_sample
from dropnorm.study.pictures.records import Pictures
from dropnorm.study.runs.store import Store

STUDY = {"seeds": 2, "epochs": 3, "dropout": (0.2, 0.5), "batch_size": 16}


@pytest.fixture(scope="module")
def wine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wine")
    dn.run_study("wine", hidden=(12, 6), out=folder, **STUDY)
    return folder


def wide(features, outputs):
    """A network of a user's own."""
    return torch.nn.Sequential(torch.nn.Linear(features, 8), torch.nn.ReLU(), torch.nn.Linear(8, outputs))


def outputs_by_hand(folder, net):
    """The hidden outputs of a dense net without batch norm on its validation rows, as torch's own layers compute them."""
    run, dataset = dn.load_run(folder), load_dataset("wine")
    split = split_rows(dataset, net.split, run.summary.config)
    x = torch.from_numpy(Standardization.learn(dataset.features, split.train).apply(dataset.features[split.validation]))
    store = Store(folder / "study.sqlite", read_only=True)
    weights = load(store.weights(net.net))
    store.close()
    outputs = []
    for layer in range(2):
        x = torch.relu(x @ weights[f"{layer}.linear.weight"] + weights[f"{layer}.linear.bias"])
        outputs.append(x)
    return outputs


def test_activity_is_the_share_of_outputs_that_are_not_silent(wine):
    run = dn.load_run(wine)
    measured = {(one.net, one.layer): one.active for one in run.pictures.activity}
    for net in run.nets:
        if net.arm not in ("plain", "dropout"):
            continue
        for layer, outputs in enumerate(outputs_by_hand(wine, net)):
            loud = outputs.abs() > SILENT * outputs.square().mean().sqrt()
            # Rounding may move a value or two of 36 rows across the threshold.
            assert measured[net.net, layer] == pytest.approx(float(loud.double().mean()), abs=2.1 / outputs.numel())


def test_every_net_that_a_curve_over_the_rates_needs_is_measured(wine):
    run = dn.load_run(wine)
    assert {one.net for one in run.pictures.activity} == {net.net for net in run.nets}
    alone = dn.run_study("wine", hidden=(8,), arms=("batch_norm", "dropout"), **STUDY).run
    measured = {one.net for one in alone.pictures.activity}
    assert measured == {net.net for net in alone.nets if net.arm != "batch_norm"}
    assert alone.pictures.features == (), "wine is no image"


def test_histograms_compare_the_highest_rate_with_none_in_common_bins(wine):
    run = dn.load_run(wine)
    assert [(one.arm, one.rate, one.layer) for one in run.pictures.histograms] == [
        ("plain", 0.0, 0),
        ("dropout", 0.5, 0),
        ("plain", 0.0, 1),
        ("dropout", 0.5, 1),
    ]
    for one in run.pictures.histograms:
        assert one.silent + sum(one.shares) == pytest.approx(1.0)
        nets = [net for net in run.nets if (net.arm, net.rate) == (one.arm, one.rate)]
        values = torch.cat([outputs_by_hand(wine, net)[one.layer] for net in nets]).flatten()
        # Below the threshold and above it, a layer's outputs fall into the bins as numpy counts them.
        counted, _ = np.histogram(
            np.clip(values[values > 0.02].double().numpy(), one.edges[0], one.edges[-1]), one.edges
        )
        assert np.allclose(counted[1:] / len(values), one.shares[1:], atol=2.1 / len(values))
    first, second = run.pictures.histograms[:2]
    assert first.edges == second.edges
    assert len(first.shares) == BINS


def test_the_outputs_of_an_activation_of_both_signs_have_bins_on_both_sides():
    run = dn.run_study("wine", hidden=(8,), arms=("dropout",), activation="tanh", **STUDY).run
    edges = run.pictures.histograms[0].edges
    assert edges[0] < -0.1
    assert edges[-1] > 0.1


@pytest.mark.parametrize("net", ["dense", "conv"])
def test_images_are_measured_layer_by_layer(net):
    run = dn.run_study("digits", net=net, hidden=(8,), arms=("dropout",), **STUDY | {"epochs": 1}).run
    assert {one.layer for one in run.pictures.activity} == (set(range(3)) if net == "conv" else {0})
    assert all(0 < one.active <= 1 for one in run.pictures.activity)
    assert [(one.arm, one.rate, one.height) for one in run.pictures.features] == [
        ("plain", 0.0, 3 if net == "conv" else 8),
        ("dropout", 0.5, 3 if net == "conv" else 8),
    ]
    assert [one.rate for one in run.pictures.masks] == [0.2, 0.5]


def test_without_an_arm_to_compare_with_there_are_masks_and_activity_alone():
    pictures = dn.run_study("digits", hidden=(8,), arms=("dropout+max_norm",), **STUDY | {"epochs": 1}).run.pictures
    assert (pictures.histograms, pictures.features) == ((), ())
    assert [one.rate for one in pictures.masks] == [0.2, 0.5]
    assert len(pictures.activity) == 4


def test_without_dropout_nothing_is_measured_of_it():
    pictures = dn.run_study("wine", hidden=(8,), arms=("batch_norm",), **STUDY).run.pictures
    assert pictures == Pictures()


def test_of_a_network_of_ones_own_nothing_is_measured():
    run = dn.run_study("wine", net=wide, arms=("dropout",), **STUDY | {"epochs": 1}).run
    assert run.pictures == Pictures()


def test_silence_is_measured_against_the_size_of_the_other_outputs():
    outputs = torch.tensor([[1.0, -1.0], [0.009, 0.0]])
    assert silent(outputs).tolist() == [[False, False], [False, True]]
    assert torch.equal(silent(1000 * outputs), silent(outputs))


def test_a_sample_is_of_validation_rows_and_small_where_a_layer_is_large():
    dataset = load_dataset("wine")
    config = configure(seeds=2, batch_size=16)
    parts = Parts.prepare(dataset, config)
    small = Architecture(features=13, hidden=(8,), outputs=3)
    rows, _ = parts.index([1, 0], "validation")
    assert torch.equal(validation_sample(parts, [1, 0], small), parts.take(torch.tensor([1, 0]), rows)[0])
    wide = Architecture(features=13, hidden=(1 << 20,), outputs=3)
    assert validation_sample(parts, [1], wide).shape == (1, 4, 13)
