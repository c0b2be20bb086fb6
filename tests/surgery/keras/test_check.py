import keras
import numpy as np
import pytest

from dropnorm.errors import SurgeryError
from dropnorm.surgery.keras.check import agree, outputs


def of(*values, epsilon=2.0**-23):
    return [(np.array(value, "float64"), epsilon) for value in values]


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        (of([1.0, 100.0]), of([1.05, 100.0]), True),  # to the scale of the whole output
        (of([1.0, 100.0]), of([1.2, 100.0]), False),
        (of([1.0]), of([1.01], epsilon=2.0**-7), False),
        (of([1.0], epsilon=2.0**-7), of([1.05]), True),
        (of([np.nan, 1.0]), of([np.nan, 1.0]), True),
        (of([np.nan, 1.0]), of([0.0, 1.0]), False),
        (of([np.inf, 1.0]), of([np.inf, 1.0]), True),
        (of([1.0]), of([1.0], [2.0]), False),
        (of([1.0]), of([[1.0]]), False),
        (of(np.zeros((0, 2))), of(np.zeros((0, 2))), True),
    ],
)
def test_agreement(expected, got, same):
    assert agree(expected, got) is same


def test_all_outputs_are_looked_at_with_their_digits():
    x = keras.Input((3,))
    half = keras.layers.Dense(2, dtype="bfloat16")(x)
    told = outputs(keras.Model(x, {"a": half, "b": keras.layers.Dense(1)(x)}), np.ones((2, 3), "float32"))
    assert [(values.shape, epsilon) for values, epsilon in told] == [((2, 2), 2.0**-7), ((2, 1), 2.0**-23)]


def test_a_sample_that_does_not_fit():
    with pytest.raises(
        SurgeryError, match=r"\Asample=list cannot be given to Sequential \(\w+: .*\): expected what the model"
    ):
        outputs(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), [np.ones((2, 3)), np.ones((2, 3))])
