import keras
import numpy as np
import pytest
import torch
from keras import layers

from dropnorm.errors import ArgumentError, RunError
from dropnorm.study.arms import checked_arms, named_arm
from dropnorm.study.design import configure
from dropnorm.study.keras.arms import check_arms, model_of_arm, rebuilt
from dropnorm.study.keras.check import look_over
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.modules.factory import factory_name


def plain(features, outputs):
    return keras.Sequential([keras.Input((features,)), layers.Dense(6, activation="relu"), layers.Dense(outputs)])


def functional(features, outputs):
    x = keras.Input((features,))
    h = layers.Dense(6, activation="relu")(x)
    h = layers.Dense(6, activation="relu")(layers.Concatenate()([x, h]))
    return keras.Model(x, layers.Dense(outputs, activation="softmax")(h))


def normed(features, outputs):
    return keras.Sequential(
        [keras.Input((features,)), layers.Dense(6), layers.BatchNormalization(), layers.ReLU(), layers.Dense(outputs)]
    )


class Subclassed(keras.Model):
    def __init__(self, outputs):
        super().__init__()
        self.only = layers.Dense(outputs)

    def call(self, x):
        return self.only(x)


def constrained(features, outputs):
    hidden = layers.Dense(6, activation="relu", kernel_constraint="non_neg")
    return keras.Sequential([keras.Input((features,)), hidden, layers.Dense(outputs)])


def shape_of(factory):
    name = factory_name(factory)
    return look_over(ModuleArchitecture(factory=name, features=4, outputs=3), configure(net=name), 3)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


@pytest.mark.parametrize("factory", [plain, functional])
def test_each_arm_has_its_layers_and_the_weights_of_plain(factory):
    shape = shape_of(factory)
    nets = {
        name: model_of_arm(shape, named_arm(name), 0.3 if named_arm(name).dropout else 0.0, 7)
        for name in ("plain", "dropout", "batch_norm", "dropout+batch_norm", "input_dropout", "last_dropout")
    }
    count = {name: (kinds(net).count("Dropout"), kinds(net).count("BatchNormalization")) for name, net in nets.items()}
    hidden = 1 if factory is plain else 2
    assert count["plain"] == (0, 0)
    assert count["dropout"] == (hidden, 0)
    assert count["batch_norm"] == (0, hidden)
    assert count["dropout+batch_norm"] == (hidden, hidden)
    assert count["input_dropout"] == count["last_dropout"] == (1, 0)
    kernels = {name: [each for each in net.weights if each.name == "kernel"] for name, net in nets.items()}
    for own in kernels.values():
        assert all(
            np.array_equal(*map(keras.ops.convert_to_numpy, pair)) for pair in zip(own, kernels["plain"], strict=True)
        )


def test_what_arms_ask_of_a_net_is_looked_into():
    check_arms(shape_of(normed), checked_arms("dropout,weight_decay"))
    with pytest.raises(ArgumentError, match=r"arms='batch_norm': batch_norm has no place in the net of .*normed'"):
        check_arms(shape_of(normed), checked_arms("batch_norm"))
    with pytest.raises(
        ArgumentError, match=r"max_norm limits the weights of 'dense.*' .* a kernel_constraint of its own"
    ):
        check_arms(shape_of(constrained), checked_arms("max_norm"))


def test_a_model_of_a_class_of_ones_own_has_no_arm_that_puts_layers_in():
    shape = shape_of(Subclassed)
    check_arms(shape, checked_arms("weight_decay"))
    with pytest.raises(ArgumentError, match=r"arms='dropout' cannot be made of the net of .*Subclassed'"):
        check_arms(shape, checked_arms("dropout"))


def test_a_net_is_made_anew_as_it_was_and_not_if_the_factory_has_changed():
    shape = shape_of(plain)
    made = rebuilt(shape, named_arm("dropout+batch_norm"), 0.3)
    assert kinds(made) == ["Dense", "BatchNormalization", "Activation", "Dropout", "Dense"]
    with pytest.raises(RunError, match="makes another net than the one that was studied"):
        rebuilt(shape.model_copy(update={"factory": factory_name(normed)}), named_arm("plain"), 0.0)


def test_an_arm_leaves_the_generators_of_others_as_they_were():
    shape, state = shape_of(plain), torch.get_rng_state()
    model_of_arm(shape, named_arm("dropout"), 0.3, 0)
    assert torch.equal(torch.get_rng_state(), state)
