"""What outputs mean, against Keras's own losses."""

import keras
import numpy as np
import pytest
import torch
from keras import layers, losses

from dropnorm.errors import ArgumentError
from dropnorm.study.keras.outputs import as_logits, default_loss, loss_of, make_loss, meaning_of, targets_for
from dropnorm.study.nets.objective import OBJECTIVES

X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
LABELS = np.array([0, 1, 1, 0, 1, 0])


def model(units, activation=None, loss=None, last=()):
    net = keras.Sequential([keras.Input((4,)), layers.Dense(units, activation=activation), *last])
    if loss is not None:
        net.compile("sgd", loss)
    return net


def meaning(net, classes):
    outputs = keras.ops.convert_to_numpy(net(X))
    return meaning_of(net, outputs, loss_of(net, "nets:small"), classes, "nets:small")


@pytest.mark.parametrize(
    ("units", "activation", "loss", "classes", "expected"),
    [
        (3, "softmax", None, 3, "probabilities"),
        (3, None, None, 3, "logits"),
        (3, "softmax", "sparse_categorical_crossentropy", 3, "probabilities"),
        (3, "softmax", "categorical_crossentropy", 3, "probabilities"),
        (3, "softmax", ["sparse_categorical_crossentropy"], 3, "probabilities"),
        (3, "softmax", losses.categorical_crossentropy, 3, "probabilities"),
        (3, None, losses.SparseCategoricalCrossentropy(from_logits=True), 3, "logits"),
        (3, None, losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1), 3, "logits"),
        (1, "sigmoid", None, 2, "probability"),
        (1, None, None, 2, "logit"),
        (1, "sigmoid", "binary_crossentropy", 2, "probability"),
        (1, None, losses.BinaryCrossentropy(from_logits=True), 2, "logit"),
        (2, "softmax", "sparse_categorical_crossentropy", 2, "probabilities"),
        (1, None, None, 0, "quantity"),
        (1, None, "mse", 0, "quantity"),
        (1, "relu", losses.MeanSquaredError(), 0, "quantity"),
    ],
)
def test_outputs_mean_what_activation_and_loss_say(units, activation, loss, classes, expected):
    assert meaning(model(units, activation, loss), classes) == expected


def test_a_softmax_layer_and_a_sigmoid_layer_count_as_activations():
    assert meaning(model(3, last=[layers.Softmax()]), 3) == "probabilities"
    assert meaning(model(1, last=[layers.Activation("sigmoid")]), 2) == "probability"


@pytest.mark.parametrize(
    ("units", "activation", "loss", "classes", "told"),
    [
        (
            3,
            "softmax",
            losses.SparseCategoricalCrossentropy(from_logits=True),
            3,
            "with from_logits=True takes them for logits",
        ),
        (3, None, "sparse_categorical_crossentropy", 3, "gives outputs that are no probabilities"),
        (3, "sigmoid", "categorical_crossentropy", 3, "gives outputs that are no probabilities"),
        (
            1,
            "sigmoid",
            losses.BinaryCrossentropy(from_logits=True),
            2,
            "Leave out from_logits=True, or the activation 'sigmoid'",
        ),
        (1, None, "binary_crossentropy", 2, "Give the last layer activation='sigmoid', or the loss from_logits=True"),
        (1, "sigmoid", "mse", 2, "where the target is 2 classes: expected 'binary_crossentropy'"),
        (3, "softmax", "mse", 3, "expected 'sparse_categorical_crossentropy' or 'categorical_crossentropy'"),
        (1, None, "binary_crossentropy", 0, "where the target is a quantity: expected 'mean_squared_error'"),
        (1, None, "mae", 0, "is compiled with loss='mae': expected one of 'sparse_categorical_crossentropy'"),
        (3, "softmax", losses.CategoricalFocalCrossentropy(), 3, "loss='CategoricalFocalCrossentropy'"),
        (3, "softmax", lambda *_: 0.0, 3, "loss='<lambda>'"),
        (1, "tanh", None, 2, "nothing tells whether it is a probability or a logit"),
    ],
)
def test_contradictions_are_refused(units, activation, loss, classes, told):
    with pytest.raises(ArgumentError, match=r"net='nets:small'.*expected") as caught:
        meaning(model(units, activation, loss), classes)
    assert told in str(caught.value)


@pytest.mark.parametrize("meaning", ["probabilities", "logits", "probability", "logit"])
def test_the_cross_entropy_of_what_they_become_is_keras_own(meaning):
    units = 1 if meaning in ("probability", "logit") else 2
    outputs = 3 * np.random.default_rng(1).normal(size=(6, units)).astype("float32")
    if meaning == "probabilities":
        outputs = keras.ops.convert_to_numpy(keras.ops.softmax(outputs))
    elif meaning == "probability":
        outputs = keras.ops.convert_to_numpy(keras.ops.sigmoid(outputs))
    name = default_loss(meaning)
    expected = make_loss(name, meaning)(targets_for(name, LABELS, 2), outputs)
    logits = as_logits(outputs, meaning)
    assert logits.shape == (6, 2)
    found = OBJECTIVES["classification"].losses(logits[None], torch.from_numpy(LABELS)[None])
    assert float(found.mean()) == pytest.approx(float(expected), rel=1e-5)


def test_sure_and_wrong_is_a_finite_loss():
    for outputs, meaning in (([[1.0, 0.0]], "probabilities"), ([[0.0]], "probability"), ([[1.0]], "probability")):
        assert as_logits(np.array(outputs, "float32"), meaning).isfinite().all()


def test_targets_have_the_form_that_the_loss_takes():
    assert targets_for("sparse_categorical_crossentropy", LABELS, 2).tolist() == LABELS.tolist()
    assert targets_for("categorical_crossentropy", LABELS, 2).tolist() == np.eye(2)[LABELS].tolist()
    assert targets_for("binary_crossentropy", LABELS, 2).shape == (6, 1)
    assert targets_for("mean_squared_error", np.array([0.5, -1.0]), 1).tolist() == [[0.5], [-1.0]]
