"""How a model is trained, in the cases that examples of the page leave out."""

import keras
import numpy as np
import pytest
from keras import layers

import dropnorm as dn
import dropnorm.keras


def net(**more):
    hidden = [layers.Dense(8, use_bias=False), layers.BatchNormalization(**more), layers.ReLU()]
    return keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(3)])


def decayed(optimizer):
    return [finding.values for finding in dn.audit(net(name="norm"), optimizer=optimizer, select="DN221").findings]


def test_weight_decay_is_what_the_optimizer_says():
    (found,) = decayed(keras.optimizers.Lion(weight_decay=0.25))
    assert (found["decay"], found["count"]) == (0.25, 3)
    assert found["example"].endswith("norm/gamma")
    assert decayed(keras.optimizers.Adam()) == []
    assert len(decayed(keras.optimizers.LossScaleOptimizer(keras.optimizers.AdamW()))) == 1
    excluding = keras.optimizers.AdamW()
    excluding.exclude_from_weight_decay(var_names=["gamma", "beta"])
    assert decayed(excluding)[0]["count"] == 1
    model = net()
    listed = keras.optimizers.AdamW()
    listed.exclude_from_weight_decay(var_list=[each for each in model.trainable_variables if len(each.shape) == 1])
    assert dn.audit(model, optimizer=listed).codes == ()


def test_a_frozen_batch_norm_has_no_batch_statistics(normal):
    model = net()
    model(normal(64, 4), training=True)
    model.layers[1].trainable = False
    assert dn.audit(model, normal(2, 4), select="DN22").codes == ()


def test_the_momentum_for_micro_batches():
    optimizer = keras.optimizers.Adam(gradient_accumulation_steps=4)
    (finding,) = dn.audit(net(momentum=0.9), optimizer=optimizer).findings
    assert "momentum=0.974" in finding.fix
    np.testing.assert_allclose(finding.values["momentum"] ** 4, 0.9)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="elsewhere Keras refuses such a layer itself")
def test_the_momentum_for_two_updates(normal):
    """By fitting once: two updates with the advised momentum are one of what was set."""
    with keras.RematScope(mode="full"):
        norm = layers.BatchNormalization(momentum=0.5)
    x = normal(64, 4) + 5
    model = keras.Sequential([keras.Input((4,)), norm, layers.Dense(1)])
    (finding,) = dn.audit(model).findings
    assert finding.values["was"] == 0.5
    norm.momentum = finding.values["momentum"]
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(x, x[:, :1], batch_size=64, verbose=0)
    np.testing.assert_allclose(norm.moving_mean.numpy(), 0.5 * x.mean(0), rtol=1e-5)
    with keras.RematScope(mode="list_of_layers", layer_names=["other"]):
        outside = layers.BatchNormalization(name="norm")
    assert dn.audit(keras.Sequential([keras.Input((4,)), outside, layers.Dense(1)])).codes == ()


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="elsewhere Keras refuses such a layer itself")
def test_a_batch_norm_of_ours_that_drops_is_not_computed_again(normal):
    with keras.RematScope(mode="full"):
        norm = dropnorm.keras.BatchNormActDropout(0.5, momentum=0.5)
    x = normal(64, 4) + 5
    model = keras.Sequential([keras.Input((4,)), norm, layers.Dense(1)])
    assert "DN225" not in dn.audit(model).codes
    model.compile(keras.optimizers.SGD(0.0), "mse")
    model.fit(x, x[:, :1], batch_size=64, verbose=0)
    np.testing.assert_allclose(norm.moving_mean.numpy(), 0.5 * x.mean(0), rtol=1e-5)
