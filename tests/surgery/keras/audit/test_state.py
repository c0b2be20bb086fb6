"""What batch norms have learned, in the cases that examples of the page leave out."""

import keras
import numpy as np
import pytest
import torch
from keras import layers

import dropnorm as dn


def net():
    hidden = [layers.Dense(8, use_bias=False), layers.BatchNormalization(name="norm"), layers.ReLU()]
    return keras.Sequential([keras.Input((4,)), *hidden, layers.Dense(3)])


def reasons(model):
    return [finding.values["reason"] for finding in dn.audit(model, select="DN201").findings]


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="a loop as on torch")
def test_a_loop_that_forgets_training(normal):
    """As people write it: model(x) runs in inference mode."""
    model = net()
    model.compile("adam", "mse")
    x, y = normal(16, 4), torch.from_numpy(normal(16, 3))
    for _ in range(3):
        loss = (model(x) - y).square().mean()
        model.zero_grad()
        loss.backward()
        model.optimizer.apply([each.value.grad for each in model.trainable_weights], model.trainable_weights)
    assert reasons(model) == ["in a model that has been trained for 3 steps"]
    model.compile("sgd", "mse")
    assert reasons(model) == ["its gamma or beta have been trained"]
    model.fit(x, y.numpy(), verbose=0)
    assert reasons(model) == []


def test_moving_statistics_that_are_no_numbers(normal):
    model = net()
    model.get_layer("norm").moving_variance.assign([1, 2, -1, np.inf, np.nan, 1, 1, 1])
    (finding,) = dn.audit(model, normal(64, 4)).findings
    assert (finding.code, finding.path, finding.values) == ("DN202", "norm", {"count": 3, "channels": 8})


def test_a_pretrained_part_as_the_guide_has_it(normal):
    """Frozen, called with training=False; then parts of it trained, and its batch norms frozen."""
    base = keras.Sequential([keras.Input((4,)), *net().layers[:3]], name="base")
    base(normal(64, 4), training=True)
    base.trainable = False
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(2)(base(inputs, training=False)))
    assert dn.audit(model).codes == ()
    base.trainable = True
    (finding,) = dn.audit(model).findings
    assert (finding.code, finding.path) == ("DN206", "base/norm")
    before = base.get_layer("norm").moving_mean.numpy().copy()
    model.compile("sgd", "mse")
    model.fit(normal(64, 4) + 9, normal(64, 2), verbose=0)
    assert not np.allclose(base.get_layer("norm").moving_mean.numpy(), before), "the finding is true"
    base.get_layer("norm").trainable = False
    assert dn.audit(model).codes == ()


def test_a_mode_by_default_is_not_asked_for():
    class Block(layers.Layer):
        """As people write blocks."""

        def __init__(self):
            super().__init__(name="block")
            self.norm, self.drop = layers.BatchNormalization(), layers.Dropout(0.5)

        def call(self, x, training=False):
            return self.drop(self.norm(x, training=training), training=training)

    inputs = keras.Input((4,))
    assert dn.audit(keras.Model(inputs, layers.Dense(2)(Block()(inputs)))).codes == ()
    found = dn.audit(keras.Model(inputs, layers.Dense(2)(Block()(inputs, training=True))))
    assert found.codes == ("DN123", "DN204")


def test_what_is_called_in_training_mode_depends_on_how_it_is_asked_for(normal):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(2)(layers.Dropout(0.5, name="drop")(inputs, training=True)))
    (finding,) = dn.audit(model).findings
    assert (
        finding.seen
        == "called with training=True it drops (rate=0.5) where it is called, as model(x), though not in predict"
    )
    x = np.ones((50, 4), "float32")
    assert len(np.unique(keras.ops.convert_to_numpy(model(x)), axis=0)) > 1
    assert len(np.unique(model.predict(x, verbose=0), axis=0)) == 1
