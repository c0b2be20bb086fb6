"""Settings, in the cases that examples of the page leave out."""

import keras
import pytest
from keras import layers

import dropnorm as dn
from dropnorm import keras as own


def net(*body):
    return keras.Sequential([keras.Input((4,)), layers.Dense(8, use_bias=False), *body, layers.Dense(3)])


@pytest.mark.parametrize(
    ("momentum", "epsilon", "codes"),
    [
        (0.99, 1e-3, ()),
        (0.0, 1e-3, ("DN121",)),
        (0.5, 1e-3, ()),
        (0.9, 1e-5, ()),  # both are torch's, carried over
        (0.99, 1.001e-5, ()),  # as the ResNets of keras.applications have it
        (0.99, 1e-5, ("DN122",)),
    ],
)
def test_momentum_and_epsilon(momentum, epsilon, codes):
    norm = layers.BatchNormalization(momentum=momentum, epsilon=epsilon)
    assert dn.audit(net(norm, layers.ReLU())).codes == codes


@pytest.mark.parametrize("kind", [layers.Dropout, layers.AlphaDropout, own.BatchNormActDropout, own.Dropout])
def test_rates(kind):
    assert [dn.audit(net(kind(rate)), select="DN12").codes for rate in (0.7, 0.75, 1.0)] == [(), ("DN125",), ("DN124",)]
    assert (
        dn.audit(net(kind(0.75)), select="DN12").findings[0].seen == "rate=0.75: each unit is kept in 0.25 of the steps"
    )


def test_dropout_inside_of_what_is_called_in_training_mode():
    inputs = keras.Input((4,))
    part = keras.Sequential([keras.Input((4,)), layers.Dropout(0.5, name="drop"), layers.Dropout(0.0)], name="part")
    (finding,) = dn.audit(keras.Model(inputs, layers.Dense(2)(part(inputs, training=True)))).findings
    assert (finding.code, finding.path) == ("DN123", "part/drop")
    deep = keras.Sequential(
        [keras.Input((4,)), keras.Model(inputs, part.layers[0](inputs, training=True), name="deep")]
    )
    assert [each.path for each in dn.audit(deep, select="DN123").findings] == ["deep/drop"]
