import math

import pytest
import torch
from safetensors.torch import load

import dropnorm as dn
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.parts import Parts
from dropnorm.study.design import plan_nets
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.pictures import watching
from dropnorm.study.pictures.watching import SEED, UnitWatch
from dropnorm.study.run import plan_study
from dropnorm.study.runs.store import Store
from dropnorm.study.training.kinds import shape_of_nets

STUDY = {"seeds": 2, "epochs": 3, "hidden": (12, 6), "batch_size": 16}


def watch_of(data="wine", **given):
    planned = plan_study(data, **STUDY | given)
    parts = Parts.prepare(planned.dataset, planned.config)
    return UnitWatch(parts, planned.architecture, planned.config), parts, planned


def test_two_nets_of_the_first_seed_are_watched_that_differ_by_batch_norm():
    watch, _, planned = watch_of()
    watched = [plan for plan in plan_nets(planned.config) if plan.net in watch.nets]
    assert [(plan.arm.name, plan.seed) for plan in watched] == [("plain", SEED), ("batch_norm", SEED)]


@pytest.mark.parametrize("arms", [("dropout",), ("dropout", "max_norm+batch_norm")], ids=" ".join)
def test_without_such_a_pair_nothing_is_measured(arms):
    watch, _, planned = watch_of(arms=arms)
    nets = BatchedNets.initial(plan_nets(planned.config)[:2], planned.architecture)
    assert watch.measure(nets, plan_nets(planned.config)[:2], 1) == []
    assert dn.run_study("wine", arms=arms, **STUDY).run.unit_inputs == ()


def test_the_percentiles_are_those_of_the_units_inputs():
    watch, parts, planned = watch_of()
    plans = [plan for plan in plan_nets(planned.config) if not plan.arm.batch_norm]
    nets = BatchedNets.initial(plans, planned.architecture)
    measured = watch.measure(nets, plans, epoch=7)
    assert [(one.net, one.epoch, one.layer) for one in measured] == [(plans[0].net, 7, 0), (plans[0].net, 7, 1)]
    rows, _ = parts.index([SEED], "validation")
    x = parts.take(torch.tensor([SEED]), rows)[0][0]
    for layer, one in enumerate(measured):
        weight, bias = (nets.parameters[f"{layer}.linear.{name}"][0] for name in ("weight", "bias"))
        z = x @ weight + bias
        # float32 sums of 13 products
        quantiles = torch.quantile(z[:, one.unit].double(), torch.tensor([0.15, 0.5, 0.85], dtype=torch.float64))
        assert (one.low, one.median, one.high) == pytest.approx(quantiles.tolist(), rel=1e-4, abs=1e-5)
        # The unit is the one whose spread is the median of the layer's.
        spreads = torch.quantile(z, 0.85, dim=0) - torch.quantile(z, 0.15, dim=0)
        assert int((spreads < spreads[one.unit]).sum()) == z.shape[1] // 2
        x = torch.relu(z)


def test_a_net_is_measured_alike_wherever_it_stands_in_its_block():
    watch, _, planned = watch_of(arms=("dropout", "batch_norm", "dropout+batch_norm"))
    plans = [plan for plan in plan_nets(planned.config) if plan.arm.batch_norm]
    alone = [plan for plan in plans if plan.net in watch.nets]
    among = BatchedNets.initial(plans, planned.architecture)
    one = BatchedNets.initial(alone, planned.architecture)
    assert watch.measure(among, plans[::-1], 1) != []
    assert watch.measure(among, plans, 1) == watch.measure(one, alone, 1)


def test_channels_are_watched_at_places_all_over_the_image():
    watch, _, planned = watch_of("digits", net="conv", channels=(3,))
    plans = plan_nets(planned.config)[:1]
    nets = BatchedNets.initial(plans, planned.architecture)
    measured = watch.measure(nets, plans, 1)
    assert [one.layer for one in measured] == [0, 1, 2]
    places = watch._spread(64 * watch.rows.shape[1]) % 64
    assert len(places) == watch.rows.shape[1]
    assert len(torch.unique(places)) > 50
    inputs = next(iter(nets.hidden(watch.rows)))[0]
    values = inputs[0, watch._spread(inputs.shape[1]), measured[0].unit]
    assert measured[0].median == pytest.approx(float(values.median()), abs=float(values.std()) / 10)


def test_a_net_that_ran_away_is_told_as_infinity():
    watch, _, planned = watch_of()
    plans = plan_nets(planned.config)[:1]
    nets = BatchedNets.initial(plans, planned.architecture)
    nets.parameters["0.linear.weight"].fill_(torch.nan)
    assert all(one.median == math.inf for one in watch.measure(nets, plans, 1))


def test_of_late_epochs_some_are_measured():
    watch, _, planned = watch_of()
    plans = plan_nets(planned.config)[:1]
    nets = BatchedNets.initial(plans, planned.architecture)
    measured = [epoch for epoch in range(1, 101) if watch.measure(nets, plans, epoch)]
    assert measured[:31] == list(range(1, 32))
    assert measured[31:] == [*range(32, 64, 2), *range(64, 96, 4), 96]


def test_every_epoch_that_a_watched_net_begins_and_ends_is_recorded():
    run = dn.run_study("wine", **STUDY).run
    measured = {(one.net, one.epoch) for one in run.unit_inputs}
    watched = [net for net in run.nets if net.seed == SEED and net.arm in ("plain", "batch_norm")]
    assert measured == {(net.net, epoch) for net in watched for epoch in (1, 2, 3)}


def test_what_is_recorded_is_of_the_weights_that_training_came_to(tmp_path):
    """After a single epoch, which is then the best one, whose weights the store has."""
    planned = plan_study("wine", **STUDY | {"epochs": 1})
    run = planned.carry_out(tmp_path).run
    watch = UnitWatch(Parts.prepare(planned.dataset, planned.config), planned.architecture, planned.config)
    store = Store(tmp_path / "study.sqlite", read_only=True)
    for plan in plan_nets(planned.config):
        if plan.net in watch.nets:
            weights = {name: tensor[None] for name, tensor in load(store.weights(plan.net)).items()}
            nets = BatchedNets.initial([plan], planned.architecture).of([plan], weights)
            expected = watch.measure(nets, [plan], 1)
            assert [one for one in run.unit_inputs if one.net == plan.net] == [
                one.model_copy(
                    update={name: pytest.approx(getattr(one, name), abs=1e-5) for name in ("low", "median", "high")}
                )
                for one in expected
            ]
    store.close()


def test_watching_changes_nothing_that_is_learned(monkeypatch):
    before = dn.run_study("wine", **STUDY).run
    monkeypatch.setattr(watching.UnitWatch, "measure", lambda *_: [])
    without = dn.run_study("wine", **STUDY).run
    assert without.unit_inputs == ()
    assert (before.epochs, before.nets) == (without.epochs, without.nets)
    assert before.summary.model_dump_json() == without.summary.model_dump_json()


def test_of_a_network_of_ones_own_nothing_is_watched():
    planned = plan_study("wine", **STUDY)
    parts = Parts.prepare(planned.dataset, planned.config)
    assert UnitWatch(parts, shape_of_nets(load_dataset("wine").encoding, planned.config), planned.config).nets
    run = dn.run_study("wine", net=small, arms=("batch_norm",), seeds=2, epochs=1, batch_size=16).run
    assert run.unit_inputs == ()


def small(features, outputs):
    """A network of a user's own."""
    return torch.nn.Sequential(torch.nn.Linear(features, 8), torch.nn.ReLU(), torch.nn.Linear(8, outputs))
