"""Networks that people have: those of keras.applications, with statistics as after training."""

from collections import Counter

import keras
import numpy as np
import pytest
from keras import applications, layers

import dropnorm as dn

# By hand: batch norms behind a convolution of their own, those behind joined values or before padding, dropouts, and hidden
# activations that are neither gates nor carried on by skips, nor dropped already.
NETS = {
    "MobileNetV3Small": {"folded": 34, "stay": 0, "dropouts": 1},
    "EfficientNetB0": {"folded": 49, "stay": 0, "dropouts": 10},
    "DenseNet121": {"folded": 59, "stay": 62, "dropouts": 0},
    "ResNet50V2": {"folded": 32, "stay": 17, "dropouts": 0},
}


def norms(model):
    return [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


@pytest.fixture(scope="module", params=NETS)
def net(request, normal):
    """A network whose outputs depend on its inputs: its batch norms know the statistics of what comes to them."""
    make = getattr(applications, request.param)
    model = make(weights=None, input_shape=(64, 64, 3), classes=10, classifier_activation=None)
    random = np.random.default_rng(0)
    for norm in norms(model):
        norm.gamma.assign(random.uniform(0.5, 1.5, norm.gamma.shape))
        norm.beta.assign(random.uniform(-0.5, 0.5, norm.beta.shape))
        norm.momentum = 0.0
    model(127 + 60 * normal(8, 64, 64, 3), training=True)
    for norm in norms(model):
        norm.momentum = 0.99
    return request.param, model


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def test_folded_it_computes_the_same(net, normal):
    name, model = net
    x = 127 + 60 * normal(3, 64, 64, 3, seed=1)
    receipt = dn.fold(model, sample=x)
    expected, got = outputs(model, x), outputs(receipt.model, x)
    assert expected.std(axis=0).max() > 0.01 * np.abs(expected).max()
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())
    done = Counter(note.text.split()[0] for note in receipt.done)
    assert done == Counter({"batch": NETS[name]["folded"], "dropout": NETS[name]["dropouts"]}) - Counter()
    assert len(norms(receipt.model)) == len(receipt.notes) == NETS[name]["stay"]
    assert len(norms(model)) == NETS[name]["folded"] + NETS[name]["stay"]


def test_regularized_and_plain_again_it_computes_the_same(net, normal):
    _, model = net
    x = 127 + 60 * normal(2, 64, 64, 3, seed=2)
    plan = dn.regularize(model, dropout=0.1)
    new = plan.apply()
    expected = outputs(model, x)
    np.testing.assert_allclose(outputs(new, x), expected, atol=1e-4 * np.abs(expected).max())
    assert any("Dropout" in edit.layer.name for edit in plan.edits if hasattr(edit, "layer"))
    without = dn.remove(new, batch_norm=False).apply()
    np.testing.assert_allclose(outputs(without, x), expected, atol=1e-4 * np.abs(expected).max())
    assert not any(isinstance(layer, layers.Dropout) for layer in without.layers)
