import subprocess
import sys

import numpy as np
import pytest
from pydantic import TypeAdapter

from dropnorm.study.keras.architecture import KerasArchitecture
from dropnorm.study.modules.architecture import ModuleArchitecture
from dropnorm.study.saving.saved_model import ModelDescription

CHANNELS, HEIGHT, WIDTH = 3, 2, 4
IMAGE = np.arange(24).reshape(1, HEIGHT, WIDTH, CHANNELS)


def architecture(**given) -> KerasArchitecture:
    settings = {"factory": "nets:small", "features": 24, "outputs": 2, "image": (CHANNELS, HEIGHT, WIDTH)}
    settings |= {"meaning": "logits", "loss": "sparse_categorical_crossentropy", "compiled": False, "backend": "torch"}
    return KerasArchitecture(**settings | given)


@pytest.mark.parametrize("channels_last", [True, False])
def test_rows_become_images_in_the_order_that_the_net_takes(channels_last):
    rows = (IMAGE if channels_last else IMAGE.transpose(0, 3, 1, 2)).reshape(1, -1)
    shapes = {"channels_last": (HEIGHT, WIDTH, CHANNELS), "channels_first": (CHANNELS, HEIGHT, WIDTH)}
    for layout, shape in shapes.items():
        made = architecture(channels_last=channels_last, input_shape=shape, layout=layout).inputs(rows)
        expected = IMAGE if layout == "channels_last" else IMAGE.transpose(0, 3, 1, 2)
        assert np.array_equal(made, expected)
        assert made.flags.c_contiguous


def test_rows_stay_rows_for_a_net_that_takes_them():
    flat = architecture(input_shape=(24,), layout="rows").inputs(IMAGE.reshape(1, -1))
    assert np.array_equal(flat, IMAGE.reshape(1, -1))


def test_it_is_told_from_other_architectures_when_it_is_read_again():
    field = ModelDescription.model_fields["architecture"].annotation
    for one in (
        architecture(input_shape=(24,), layout="rows"),
        ModuleArchitecture(factory="a:b", features=1, outputs=1),
    ):
        read = TypeAdapter(field).validate_json(one.model_dump_json())
        assert read == one
        assert type(read) is type(one)


def test_another_backend_is_another_study():
    one, other = (architecture(input_shape=(24,), layout="rows", backend=name) for name in ("jax", "torch"))
    assert one.identity != other.identity


def test_a_study_of_other_nets_does_not_load_keras():
    code = "import sys; import dropnorm as dn; dn.run_study('iris', seeds=2, epochs=1); print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
