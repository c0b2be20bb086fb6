"""A user's network as a batch of one: against the batched nets, and against itself after a restart."""

import numpy as np
import pytest
import torch
from safetensors.torch import load
from torch import nn

from dropnorm.study.data.dataset import load_dataset
from dropnorm.study.data.parts import Parts
from dropnorm.study.design import configure, plan_nets
from dropnorm.study.modules.factory import factory_name
from dropnorm.study.modules.nets import ModuleNets
from dropnorm.study.nets.batched import BatchedNets
from dropnorm.study.nets.objective import OBJECTIVES
from dropnorm.study.training.block import BlockTrainer
from dropnorm.study.training.kinds import kind_of, shape_of_nets

WIDTHS = (12, 8)


def dense(features, outputs):
    return nn.Sequential(
        nn.Linear(features, WIDTHS[0]), nn.ReLU(), nn.Linear(*WIDTHS), nn.ReLU(), nn.Linear(WIDTHS[1], outputs)
    )


def trainers(blobs, arm, factory=None, state=None, **given):
    """Of one net of an arm: with a factory, or batched."""
    X, y = blobs()
    kept = np.delete(np.arange(len(y)), np.flatnonzero(y == 2)[15:])  # one class is rarer than the others
    data = load_dataset(X[kept], y[kept])
    net = {"hidden": WIDTHS} if factory is None else {"net": factory_name(factory)}
    config = configure(**{"arms": {"mine": arm}, "seeds": 2, "epochs": 4, "batch_size": 16} | net | given)
    plan = next(plan for plan in plan_nets(config) if plan.arm.name == "mine" and plan.seed == 1)
    kind = kind_of(shape_of_nets(data.encoding, config))
    return BlockTrainer([plan], Parts.prepare(data, config), kind, config, OBJECTIVES["classification"], state)


def train(trainer):
    history = []
    while not trainer.finished:
        history += trainer.train_epoch()
    return history


@pytest.mark.parametrize(
    "arm",
    [{"batch_norm": True}, {"max_norm": 0.4}, {"weight_decay": 20.0}, {"batch_norm": True, "max_norm": 0.5}],
    ids=["norm", "max-norm", "decay", "norm and max-norm"],
)
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_a_net_trains_as_the_batched_one_of_the_same_weights(blobs, arm, class_weight):
    batched, mine = (trainers(blobs, arm, factory, class_weight=class_weight) for factory in (None, dense))
    linears = [name for name in mine.nets.parameters if mine.nets.parameters[name].ndim == 3]
    with torch.no_grad():
        for layer, name in enumerate(linears):
            mine.nets.parameters[name].copy_(batched.nets.parameters[f"{layer}.linear.weight"].mT)
            bias = batched.nets.parameters.get(f"{layer}.linear.bias")
            own = mine.nets.parameters.get(name.replace("weight", "bias"))
            if bias is not None and own is not None:
                own.copy_(bias)
        for name, parameter in mine.nets.parameters.items():
            # The bias of a layer with batch norm starts as that of the batch norm.
            if arm.get("batch_norm") and name.endswith("bias") and parameter.shape[1] in WIDTHS:
                parameter.zero_()
    expected, got = train(batched), train(mine)
    for one, other in zip(expected, got, strict=True):
        # Rounding grows over 16 steps of Adam; another order, decay or limit differs in the first digits.
        assert other.validation_loss == pytest.approx(one.validation_loss, rel=2e-3)
        assert other.train_loss == pytest.approx(one.train_loss, rel=2e-3)


def test_a_trainer_made_from_a_state_goes_on_to_the_bit(blobs):
    arm = {"dropout": 0.4, "input_dropout": 0.1, "batch_norm": True}
    settings = {"learning_rate": 0.05, "patience": 2, "epochs": 30}
    trainer = trainers(blobs, arm, dense, **settings)
    numbers, states = [], []
    while not trainer.finished:
        numbers.append(trainer.train_epoch())
        states.append(trainer.state())
        torch.rand(3)  # what others draw has no say
    assert trainer.epoch < settings["epochs"], "it stops on the way"
    finished = list(trainer.finish())
    for epoch in {0, len(states) - 2, len(states) - 1}:
        again = trainers(blobs, arm, dense, states[epoch], **settings)
        assert [again.train_epoch() for _ in numbers[epoch + 1 :]] == numbers[epoch + 1 :]
        assert again.finished
        assert list(again.finish()) == finished


def test_a_pass_leaves_torchs_generator_as_it_was(blobs):
    trainer = trainers(blobs, {"dropout": 0.5}, dense)
    before = torch.get_rng_state()
    train(trainer)
    assert torch.equal(torch.get_rng_state(), before)


def test_masks_depend_on_the_key_alone(blobs):
    nets = trainers(blobs, {"dropout": 0.5}, dense).nets
    x = torch.randn(1, 16, 4)
    first, same, other = (nets.gradients(x, torch.tensor([key]), torch.ones_like)["0.weight"] for key in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_nets_of_a_seed_start_alike_in_every_arm(blobs):
    plain, dropout = (trainers(blobs, arm, dense).nets.tensors() for arm in ({"max_norm": 3.0}, {"dropout": 0.5}))
    assert torch.equal(plain["0.weight"], dropout["0.weight"])


def test_a_finished_net_has_the_names_of_its_module(blobs):
    trainer = trainers(blobs, {"batch_norm": True}, dense)
    train(trainer)
    ((_, weights),) = trainer.finish()
    assert set(load(weights)) == set(trainer.nets.module.state_dict())
    assert isinstance(trainer.nets, ModuleNets)
    assert not isinstance(trainer.nets, BatchedNets)
