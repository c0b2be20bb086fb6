"""A Keras net in training: against a loop of `fit` as one would write it, and against itself after a restart."""

import random

import keras
import numpy as np
import pytest
import torch
from keras import layers
from safetensors.torch import load

from dropnorm.errors import ArgumentError
from dropnorm.random import derive_key
from dropnorm.study.design import Purpose, seed_generator, seed_keys
from dropnorm.study.keras.nets import KerasNets, outputs_of
from dropnorm.study.keras.variables import tensors_of

SEED, BATCH, WIDTHS = 1, 16, (12, 8)


def dense(features, outputs):
    return keras.Sequential(
        [
            keras.Input((features,)),
            layers.Dense(WIDTHS[0], activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(WIDTHS[1], activation="relu"),
            layers.GaussianNoise(0.1),
            layers.Dense(outputs),
        ]
    )


def compiled(features, outputs):
    net = keras.Sequential([*dense(features, outputs).layers, layers.Softmax()])
    net.compile(keras.optimizers.SGD(0.1, momentum=0.9), "categorical_crossentropy", metrics=["accuracy"])
    return net


def failing(features, outputs):
    def loss(y, p):
        return keras.ops.mean(p)

    class Late(keras.optimizers.SGD):
        def apply(self, grads, trainable_variables=None):
            if Late.steps == 3:
                raise RuntimeError("out of patience")
            Late.steps += 1
            return super().apply(grads, trainable_variables)

    Late.steps = 0
    net = keras.Sequential([keras.Input((features,)), layers.Dense(outputs, activation="softmax")])
    net.compile(Late(), "sparse_categorical_crossentropy", run_eagerly=True)
    return net


def train(trainer):
    history = []
    while not trainer.finished:
        history += trainer.train_epoch()
    return history


def by_hand(trainer, model, epochs, targets=lambda y: y, weights=None):
    """`fit` epoch by epoch, on the rows and with the seeds that the study's page says."""
    rows = trainer.parts.train_rows(SEED)
    used = len(rows) // BATCH * BATCH
    states = [each for each in model.non_trainable_variables if each.name == "seed_generator_state"]
    for epoch in range(epochs):
        order = torch.randperm(len(rows), generator=seed_generator(seed_keys([SEED], Purpose.ORDER, epoch)[0]))[:used]
        x, y = trainer.parts.take(torch.tensor([SEED]), rows[order][None])
        key = seed_keys([SEED], Purpose.MASKS, epoch, torch.arange(1))[0, 0]
        for place, state in enumerate(states):
            state.assign(np.array([int(derive_key(key, place)) & (2**31 - 1), 0]))
        # By this Keras drops on torch.
        start = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda *_, key=key: torch.manual_seed(int(key) & (2**63 - 1))
        )
        settings = {"batch_size": BATCH, "epochs": 1, "shuffle": False, "verbose": 0, "class_weight": weights}
        model.fit(x[0].numpy(), targets(y[0].numpy()), callbacks=[start], **settings)
    return tensors_of(model.weights)


def as_made(factory):
    """What the factory makes, with Python's generator, of which Keras takes its seeds, at the seed's key."""
    random.seed(int(seed_keys([SEED], Purpose.WEIGHTS)[0]))
    return factory(4, 3)


def assert_same(trainer, expected):
    for name, tensor in trainer.nets.tensors().items():
        assert torch.equal(tensor[0], expected[name]), name


