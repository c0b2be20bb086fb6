import json
from itertools import product

import numpy as np
import pytest
import torch

from dropnorm._options import options_of
from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.study.arms import checked_arms
from dropnorm.study.design import (
    NETS_PER_BLOCK,
    Purpose,
    configure,
    plan_blocks,
    plan_nets,
    seed_generator,
    seed_keys,
)
from dropnorm.study.options import DesignOptions
from dropnorm.study.records import StudyConfig


def test_what_is_not_given_takes_its_default():
    assert (
        configure(device="cpu") == configure(seeds=None, hidden=None, device="cpu") == StudyConfig(arms=checked_arms())
    )
    assert configure(seeds=3, hidden=[16], device="cpu") == StudyConfig(arms=checked_arms(), seeds=3, hidden=(16,))
    assert configure(hidden=9, dropout=0.3) == configure(hidden=(9,), dropout=[0.3])


def test_numbers_of_numpy_are_numbers():
    config = configure(
        seeds=np.int64(3), hidden=np.array([8, 4]), learning_rate=np.float32(0.5), learning_curve=np.True_
    )
    assert (config.seeds, config.hidden, config.learning_rate, config.learning_curve) == (3, (8, 4), 0.5, True)
    assert {type(value) for value in (config.seeds, *config.hidden)} == {int}
    json.dumps(config.kept())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": 1}, "seeds=1 is too small: expected at least 2 (one seed has no interval). Use seeds=2."),
        ({"seeds": 0}, "seeds=0 is too small: expected 1 to 10,000 (one net has no interval). Use seeds=1."),
        (
            {"splits": 1, "seeds": 1},
            "seeds=1 is too small: expected at least 2 (one net has no interval). Use seeds=2.",
        ),
        ({"splits": 0}, "splits=0 is too small: expected 1 to 10,000. Use splits=1."),
        (
            {"splits": 5000, "seeds": 5000},
            "splits=5000 of seeds=5000 are 25,000,000 nets of each arm: expected at most 10,000. Use fewer of one of them.",
        ),
        ({"epochs": 0}, "epochs=0 is too small: expected 1 to 100,000. Use epochs=1."),
        (
            {"batch_size": 1},
            "batch_size=1 is too small: expected 2 to 1,048,576 (batch norm has no variance in a batch of one). Use "
            "batch_size=2.",
        ),
        ({"patience": 0}, "patience=0 is too small: expected 1 to 100,000. Use patience=1."),
        (
            {"learning_rate": 0.0},
            "learning_rate=0.0 is out of range: expected a number above 0 and at most 10. Use learning_rate=0.001.",
        ),
        (
            {"learning_rate": float("inf")},
            "learning_rate=inf is out of range: expected a number above 0 and at most 10. Use learning_rate=0.001.",
        ),
        ({"hidden": (8, 0)}, "hidden=0 is too small: expected 1 to 65,536. Use hidden=1."),
        (
            {"hidden": ()},
            "hidden=() leaves no hidden layer to regularize: expected at least one, such as 128. Leave hidden out for the "
            "default.",
        ),
        ({"channels": (8, 0)}, "channels=0 is too small: expected 1 to 4,096. Use channels=1."),
        ({"net": "cnn"}, "net='cnn' is unknown: expected one of 'dense', 'conv'. Use net='dense'."),
        (
            {"activation": "rellu"},
            "activation='rellu' is unknown: expected one of 'relu', 'leaky_relu', 'gelu', 'silu', 'tanh', 'sigmoid'. Did you "
            "mean 'relu'?",
        ),
        (
            {"dropout": ()},
            "dropout=() names no rate: expected at least one, such as 0.1. Leave dropout out for the default.",
        ),
        (
            {"dropout": (0.2, 0.0)},
            "dropout=0.0 is not a rate to try: expected 0 < dropout < 1. Arm 'plain' has no dropout.",
        ),
        (
            {"dropout": (1.0,)},
            "dropout=1.0 is not a rate to try: expected 0 < dropout < 1. Arm 'plain' has no dropout.",
        ),
        (
            {"dropout": (20,)},
            "dropout=20 is not a probability: expected 0 < dropout < 1. To drop 20 % of the units use dropout=0.2.",
        ),
        (
            {"test_size": 0.5},
            "test_size=0.5 is out of range: expected a fraction above 0 and below 0.5. Use test_size=0.2.",
        ),
        (
            {"validation_size": 0.0},
            "validation_size=0.0 is out of range: expected a fraction above 0 and below 0.5. Use validation_size=0.2.",
        ),
        (
            {"net": "a:b", "hidden": (3,), "activation": "relu"},
            "net='a:b' is given with hidden, activation, on which a factory's nets do not depend: expected one. Leave them "
            "out.",
        ),
        ({"device": "tpu"}, "device='tpu' is unknown: expected 'cpu', 'cuda' or 'auto'."),
    ],
)
def test_arguments_out_of_range(given, message, refuses):
    with refuses(ArgumentError, message):
        configure(**given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": 2.5}, "seeds=2.5 is not a whole number: expected an int from 1 to 10,000. Use seeds=2."),
        ({"seeds": "5"}, "seeds='5' is not a whole number: expected an int from 1 to 10,000. Use seeds=5."),
        ({"epochs": True}, "epochs=True is not a whole number: expected an int from 1 to 100,000. Use epochs=1."),
        (
            {"learning_curve": "no"},
            "learning_curve='no' is no truth value: expected True or False. Use learning_curve=True, or leave learning_curve "
            "out.",
        ),
        (
            {"hidden": "128"},
            "hidden='128' is no list of numbers: expected numbers, 1 to 65,536 each, at most 64 of them. Use hidden=(128, "
            "128).",
        ),
        ({"hidden": (8.0,)}, "hidden=8.0 is not a whole number: expected an int from 1 to 65,536. Use hidden=8."),
        (
            {"dropout": "0.1"},
            "dropout='0.1' is no list of numbers: expected numbers, above 0 and below 1 each, at most 100 of them. Use "
            "dropout=(0.1, 0.3).",
        ),
        ({"dropout": ("0.1",)}, "dropout='0.1' is not a number: expected a real number, got str. Use dropout=0.1."),
        (
            {"learning_rate": "1e-3"},
            "learning_rate='1e-3' is not a number: expected a real number, got str. Use learning_rate=0.001.",
        ),
        (
            {"seedz": 3},
            f"seedz=3 is no option of configure: expected one of {', '.join(options_of(DesignOptions))}. Did you mean 'seeds'?",
        ),
    ],
)
def test_arguments_of_another_type(given, message, refuses):
    with refuses(ArgumentTypeError, message):
        configure(**given)


