"""What the outputs of a classifier are, and that nothing is guessed."""

import keras
import numpy as np
import pytest
from keras import layers
from scipy.special import expit, softmax
from scipy.stats import entropy

import dropnorm as dn
from dropnorm.errors import ArgumentError
from dropnorm.surgery.keras.outputs import activation_of_outputs, is_binary, loss_from_logits

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")


def net(*head, loss=None):
    # Named, since those of `head` may have been made, and named, before.
    hidden = layers.Dense(8, activation="relu", name="hidden"), layers.Dropout(0.5, name="drop")
    model = keras.Sequential([keras.Input((4,)), *hidden, *head])
    if loss is not None:
        model.compile("sgd", loss)
    return model


def on_logits(model):
    """The same model without its last activation."""
    head = model.layers[-1]
    bare = layers.Dense(head.units, name="bare")
    made = keras.Sequential([keras.Input((4,)), *model.layers[:-1], bare])
    bare.set_weights(head.get_weights())
    return made


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ([layers.Dense(3, activation="softmax")], "softmax"),
        ([layers.Dense(3), layers.Softmax()], "softmax"),
        ([layers.Dense(3), layers.Activation("softmax"), layers.Activation("linear", dtype="float32")], "softmax"),
        ([layers.Dense(1, activation="sigmoid"), layers.Reshape(())], "sigmoid"),
        ([keras.Sequential([layers.Dense(3, activation="softmax")])], "softmax"),
        ([layers.Dense(3)], "linear"),
        ([layers.Dense(3, activation="relu")], "relu"),
        ([layers.Dense(3), layers.Lambda(keras.ops.softmax)], None),
    ],
)
def test_the_last_activation(head, name):
    assert activation_of_outputs(net(*head)) == name


def test_operations_and_models_without_a_graph():
    inputs = keras.Input((4,))
    assert activation_of_outputs(keras.Model(inputs, keras.ops.softmax(layers.Dense(3)(inputs)))) == "softmax"
    assert activation_of_outputs(keras.Sequential([layers.Dense(3)])) is None


@pytest.mark.parametrize(
    ("loss", "logits", "binary"),
    [
        ("sparse_categorical_crossentropy", False, False),
        ("BinaryCrossentropy", False, True),
        (keras.losses.CategoricalCrossentropy(from_logits=True), True, False),
        ([keras.losses.BinaryCrossentropy(from_logits=True)], True, True),
        (keras.losses.binary_crossentropy, False, True),
        ("mse", None, False),
        (None, None, False),
        (keras.ops.subtract, None, False),
    ],
)
def test_losses(loss, logits, binary):
    assert (loss_from_logits(loss), is_binary(loss)) == (logits, binary)


def test_softmax_and_logits_tell_the_same():
    model = net(layers.Dense(3, activation="softmax"))
    told, expected = dn.mc_predict(model, X, 20), dn.mc_predict(on_logits(model), X, 20)
    np.testing.assert_allclose(told.mean, expected.mean, rtol=1e-5)
    np.testing.assert_allclose(told.mutual_information, expected.mutual_information, rtol=1e-3, atol=1e-6)


def test_labels_have_an_entropy_each():
    model = net(layers.Dense(2, activation="sigmoid"))
    told = dn.mc_predict(model, X, 20)
    logits = net(*on_logits(model).layers[2:], loss=keras.losses.BinaryCrossentropy(from_logits=True))
    logits.layers[0].set_weights(model.layers[0].get_weights())
    np.testing.assert_allclose(dn.mc_predict(logits, X, 20).mean, told.mean, rtol=1e-5)
    assert told.predictive_entropy.shape == (6, 2)
    np.testing.assert_allclose(told.predictive_entropy, entropy(np.stack([told.mean, 1 - told.mean])), rtol=1e-9)
    assert (told.mutual_information > 0).all()


def test_one_sigmoid_by_hand():
    model = keras.Sequential([keras.Input((4,)), layers.Dropout(0.5), layers.Dense(1, activation="sigmoid")])
    told = dn.mc_predict(model, X[:1], 4000)
    # All sixteen masks alike: of 4,000 samples the mean is off by 0.5 / sqrt(4000) = 0.008 at most; 6 of those.
    masks = np.array([[mask >> bit & 1 for bit in range(4)] for mask in range(16)])
    outputs = expit((2 * masks * X[0]) @ model.layers[-1].kernel.numpy()[:, 0])
    assert abs(told.mean[0, 0] - outputs.mean()) < 0.05


def test_sequences_of_classes():
    model = keras.Sequential([keras.Input((5, 4)), layers.Dropout(0.5), layers.Dense(3)])
    x = np.random.default_rng(1).normal(size=(2, 5, 4)).astype("float32")
    told = dn.mc_predict(model, x, 10)
    assert (told.mean.shape, told.predictive_entropy.shape) == ((2, 5, 3), (2, 5))
    np.testing.assert_allclose(told.mean.sum(-1), 1.0)


def test_a_regression_is_of_the_outputs_themselves():
    told = dn.mc_predict(net(layers.Dense(1)), X, 10, task="regression")
    assert told.mean.shape == (6, 1)
    assert told.predictive_entropy is None


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (
            lambda: net(layers.Dense(3), layers.Lambda(softmax)),
            {},
            "from_logits=None, and Sequential does not tell what its outputs are",
        ),
        (
            lambda: net(layers.Dense(3, activation="softmax")),
            {"from_logits": True},
            "from_logits=True does not fit outputs of the activation 'softmax': expected from_logits=False",
        ),
        (
            lambda: net(layers.Dense(3), loss="sparse_categorical_crossentropy"),
            {},
            "the loss with from_logits=False does not fit outputs of the activation 'linear'",
        ),
        (
            lambda: net(layers.Dense(3, activation="relu")),
            {"from_logits": False},
            "the model's outputs (do not add up to 1|are no probabilities)",
        ),
        (
            lambda: net(layers.Dense(1)),
            {},
            r"the model's outputs have the shape \(6, 1\): expected \(N, \*, classes\), a logit",
        ),
    ],
)
def test_nothing_is_guessed(model, given, message):
    with pytest.raises(ArgumentError, match=rf"\A{message}"):
        dn.mc_predict(model(), X, 10, **given)