def test_a_net_without_a_loss_is_trained_with_adam_on_the_cross_entropy(trainer_of):
    trainer = trainer_of(dense, None, learning_rate=0.02)
    model = as_made(dense)
    model.compile(keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    train(trainer)
    assert_same(trainer, by_hand(trainer, model, 4))


def test_a_compiled_net_keeps_its_optimizer_and_loss(trainer_of):
    trainer = trainer_of(compiled, None)
    train(trainer)
    assert_same(trainer, by_hand(trainer, as_made(compiled), 4, lambda y: np.eye(3)[y]))


@pytest.mark.parametrize(("factory", "form"), [(dense, lambda y: y), (compiled, lambda y: np.eye(3)[y])])
def test_classes_are_weighted_as_keras_does_it(trainer_of, blobs, factory, form):
    X, y = blobs()
    rare = np.flatnonzero(y == 2)[8:]
    trainer = trainer_of(factory, None, data=(np.delete(X, rare, axis=0), np.delete(y, rare)), class_weight="balanced")
    model = as_made(factory)
    if not model.compiled:
        model.compile(keras.optimizers.Adam(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    train(trainer)
    rows = trainer.parts.train_rows(SEED)
    counts = np.bincount(trainer.parts.targets[rows].numpy())
    assert len(set(counts)) > 1
    weights = dict(enumerate(len(rows) / (len(counts) * counts)))
    for name, expected in by_hand(trainer, model, 4, form, weights).items():
        torch.testing.assert_close(trainer.nets.tensors()[name][0], expected, rtol=1e-4, atol=1e-5, msg=name)


def test_weight_decay_is_that_of_adamw_without_biases_and_norms(trainer_of):
    trainer = trainer_of(dense, {"weight_decay": 5.0}, learning_rate=0.01)
    model = as_made(dense)
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=5.0)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    train(trainer)
    assert_same(trainer, by_hand(trainer, model, 4))


def test_hidden_units_have_no_larger_norm_than_allowed_and_outputs_may(trainer_of):
    trainer = trainer_of(dense, {"max_norm": 0.3}, learning_rate=0.05)
    train(trainer)
    norms = [np.linalg.norm(np.asarray(each), axis=0) for each in trainer.nets.model.weights if each.name == "kernel"]
    for hidden in norms[:-1]:
        assert hidden.max() == pytest.approx(0.3, rel=1e-5)
    assert norms[-1].max() > 0.3


def test_what_is_measured_is_what_keras_measures(trainer_of):
    trainer = trainer_of(compiled, None)
    last = train(trainer)[-1]
    rows, _ = trainer.parts.index([SEED], "validation")
    x, y = trainer.parts.take(torch.tensor([SEED]), rows)
    model = trainer.nets.model
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = model.evaluate(x[0].numpy(), y[0].numpy(), verbose=0)
    assert last.validation_loss == pytest.approx(loss, rel=1e-4)
    assert last.validation_score == pytest.approx(accuracy, rel=1e-6)


@pytest.mark.parametrize("factory", [dense, compiled])
def test_a_trainer_made_from_a_state_goes_on_to_the_bit(trainer_of, factory):
    settings = {"patience": 2, "epochs": 30} | ({"learning_rate": 0.05} if factory is dense else {})
    trainer = trainer_of(factory, {"weight_decay": 0.1, "max_norm": 2.0}, **settings)
    numbers, states = [], []
    while not trainer.finished:
        numbers.append(trainer.train_epoch())
        states.append(trainer.state())
        # What others draw has no say.
        random.random()
        torch.rand(3)
    assert trainer.epoch < settings["epochs"], "it stops on the way"
    finished = list(trainer.finish())
    for epoch in (1, len(states) - 1):
        again = trainer_of(factory, {"weight_decay": 0.1, "max_norm": 2.0}, state=states[epoch], **settings)
        assert [again.train_epoch() for _ in numbers[epoch + 1 :]] == numbers[epoch + 1 :]
        assert again.finished
        assert list(again.finish()) == finished


def scheduled(features, outputs):
    """A compiled net with a schedule of its own, which keeps 0.05 for longer than any test trains."""
    model, own = compiled(features, outputs), keras.optimizers.schedules.CosineDecay(0.05, decay_steps=10**9)
    model.compile(keras.optimizers.Adam(own), loss="sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize(("factory", "rate"), [(dense, 0.03), (compiled, None), (scheduled, None)])
def test_on_a_plateau_a_net_goes_back_to_its_best_weights_at_a_fifth_of_its_rate(trainer_of, factory, rate):
    given = {} if rate is None else {"learning_rate": rate}
    trainer = trainer_of(factory, {"weight_decay": 0.1}, patience=1, epochs=60, **given)

    def learning_rate():
        return float(keras.ops.convert_to_numpy(trainer.nets.model.optimizer.learning_rate))

    start, dropped = learning_rate(), 0
    while not trainer.finished:
        trainer.train_epoch()
        if len(trainer.active) and int(trainer.stopping.drops[0]) > dropped:
            dropped += 1
            expected = 1.0 if factory is scheduled else 0.2**dropped
            assert learning_rate() == pytest.approx(start * expected, rel=1e-6)
            for name, tensor in tensors_of(trainer.nets.model.weights).items():
                assert torch.equal(tensor, trainer.best[name][0]), name
    assert dropped == 2


def test_the_best_epoch_comes_back(trainer_of):
    trainer = trainer_of(dense, {"weight_decay": 0.1}, learning_rate=0.1, epochs=12, patience=3)
    best, losses = {}, []
    while not trainer.finished:
        losses += [record.validation_loss for record in trainer.train_epoch()]
        if losses[-1] == min(losses):
            best = tensors_of(trainer.nets.model.weights)
    ((record, weights),) = trainer.finish()
    assert record.best_epoch == 1 + int(np.argmin(losses)) < len(losses)
    kept = load(weights)
    assert kept.keys() == best.keys()
    assert all(torch.equal(tensor, best[name]) for name, tensor in kept.items())


def test_training_leaves_the_generators_of_others_as_they_were(trainer_of):
    trainer = trainer_of(dense, {"weight_decay": 0.1})
    state = random.getstate(), torch.get_rng_state(), np.random.get_state()[1].copy()
    train(trainer)
    assert random.getstate() == state[0]
    assert torch.equal(torch.get_rng_state(), state[1])
    assert np.array_equal(np.random.get_state()[1], state[2])


def test_outputs_do_not_depend_on_how_many_rows_are_asked_for(trainer_of):
    nets = trainer_of(dense, {"weight_decay": 0.1}).nets
    assert isinstance(nets, KerasNets)
    x = np.random.default_rng(0).normal(size=(37, 4)).astype("float32")
    whole = outputs_of(nets.model, nets.architecture, x)
    assert whole.shape == (37, 3)
    assert torch.allclose(whole[:5], outputs_of(nets.model, nets.architecture, x[:5]), atol=1e-6)
    assert outputs_of(nets.model, nets.architecture, x[:0]).shape == (0, 3)


def test_an_optimizer_that_fails_on_the_way_is_told_with_its_own_lines(trainer_of):
    trainer = trainer_of(failing, {"max_norm": 1.0})
    with pytest.raises(ArgumentError, match=r"makes a net that fails in fit. Expected [^\0]*out of patience"):
        train(trainer)