def test_every_arm_is_trained_with_every_seed_and_dropout_with_every_rate():
    config = configure(seeds=3, dropout=(0.5, 0.1, 0.5))
    nets = plan_nets(config)
    expected = [
        *product(["plain"], range(3), [0.0]),
        *product(["dropout"], range(3), [0.1, 0.5]),
        *product(["batch_norm"], range(3), [0.0]),
        *product(["dropout+batch_norm"], range(3), [0.1, 0.5]),
    ]
    assert [(net.arm.name, net.seed, net.rate) for net in nets] == expected
    assert [net.net for net in nets] == list(range(18))


def test_blocks_hold_every_net_once_and_only_nets_of_one_shape():
    nets = plan_nets(configure(seeds=40, dropout=(0.1, 0.2, 0.3)))
    blocks = plan_blocks(nets)
    assert sorted(net.net for block in blocks for net in block) == [net.net for net in nets]
    assert all(len({net.structure for net in block}) == 1 for block in blocks)
    assert all(0 < len(block) <= NETS_PER_BLOCK for block in blocks)
    assert len(blocks) == 2 * -(-160 // NETS_PER_BLOCK)


def test_large_nets_train_in_smaller_blocks():
    nets = plan_nets(configure(seeds=10, arms="batch_norm"))
    sizes = {len(block) for block in plan_blocks(nets, numbers=2**25 // 3)}
    assert sizes == {3, 1}
    assert {len(block) for block in plan_blocks(nets, numbers=2**40)} == {1}


def test_keys_of_different_seeds_purposes_epochs_and_steps_all_differ():
    keys = torch.cat(
        [seed_keys(range(5), purpose, epoch, torch.arange(7)).flatten() for purpose in Purpose for epoch in range(1, 6)]
        + [seed_keys(range(5), purpose) for purpose in Purpose]
    )
    assert len(keys.unique()) == len(keys) == 3 * 5 * 5 * 7 + 15


def test_a_seeds_keys_do_not_depend_on_the_seeds_beside_it():
    together = seed_keys([3, 1, 4], Purpose.MASKS, 2, torch.arange(6))
    assert together.shape == (3, 6)
    assert torch.equal(together[1:2], seed_keys([1], Purpose.MASKS, 2, torch.arange(6)))
    assert torch.equal(together[1, 5:6], seed_keys([1], Purpose.MASKS, 2, 5))


def test_a_key_gives_its_generator_again_and_another_key_another():
    keys = seed_keys([0, 1], Purpose.ORDER, 0)
    first, again, other = (torch.randperm(50, generator=seed_generator(keys[index])) for index in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_negative_key_seeds_a_generator_too():
    assert torch.rand(1, generator=seed_generator(torch.tensor(-1))).isfinite()


def test_seeds_are_numbered_split_by_split():
    config = configure(splits=3, seeds=2, arms="batch_norm")
    plain = [net for net in plan_nets(config) if net.arm.name == "plain"]
    assert [net.seed for net in plain] == [0, 1, 2, 3, 4, 5]
    assert [config.split_of(net.seed) for net in plain] == [0, 0, 1, 1, 2, 2]
    each = configure(seeds=3)
    assert [each.split_of(seed) for seed in range(3)] == [0, 1, 2]
    assert (each.split_count, each.repetitions) == (3, 3)


def test_a_split_may_have_one_seed_if_there_are_others():
    assert configure(splits=2, seeds=1).repetitions == 2
