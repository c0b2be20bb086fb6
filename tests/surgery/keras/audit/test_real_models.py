"""The doctor on Keras's own architectures, without weights: what it finds has a reason."""

import keras
import numpy as np
import pytest
import torch
from keras import layers

import dropnorm as dn

ROWS = np.random.default_rng(0).normal(size=(16, 64, 64, 3)).astype("float32")


def made(name):
    """The architecture as it is, for ten classes, compiled as in Keras's examples."""
    model = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=10)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def settle(model):
    """Moving statistics as at the end of training: those of the data, under the weights as they are."""
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    with torch.no_grad():
        model(ROWS, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("EfficientNetB0", ()),
        ("DenseNet121", ()),
        ("MobileNetV3Small", ()),
        ("ResNet50V2", ()),
        ("ResNet50", ("DN102",)),  # convolutions with a bias before each batch norm, as in the paper's Caffe models
    ],
)
def test_what_is_found_is_there(name, codes):
    model = made(name)
    assert dn.audit(model).codes == codes
    settle(model)
    # A few rows by 2 x 2 positions are few values, which is this test's doing.
    assert dn.audit(model, ROWS, ignore="DN223").codes == codes


def test_an_efficient_net_with_data():
    """Stochastic depth adds, of weights that are not trained, more variance than images of noise have so deep inside."""
    model = made("EfficientNetB0")
    settle(model)
    found = dn.audit(model, loader=[ROWS], ignore="DN223")
    assert found.codes == ("DN303",)
    assert min(finding.values["measured"] for finding in found.findings) < 0.4
    assert all(int(finding.path[5]) > 4 for finding in found.findings if finding.path.startswith("block"))
