import keras
import numpy as np
import pytest

from dropnorm.surgery.keras.calls import replaced_call


def test_a_call_is_replaced_and_put_back_whatever_happens():
    layer = keras.layers.Dense(3)
    x = keras.ops.ones((2, 4))
    before = keras.ops.convert_to_numpy(layer(x))
    with replaced_call(layer, lambda inputs: inputs * 2), replaced_call(layer, lambda inputs: inputs * 3):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), np.full((2, 4), 3))
    with pytest.raises(ZeroDivisionError), replaced_call(layer, lambda inputs: inputs):
        raise ZeroDivisionError
    assert "call" not in vars(layer)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), before)
