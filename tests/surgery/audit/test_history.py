"""Losses of every kind: alarms where there is something, silence where there is only noise."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import dropnorm as dn
from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.surgery.audit.history import losses_of

NET = nn.Linear(2, 2)


def codes(train, validation):
    history = {"train_loss": list(map(float, train)), "validation_loss": list(map(float, validation))}
    return dn.audit(NET, history=history, select="DN31").codes


def test_every_kind_of_history_is_read():
    expected = {"train": [1.0, 0.5], "validation": [1.1, 0.9]}
    for history in (
        {"train_loss": [1, 0.5], "validation_loss": [1.1, 0.9]},
        {"loss": [1, 0.5], "val_loss": [1.1, 0.9], "accuracy": [0.1, 0.2]},
        [{"loss": 1, "val_loss": 1.1}, {"loss": 0.5, "val_loss": 0.9}],
        SimpleNamespace(history={"loss": [1, 0.5], "val_loss": [1.1, 0.9]}),
    ):
        assert losses_of(history) == expected


@pytest.mark.parametrize(
    ("history", "error", "message"),
    [
        (3.0, ArgumentTypeError, "history=float is no record of losses"),
        ({"loss": [1.0]}, ArgumentError, "history has 'loss', and no losses of validation"),
        ({}, ArgumentError, "history has nothing, and no losses of train"),
        ({"loss": [1.0, 0.5], "val_loss": [1.0]}, ArgumentError, "history has 2 training and 1 validation losses"),
    ],
)
def test_what_is_no_history(history, error, message):
    with pytest.raises(error, match=message):
        dn.audit(NET, history=history)


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_raises_no_alarm(seed):
    """Losses that have levelled out, with noise of any size. Seeds are fixed."""
    generator = torch.Generator().manual_seed(seed)
    epochs = torch.arange(60)
    level = 0.5 + torch.exp(-epochs / 6.0)
    noise = 0.05 * torch.randn(2, 60, generator=generator)
    assert codes(level + noise[0], level + noise[1]) == ()


@pytest.mark.parametrize("seed", range(20))
def test_overfitting_is_seen_through_noise(seed):
    generator = torch.Generator().manual_seed(seed)
    epochs = torch.arange(60)
    noise = 0.02 * torch.randn(2, 60, generator=generator)
    train = torch.exp(-epochs / 15.0)
    validation = train + 0.012 * epochs
    found = dn.audit(
        NET, history={"train_loss": (train + noise[0]).tolist(), "validation_loss": (validation + noise[1]).tolist()}
    )
    assert found.codes == ("DN311",)
    assert found.findings[0].values["epoch"] == pytest.approx(25, abs=9)


def test_a_few_epochs_say_nothing():
    assert codes([1, 0.5, 0.2, 0.1], [1, 0.8, 1.2, 2.0]) == ()
    assert codes([1.0] * 10, [1.0] * 10) == ()


def test_losses_that_both_rise_are_another_trouble():
    rising = [1.0, 0.8, 0.7, 0.65, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3]
    assert codes(rising, rising) == ()
