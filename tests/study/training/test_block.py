import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load
from sklearn.metrics import r2_score, root_mean_squared_error

from dropnorm.random import keep_mask
from dropnorm.study.arms import named_arm
from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.parts import Parts
from dropnorm.study.data.splitting import split_rows
from dropnorm.study.design import (
    NetPlan,
    Purpose,
    configure,
    plan_blocks,
    plan_nets,
    seed_generator,
    seed_keys,
)
from dropnorm.study.nets.activations import ACTIVATIONS
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.batched import INPUT_SITE, BatchedNets
from dropnorm.study.nets.objective import OBJECTIVES
from dropnorm.study.older_schemas import before_options
from dropnorm.study.statistics.metrics import score_of
from dropnorm.study.training.block import BlockTrainer
from dropnorm.study.training.kinds import kind_of

PLAIN, BATCH_NORM = 0, 1


@pytest.fixture(scope="module")
def data(blobs):
    X, y = blobs(rows=150, apart=1.5)
    return load_dataset(X, y)


@pytest.fixture(scope="module")
def quantity(blobs):
    """A quantity around 300 that depends on two features, with noise."""
    X, _ = blobs(rows=150)
    return load_dataset(X, 300 + 20 * X[:, 0] * X[:, 1] + np.random.default_rng(5).normal(size=150))


@pytest.fixture(scope="module")
def grouped(blobs):
    """Rows of groups whose sizes differ, so that the parts of one seed are larger than those of another."""
    X, y = blobs(rows=150, apart=1.5)
    return load_dataset(X, y, group=np.random.default_rng(6).choice(12, 150, p=np.arange(1, 13) / 78))


def config_of(**given):
    settings = {"seeds": 2, "epochs": 6, "hidden": (12, 9), "dropout": (0.2, 0.5), "batch_size": 20, "patience": 10}
    return configure(**(before_options() | settings | {"learning_rate": 0.01} | given))


def shape_of(data, config):
    return Architecture(
        features=data.encoding.features,
        hidden=config.hidden,
        outputs=data.encoding.outputs,
        activation=config.activation,
    )


def trainer_of(data, config, block=PLAIN, plans=None, state=None):
    plans = plan_blocks(plan_nets(config))[block] if plans is None else plans
    objective = OBJECTIVES[data.encoding.task]
    kind = kind_of(shape_of(data, config))
    return BlockTrainer(plans, Parts.prepare(data, config), kind, config, objective, state)


def train(trainer, epochs=None):
    """Train to the end, or for some epochs; returns the records of each epoch."""
    history = []
    while not trainer.finished and (epochs is None or len(history) < epochs):
        history.append(trainer.train_epoch())
    return history


def losses_of(history, net, name="validation_loss"):
    return [getattr(record, name) for records in history for record in records if record.net == net]


class TorchNet(torch.nn.Module):
    """A net of torch's own modules with the study's initial weights, and masks from the contract."""

    def __init__(self, plan: NetPlan, shape: Architecture) -> None:
        super().__init__()
        self.plan, self.activation = plan, ACTIVATIONS[shape.activation].function
        initial, widths = BatchedNets.initial([plan], shape).parameters, shape.widths
        self.linears = torch.nn.ModuleList()
        self.norms = torch.nn.ModuleList()
        for layer in range(len(widths) - 1):
            bias = initial.get(f"{layer}.linear.bias")
            linear = torch.nn.Linear(widths[layer], widths[layer + 1], bias=bias is not None)
            with torch.no_grad():
                linear.weight.copy_(initial[f"{layer}.linear.weight"][0].T)
                if bias is not None:
                    linear.bias.copy_(bias[0])
            self.linears.append(linear)
            if layer < len(widths) - 2:
                self.norms.append(
                    torch.nn.BatchNorm1d(widths[layer + 1]) if plan.arm.batch_norm else torch.nn.Identity()
                )

    def forward(self, x, key=None):
        if self.training:
            x = dropped(x, key, self.plan.arm.input_dropout, INPUT_SITE)
        for site, norm in enumerate(self.norms):
            x = self.activation(norm(self.linears[site](x)))
            if self.training and (self.plan.arm.where == "hidden" or site == len(self.norms) - 1):
                x = dropped(x, key, self.plan.rate, site)
        return self.linears[-1](x)


