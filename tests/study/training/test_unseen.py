"""What finished nets say of rows that they did not see: no net that saw a row has a say in it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

import dropnorm as dn
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.parts import Parts
from dropnorm.study.data.splitting import split_rows
from dropnorm.study.design import configure
from dropnorm.study.runs.store import Store
from dropnorm.study.statistics.choice import best_choice, nets_of_choice
from dropnorm.study.statistics.out_of_bag import row_losses
from dropnorm.study.task import TASKS
from dropnorm.study.training import unseen
from dropnorm.study.training.kinds import kind_of
from dropnorm.study.training.unseen import predict_unseen

QUICK = {"seeds": 4, "epochs": 3, "hidden": (8,), "dropout": (0.2, 0.5), "batch_size": 16}


class MemorizingNets:
    """A kind of nets, and its steps: each knows the class of every row that it has seen, and says another of all others."""

    together, largest, framework = 3, 1, None

    def __init__(self, dataset, config):
        self.dataset, self.splits = dataset, [split_rows(dataset, seed, config) for seed in range(config.seeds)]

    def initial(self, *_):
        return self

    def of(self, *_):
        return self

    def steps(self, _nets, _parts, seeds, _objective):
        return SimpleNamespace(outputs=lambda rows: self.outputs(seeds.tolist(), rows))

    def outputs(self, seeds, rows):
        said = []
        for seed, own in zip(seeds, rows.numpy(), strict=True):
            split, targets = self.splits[seed], self.dataset.targets[own]
            seen = np.isin(own, np.concatenate([split.train, split.validation]))
            said.append(torch.from_numpy(np.eye(3)[np.where(seen, targets, (targets + 1) % 3)]))
        return 50.0 * torch.stack(said).float()


@pytest.mark.parametrize("group", [None, np.arange(120) // 5], ids=["rows", "groups"])
def test_nets_that_know_their_rows_by_heart_have_no_say_in_them(blobs, make_net, group, monkeypatch):
    X, y = blobs()
    dataset = load_dataset(X, y, group=group)
    config = configure(seeds=6, arms=["dropout"], dropout=(0.2,), batch_size=16)
    nets = [make_net(seed, "plain", seed) for seed in range(6)]
    store = SimpleNamespace(weights=lambda _: save({"weight": torch.zeros(1)}))
    monkeypatch.setattr(unseen, "_NUMBERS_AT_ONCE", 21)
    kind = MemorizingNets(dataset, config)
    got = predict_unseen(store, {"plain": nets}, dataset, Parts.prepare(dataset, config), kind, config)["plain"]
    assert not got.hits.any()
    assert not got.single_hits.any()
    unseen_by = [
        sum(row not in (*split.train, *split.validation) for split in kind.splits) for row in range(dataset.rows)
    ]
    assert got.rows.tolist() == np.flatnonzero(unseen_by).tolist()
    assert got.nets.tolist() == [count for count in unseen_by if count]
    assert (got.groups is None) == (group is None)


def small(features, outputs):
    return nn.Sequential(nn.Linear(features, 8), nn.ReLU(), nn.Linear(8, outputs))


@pytest.mark.parametrize(
    ("target", "given"),
    [("kind", {}), ("width", {}), ("kind", {"splits": 2, "seeds": 2}), ("kind", {"net": small, "hidden": None})],
    ids=["classes", "quantity", "splits", "factory"],
)
def test_the_models_result_is_that_of_a_loop_over_its_nets(target, given, table, tmp_path):
    """Each net is loaded by itself, and asked for the rows in neither its training nor its validation part."""
    study = dn.run_study(table, target=target, out=tmp_path, **QUICK | given)
    dataset, config = load_dataset(table, target=target), study.summary.config
    splits = [split_rows(dataset, number, config) for number in range(config.split_count)]
    for result in study.summary.models:
        nets = [net for net in study.run.nets if net.net in result.nets]
        said, seen_by = np.zeros((dataset.rows, dataset.encoding.outputs)), np.zeros(dataset.rows)
        for net in nets:
            predictions = dn.load_model(tmp_path, net=net.net, trust=True).predict(table)
            values = predictions.drop("prediction") if target == "kind" else predictions.select("prediction")
            split = splits[config.split_of(net.seed)]
            out = np.setdiff1d(np.arange(dataset.rows), np.concatenate([split.train, split.validation]))
            said[out] += values.to_numpy()[out]
            seen_by[out] += 1
        rows = np.flatnonzero(seen_by)
        mean, truth = said[rows] / seen_by[rows, None], dataset.targets[rows]
        assert (result.rows, result.nets_per_row) == (len(rows), pytest.approx(seen_by[rows].mean()))
        assert result.loss.mean == pytest.approx(row_losses(mean, truth).mean(), rel=1e-5)
        score = (mean.argmax(axis=1) == truth).mean() if target == "kind" else result.loss.mean**0.5
        assert result.score.mean == pytest.approx(score)
        assert result.new_rows == study.summary.data.test_rows


def test_every_arm_has_a_model_of_the_one_rate_that_is_best_on_validation(finished):
    summary = finished.summary
    assert [model.arm for model in summary.models] == [arm.arm for arm in summary.arms]
    for model in summary.models:
        choice = best_choice(finished.run.nets, model.arm, TASKS["classification"].metric)
        assert (model.rate, model.weight_decay) == choice
        assert model.nets == tuple(net.net for net in nets_of_choice(finished.run.nets, model.arm, choice))
    assert summary.model.arm == summary.advice.arm
    assert summary.model.nets == tuple(member.net for member in finished.model.description.members)


def test_on_a_test_part_of_its_own_every_net_predicts_every_row(table):
    study = dn.run_study(table[:90], target="kind", test=table[90:], **QUICK)
    for model in study.summary.models:
        assert (model.rows, model.nets_per_row, model.new_rows) == (30, 4.0, 30)
    predicted = study.model.predict(table[90:])
    right = (predicted["prediction"] == table[90:]["kind"]).mean()
    assert study.summary.model.score.mean == pytest.approx(right)


def test_by_time_every_net_predicts_the_latest_rows(table):
    study = dn.run_study(table, target="kind", time=np.arange(120), **QUICK)
    assert {(model.rows, model.nets_per_row) for model in study.summary.models} == {(24, 4.0)}
    predicted = study.model.predict(table[96:])
    assert study.summary.model.score.mean == pytest.approx((predicted["prediction"] == table[96:]["kind"]).mean())


def test_groups_are_whole_in_what_is_predicted(table):
    groups = np.arange(120) // 6
    study = dn.run_study(table, target="kind", group=groups, **QUICK)
    assert all(model.rows % 6 == 0 for model in study.summary.models)


def test_the_predictions_of_one_arm_do_not_depend_on_the_others(table, tmp_path):
    study = dn.run_study(table, target="kind", out=tmp_path, **QUICK)
    dataset, config = load_dataset(table, target="kind"), study.summary.config
    parts, kind = Parts.prepare(dataset, config), kind_of(study.model.description.architecture)
    store = Store(tmp_path / "study.sqlite", read_only=True)
    nets = {model.arm: [net for net in study.run.nets if net.net in model.nets] for model in study.summary.models}
    together = predict_unseen(store, nets, dataset, parts, kind, config)
    for arm in nets:
        alone = predict_unseen(store, {arm: nets[arm]}, dataset, parts, kind, config)[arm]
        np.testing.assert_allclose(alone.predictions, together[arm].predictions, rtol=1e-6, atol=1e-9)
        assert alone.predictions.dtype == np.float64
    store.close()
