"""Differences between inference and training, measured: against what is known of them."""

import keras
import numpy as np
import pytest
from keras import layers

from dropnorm.errors import SurgeryError
from dropnorm.surgery.keras.audit.measuring import look_at, measure
from dropnorm.surgery.keras.graph import read_graph
from dropnorm.surgery.keras.paths import layers_of


def measured(model, loader):
    return measure(model, layers_of(model), read_graph(model), loader)


def test_dropout_alone_explains_the_gap(normal):
    """Of x dropped with p, the mean of four masks deviates by sqrt(p / (1 - p) / 4) of its root mean square.

    Over 64,000 independent units the figure is within 0.005 of that, one deviation; 0.03 are six.
    """
    found = measured(keras.Sequential([keras.Input((1000,)), layers.Dropout(0.5)]), [normal(64, 1000)])
    assert abs(found.whole - 0.5) < 0.03
    assert abs(found.dropped - 0.5) < 0.03
    assert (found.rows, found.batch_rows) == (64, 64)


def test_batch_norm_alone_is_what_dropout_does_not_explain(normal):
    """With moving statistics of mean 2 the outputs in inference are off by 2 of their own deviation."""
    model = keras.Sequential([keras.Input((10,)), layers.BatchNormalization(epsilon=1e-9)])
    model.layers[0].moving_mean.assign(np.full(10, 2.0))
    found = measured(model, [normal(5000, 10)] * 2)
    assert abs(found.whole - 2.0) < 0.1
    assert found.dropped == 0.0
    assert found.rows == 5000, "no more than are needed"
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model.layers[0].moving_mean.value), np.full(10, 2.0))


def test_units_that_are_never_above_zero(normal):
    dense = layers.Dense(3, activation="relu", name="dense")
    model = keras.Sequential([keras.Input((4,)), dense])
    dense.bias.assign([100.0, -100.0, 0.0])
    (units,) = measured(model, [normal(50, 4)] * 3).units
    assert (units.path, units.alive.tolist()) == ("dense", [True, False, True])


def test_what_is_on_in_inference_too(normal):
    class Always(layers.Layer):
        def __init__(self):
            super().__init__(name="always")
            self.drop = layers.Dropout(0.5, name="drop")

        def call(self, x):
            return self.drop(x, training=True)

    model = keras.Sequential([keras.Input((4,)), Always(), layers.Dropout(0.5, name="usual")])
    assert [call.path for call in look_at(model, layers_of(model), normal(8, 4)).training] == ["always/drop"]


def test_outputs_of_any_dimensions_and_no_rows_at_all(normal):
    model = keras.Sequential([keras.Input((4,)), layers.BatchNormalization(), layers.Dense(6), layers.Reshape((2, 3))])
    assert measured(model, [normal(8, 4), normal(0, 4)]).rows == 8
    look_at(model, layers_of(model), normal(0, 4))
    flat = keras.Sequential([keras.Input((4,)), layers.Dense(1), layers.Reshape(())])
    assert measured(flat, [normal(8, 4)]).rows == 8


def test_what_cannot_be_run(normal):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    with pytest.raises(SurgeryError, match=r"\Aloader=an array of shape \(2, 9\) cannot be given to Sequential"):
        measured(model, [normal(2, 9)])
    with pytest.raises(SurgeryError, match="loader is empty"):
        measured(model, [])
