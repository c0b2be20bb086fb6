import subprocess
import sys

import keras
import pytest
from torch import nn

import dropnorm as dn
from dropnorm.errors import ArgumentTypeError
from dropnorm.surgery.dispatch import is_keras


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (keras.Sequential([keras.layers.Dense(2)]), True),
        (keras.layers.Dense(2), True),
        (nn.Linear(2, 2), False),
        (keras.Model, False),
        (None, False),
    ],
)
def test_what_is_of_keras(model, told):
    assert is_keras(model) is told


def test_keras_is_not_loaded_to_find_out():
    code = "import sys; from dropnorm.surgery.dispatch import is_keras; print(is_keras(3), 'keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_what_takes_only_torch_s_models_says_so(refuses):
    with refuses(
        ArgumentTypeError,
        "model=Sequential is of Keras, which fuse does not take: expected a torch.nn.Module. Put "
        "dropnorm.keras.BatchNormActDropout in by hand; for inference use dn.fold.",
    ):
        dn.fuse(keras.Sequential([keras.layers.Dense(2)]))