def dropped(x, key, rate, site):
    return x * keep_mask(key, torch.arange(len(x)), x.shape[1], [rate], site) / (1 - rate)


def adam(net, plan, config):
    """torch's own, with decay for weights alone."""
    weights = [linear.weight for linear in net.linears]
    others = [parameter for parameter in net.parameters() if all(parameter is not weight for weight in weights)]
    groups = [{"params": weights, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate)


def plain_loop(plan, data, config):
    """An independent training loop; returns the losses on validation and on as many training rows, and the best net's
    loss and score on the test part.
    """
    split = split_rows(data, plan.seed, config)
    known = data.features[split.train]
    X = torch.from_numpy((data.features - known.mean(axis=0)) / known.std(axis=0)).float()
    y, loss_of = torch.tensor(data.targets), F.cross_entropy
    mean, deviation = data.targets[split.train].mean(), data.targets[split.train].std()
    if not data.encoding.classes:
        y, loss_of = ((y - mean) / deviation).float()[:, None], F.mse_loss
    net = TorchNet(plan, shape_of(data, config))
    optimizer = adam(net, plan, config)
    losses, train_losses, best = [], [], None
    dropped, drops = 0, 2 if config.schedule == "plateau" else 0
    measured = split.train[: len(split.validation)]
    for epoch in range(config.epochs):
        generator = seed_generator(seed_keys([plan.seed], Purpose.ORDER, epoch)[0])
        order = split.train[torch.randperm(len(split.train), generator=generator).numpy()]
        net.train()
        shortest = min(len(split_rows(data, seed, config).train) for seed in range(config.seeds))
        for step in range(shortest // config.batch_size):
            rows = order[step * config.batch_size : (step + 1) * config.batch_size]
            key = seed_keys([plan.seed], Purpose.MASKS, epoch, step)[0]
            optimizer.zero_grad()
            loss_of(net(X[rows], key), y[rows]).backward()
            optimizer.step()
            with torch.no_grad():
                for linear in net.linears[:-1] if plan.arm.max_norm else []:
                    linear.weight.copy_(torch.renorm(linear.weight, 2, 0, plan.arm.max_norm))
        net.eval()
        with torch.no_grad():
            losses.append(float(loss_of(net(X[split.validation]), y[split.validation])))
            train_losses.append(float(loss_of(net(X[measured]), y[measured])))
        if losses[-1] == min(losses):
            best = copy.deepcopy(net)
        if len(losses) - max(np.argmin(losses) + 1, dropped) >= config.patience:
            if drops == 0:
                break
            dropped, drops = len(losses), drops - 1
            net.load_state_dict(best.state_dict())
            for group in optimizer.param_groups:
                group["lr"] *= 0.2
    with torch.no_grad():
        outputs = best(X[split.test])
    test_loss = float(loss_of(outputs, y[split.test]))
    if data.encoding.classes:
        return losses, train_losses, (test_loss, float((outputs.argmax(1) == y[split.test]).double().mean()), None)
    predicted, truth = outputs[:, 0].numpy() * deviation + mean, data.targets[split.test]
    return losses, train_losses, (test_loss, root_mean_squared_error(truth, predicted), r2_score(truth, predicted))


@pytest.mark.parametrize("task", ["data", "quantity", "grouped"])
@pytest.mark.parametrize("block", [PLAIN, BATCH_NORM], ids=["without batch norm", "with batch norm"])
def test_a_block_of_nets_trains_as_plain_torch_does_one_by_one(task, block, request):
    data, config = request.getfixturevalue(task), config_of()
    trainer = trainer_of(data, config, block)
    history = train(trainer)
    finished = [record for record, _ in trainer.finish()]
    assert len(finished) == 2 + 4
    for plan, record in zip(trainer.plans, finished, strict=True):
        losses, train_losses, (test_loss, test_score, test_r2) = plain_loop(plan, data, config)
        # Rounding of float32 grows over 24 steps of Adam; another mask, order or weight would differ in the first digit.
        assert losses_of(history, plan.net) == pytest.approx(losses, rel=2e-3)
        assert losses_of(history, plan.net, "train_loss") == pytest.approx(train_losses, rel=2e-3)
        assert record.test_loss == pytest.approx(test_loss, rel=2e-3)
        assert record.test_score == pytest.approx(test_score, rel=2e-3)
        assert record.test_r2 == (None if test_r2 is None else pytest.approx(test_r2, rel=5e-3))


@pytest.mark.parametrize("task", ["data", "quantity"])
@pytest.mark.parametrize("activation", ["relu", "tanh"], ids=["natively", "in torch"])
@pytest.mark.parametrize("arm", [{"weight_decay": 5.0}, {"dropout": 0.5, "batch_norm": True, "max_norm": 0.5}])
def test_on_a_plateau_a_net_goes_back_to_its_best_weights_and_learns_more_slowly(task, activation, arm, request):
    data = request.getfixturevalue(task)
    config = config_of(
        arms={"mine": arm}, activation=activation, schedule="plateau", patience=1, epochs=12, learning_rate=0.04
    )
    trainer = trainer_of(data, config, plans=[plan for plan in plan_nets(config) if plan.arm.name == "mine"])
    history = train(trainer)
    constant = replace(config, schedule="constant", patience=12)
    told_apart = []
    for plan in trainer.plans:
        losses, train_losses, _ = plain_loop(plan, data, config)
        assert losses_of(history, plan.net) == pytest.approx(losses, rel=2e-3)
        assert losses_of(history, plan.net, "train_loss") == pytest.approx(train_losses, rel=2e-3)
        told_apart.append(plain_loop(plan, data, constant)[0][: len(losses)] != pytest.approx(losses, rel=1e-2))
    assert any(told_apart), "a learning rate that does not drop would come to the same"


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "arm",
    [
        {"dropout": 0.5, "where": "last"},
        {"dropout": 0.5, "where": "last", "batch_norm": True},
        {"dropout": 0.2, "input_dropout": 0.4},
        {"dropout": 0.5, "max_norm": 0.4},
        {"weight_decay": [0.5, 20.0]},
        {"dropout": 0.2, "input_dropout": 0.1, "batch_norm": True, "max_norm": 0.5, "weight_decay": [5.0]},
    ],
    ids=["last", "last and norm", "input", "max-norm", "decay", "everything"],
)
def test_an_arm_trains_as_in_plain_torch(arm, activation, data):
    config = config_of(arms={"mine": arm}, activation=activation, epochs=4, seeds=2)
    plans = [plan for plan in plan_nets(config) if plan.arm.name == "mine"]
    history = train(trainer_of(data, config, plans=plans))
    plain = train(trainer_of(data, config, plans=[plan for plan in plan_nets(config) if plan.arm.name == "plain"]))
    for plan in plans:
        losses, train_losses, _ = plain_loop(plan, data, config)
        assert losses_of(history, plan.net) == pytest.approx(losses, rel=2e-3)
        assert losses_of(history, plan.net, "train_loss") == pytest.approx(train_losses, rel=2e-3)
        assert losses_of(plain, plan.seed) != pytest.approx(losses, rel=2e-3), "the arm has no say"


def test_nets_of_an_arm_that_decays_and_is_limited_train_beside_those_that_are_not(data):
    """In one batch of nets each has its own decay and limit: those without are as if they were alone."""
    config = config_of(arms={"mine": {"weight_decay": 5.0, "max_norm": 0.4}}, epochs=2)
    together = train(trainer_of(data, config, plans=plan_nets(config)))
    alone = train(trainer_of(data, config, plans=[plan for plan in plan_nets(config) if plan.arm.name == "plain"]))
    for plan in plan_nets(config)[:2]:
        assert losses_of(together, plan.net) == pytest.approx(losses_of(alone, plan.net), rel=1e-5)


@pytest.mark.parametrize("block", [PLAIN, BATCH_NORM], ids=["without batch norm", "with batch norm"])
def test_a_net_trains_alone_as_among_others(data, block):
    """Its numbers, and so its masks, do not depend on which other nets are in the block, nor on when they stop."""
    config = config_of(learning_rate=0.03, patience=2, epochs=15)
    together = trainer_of(data, config, block)
    history = train(together)
    weights = {record.net: (record, load(saved)) for record, saved in together.finish()}
    assert len({record.epochs for record, _ in weights.values()}) > 1, "some stop before others"
    for plan in together.plans:
        alone = trainer_of(data, config, plans=[plan])
        assert losses_of(train(alone), plan.net) == pytest.approx(losses_of(history, plan.net), rel=1e-3)
        ((record, saved),) = alone.finish()
        assert (record.epochs, record.best_epoch) == (weights[plan.net][0].epochs, weights[plan.net][0].best_epoch)
        for name, tensor in load(saved).items():
            torch.testing.assert_close(tensor, weights[plan.net][1][name], rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("kind", ["data", "grouped"])
def test_large_parts_are_measured_piece_by_piece(kind, request, monkeypatch):
    data, config = request.getfixturevalue(kind), config_of(epochs=2)
    whole = train(trainer_of(data, config, BATCH_NORM))
    monkeypatch.setattr("dropnorm.study.training.block._NUMBERS_AT_ONCE", 7 * 6 * 12)
    pieces = train(trainer_of(data, config, BATCH_NORM))
    for expected, got in zip([*whole[0], *whole[1]], [*pieces[0], *pieces[1]], strict=True):
        assert got.model_dump() == pytest.approx(expected.model_dump(), rel=1e-5)


def test_parts_of_groups_differ_in_size(grouped):
    sizes = [len(split_rows(grouped, seed, config_of()).test) for seed in range(2)]
    assert sizes[0] != sizes[1]


def test_rates_and_seeds_make_a_difference(data):
    config = config_of(epochs=2)
    trainer = trainer_of(data, config)
    history = train(trainer)
    assert len({tuple(losses_of(history, plan.net)) for plan in trainer.plans}) == len(trainer.plans)


@pytest.mark.parametrize("block", [PLAIN, BATCH_NORM], ids=["without batch norm", "with batch norm"])
def test_a_net_stops_without_progress_and_keeps_its_best_weights(data, block):
    config = config_of(learning_rate=0.05, patience=3, epochs=40)
    trainer = trainer_of(data, config, block)
    history = train(trainer)
    records = {record.net: record for record, _ in trainer.finish()}
    for plan in trainer.plans:
        losses, record = losses_of(history, plan.net), records[plan.net]
        assert record.best_epoch == 1 + int(np.argmin(losses))
        assert record.epochs == len(losses) == record.best_epoch + config.patience < config.epochs
        # The same weights, measured among other nets
        assert record.validation_loss == pytest.approx(min(losses), rel=1e-5)
        assert losses[-1] > 1.01 * record.validation_loss, "the last weights would be told apart"


def test_every_epoch_and_net_has_a_record_until_it_stops(data):
    trainer = trainer_of(data, config_of(learning_rate=0.05, patience=2, epochs=8))
    sizes = []
    while not trainer.finished:
        active = [trainer.plans[position].net for position in trainer.active.tolist()]
        records = trainer.train_epoch()
        sizes.append(len(records))
        assert [(record.net, record.epoch) for record in records] == [(net, len(sizes)) for net in active]
    assert sizes[0] == len(trainer.plans) > sizes[-1]


def test_the_best_epoch_may_be_the_last(data):
    trainer = trainer_of(data, config_of(epochs=2, learning_rate=1e-3))
    train(trainer)
    assert {record.best_epoch for record, _ in trainer.finish()} == {2}


@pytest.mark.parametrize("given", [{"epochs": 10}, {"epochs": 25, "schedule": "plateau", "patience_growth": 0.2}])
@pytest.mark.parametrize("block", [PLAIN, BATCH_NORM], ids=["without batch norm", "with batch norm"])
def test_a_trainer_made_from_a_state_goes_on_to_the_bit(data, block, given):
    config = config_of(**({"learning_rate": 0.05, "patience": 2} | given))
    trainer = trainer_of(data, config, block)
    numbers, states = [], []
    while not trainer.finished:
        numbers.append(trainer.train_epoch())
        states.append(trainer.state())
    finished = list(trainer.finish())
    sizes = [len(records) for records in numbers]
    assert sizes[0] > sizes[-1], "some nets stop on the way"
    for epoch in {0, sizes.index(sizes[-1]), len(states) - 2, len(states) - 1}:
        again = trainer_of(data, config, block, state=states[epoch])
        assert train(again) == numbers[epoch + 1 :]
        assert list(again.finish()) == finished


def test_a_state_taken_when_every_net_has_stopped_is_finished(data):
    config = config_of(learning_rate=0.05, patience=1, epochs=40)
    trainer = trainer_of(data, config)
    train(trainer)
    assert trainer.epoch < config.epochs
    assert len(trainer.active) == 0
    again = trainer_of(data, config, state=trainer.state())
    assert again.finished
    assert list(again.finish()) == list(trainer.finish())


@pytest.mark.parametrize("block", [PLAIN, BATCH_NORM], ids=["without batch norm", "with batch norm"])
def test_a_net_that_runs_away_has_an_infinite_loss_and_its_initial_weights(data, block, unbounded):
    config = config_of(learning_rate=1e30, patience=2)
    trainer = trainer_of(data, config, block)
    history = train(trainer)
    losses = [loss for plan in trainer.plans for loss in losses_of(history, plan.net)]
    assert all(loss == loss for loss in losses), "never NaN, which compares with nothing"
    initial = trainer.kind.initial(trainer.plans, "cpu").tensors()
    runaways = 0
    for index, (record, saved) in enumerate(trainer.finish()):
        if record.best_epoch == 0:
            runaways += 1
            assert all(torch.equal(tensor, initial[name][index]) for name, tensor in load(saved).items())
            assert np.isfinite(record.test_loss)
    assert runaways > 0


def test_training_rows_measured_are_training_rows(data):
    """Of a net that knows its training rows by heart and little else, the measured part tells which is which."""
    noise = np.random.default_rng(3).integers(0, 2, data.rows)
    guess = load_dataset(np.random.default_rng(4).normal(size=(data.rows, 20)), noise)
    config = config_of(epochs=40, patience=40, hidden=(64,))
    trainer = trainer_of(guess, config, plans=[NetPlan(0, named_arm("plain"), 0, 0.0)])
    last = train(trainer)[-1][0]
    assert last.train_score > 0.95
    assert last.validation_score < 0.8


@pytest.mark.parametrize("metric", ["balanced_accuracy", "roc_auc", "log_loss", "mae", "r2"])
def test_nets_are_judged_by_the_metric_that_is_asked_for(metric, data, quantity):
    dataset = quantity if metric in ("mae", "r2") else data
    config = config_of(metric=metric, epochs=3)
    trainer = trainer_of(dataset, config)
    while not trainer.finished:
        trainer.train_epoch()
    for record, weights in trainer.finish():
        tensors = {name: tensor[None] for name, tensor in load(weights).items()}
        plan = next(plan for plan in trainer.plans if plan.net == record.net)
        net = BatchedNets([plan], shape_of(dataset, config), tensors, {})
        for part in ("train", "validation", "test"):
            rows, _ = trainer.parts.index([plan.seed], part)
            x, y = trainer.parts.take(torch.tensor([plan.seed]), rows)
            outputs, scale = net.outputs(x)[0].detach().double(), float(trainer.parts.target_scale[plan.seed])
            if dataset is data:
                expected = score_of(metric, y[0].numpy(), outputs.softmax(-1).numpy())
            else:
                expected = score_of(metric, scale * y[0].double().numpy(), scale * outputs.numpy())
            assert getattr(record, f"{part}_score") == pytest.approx(expected, rel=1e-4)
