import keras
import pytest
import torch
from keras import layers

from dropnorm.study.keras.variables import tensors_of


def dense(features, outputs):
    return keras.Sequential(
        [keras.Input((features,)), layers.Dense(9, activation="relu"), layers.Dropout(0.3), layers.Dense(outputs)]
    )


def compiled(features, outputs):
    net = dense(features, outputs)
    net.compile(keras.optimizers.RMSprop(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return net


def train(trainer):
    while not trainer.finished:
        trainer.train_epoch()
    return list(trainer.finish())


@pytest.mark.parametrize("factory", [dense, compiled])
def test_a_net_that_is_trained_after_another_comes_out_as_if_it_were_the_first(trainer_of, factory):
    first = trainer_of(factory, None)
    expected = train(first)
    again = trainer_of(factory, None, kind=first.kind)
    assert train(again) == expected
    if keras.backend.backend() != "torch":
        assert again.nets.model is first.nets.model, "so that nothing is traced anew"


def test_the_learning_rate_is_the_studys_where_the_net_has_none(trainer_of):
    for factory, rate in ((dense, 0.5), (compiled, 0.02)):
        given = {"learning_rate": 0.5} if factory is dense else {}
        optimizer = trainer_of(factory, {"weight_decay": 1.0}, **given).nets.model.optimizer
        assert abs(float(optimizer.learning_rate) - rate) < 1e-6


def test_nets_of_a_seed_start_alike_in_every_arm(trainer_of):
    plain, decayed = (tensors_of(trainer_of(dense, arm).nets.model.weights) for arm in (None, {"weight_decay": 0.1}))
    assert plain.keys() == decayed.keys()
    assert all(torch.equal(tensor, decayed[name]) for name, tensor in plain.items())
