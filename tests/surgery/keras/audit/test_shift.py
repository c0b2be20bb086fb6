"""What dropout adds to the variance at a batch norm: predicted, and measured over many masks."""

import keras
import numpy as np
import pytest
import torch
from keras import layers

from dropnorm.surgery.keras.audit.measuring import measure
from dropnorm.surgery.keras.graph import read_graph
from dropnorm.surgery.keras.paths import layers_of


@pytest.mark.parametrize(
    ("body", "shape"),
    [
        ([layers.Dropout(0.5), layers.Dense(40)], (30,)),
        ([layers.Dropout(0.5)], (30,)),
        ([layers.Dropout(0.3), layers.Flatten(), layers.Dense(40)], (5, 6)),
        ([layers.Dropout(0.5), layers.Conv2D(8, 3, padding="same")], (8, 8, 3)),
        ([layers.Dropout(0.5), layers.Conv2D(8, 3, strides=2)], (9, 9, 3)),
        ([layers.Dropout(0.5), layers.Conv1D(8, 3, dilation_rate=2)], (20, 4)),
    ],
)
def test_prediction_and_measurement_agree(body, shape, normal):
    relu = layers.ReLU()
    model = keras.Sequential([keras.Input(shape), relu, *body, layers.BatchNormalization()])
    found = measure(model, layers_of(model), read_graph(model), [normal(512, *shape)])
    (shift,) = found.shifts
    assert shift.predicted is not None
    # Over 2,048 masked rows and the mean of all channels, a deviation of about 0.005.
    assert abs(float(shift.measured.mean() - shift.predicted.mean())) < 0.04
    assert float(shift.measured.mean()) < 0.95


@pytest.mark.parametrize(
    "body",
    [
        [layers.SpatialDropout2D(0.5)],
        [layers.Dropout(0.5, noise_shape=(None, 1, 1, None))],
        [layers.GaussianDropout(0.5)],
        [layers.Dropout(0.5), layers.Conv2D(3, 2), layers.ReLU()],
        [layers.Dropout(0.5), layers.SeparableConv2D(3, 2)],
        [layers.Conv2D(3, 2)],
    ],
)
def test_of_what_is_not_independent_nothing_is_predicted(body, normal):
    model = keras.Sequential([keras.Input((6, 6, 3)), *body, layers.BatchNormalization()])
    (shift,) = measure(model, layers_of(model), read_graph(model), [normal(16, 6, 6, 3)]).shifts
    assert shift.predicted is None


def test_constants_do_not_shift():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.BatchNormalization()])
    (shift,) = measure(model, layers_of(model), read_graph(model), [np.zeros((8, 4), "float32")]).shifts
    assert torch.equal(shift.measured, torch.ones(3).double())
