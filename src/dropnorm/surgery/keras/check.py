"""What a Keras model computes of a sample in inference mode, and whether two models compute the same."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from dropnorm.errors import SurgeryError

Output = tuple[np.ndarray, float]
"""An output's values, and the distance of 1 from the next number of its type."""

_TOLERANCE = 1e-3
_EPSILON = {"float64": 2.0**-52, "float16": 2.0**-10, "bfloat16": 2.0**-7}


def outputs(model: keras.Model, sample: Any) -> list[Output]:
    """The outputs for a batch as the model takes it: an array, a list of them or a dictionary. It builds the model.

    Raises:      SurgeryError if the sample does not fit.
    """
    try:
        made = keras.tree.flatten(model(sample, training=False))
    except Exception as error:
        raise SurgeryError(
            f"sample={type(sample).__name__} cannot be given to {type(model).__name__} ({type(error).__name__}: "
            f"{(str(error).splitlines() or [''])[0]}): expected what the model takes: an array, a list of arrays or a "
            f"dictionary of them by the names of inputs."
        ) from error
    return [(keras.ops.convert_to_numpy(each).astype("float64"), _epsilon(each)) for each in made]


def agree(expected: Sequence[Output], got: Sequence[Output]) -> bool:
    """Whether outputs are the same but for rounding."""
    return len(expected) == len(got) and all(map(_is_close, expected, got))


def _epsilon(tensor: Any) -> float:
    return _EPSILON.get(keras.backend.standardize_dtype(tensor.dtype), 2.0**-23)


def _is_close(old: Output, new: Output) -> bool:
    before, after = old[0], new[0]
    if before.shape != after.shape or not before.size:
        return before.shape == after.shape
    scale = float(np.abs(np.nan_to_num(before, posinf=0.0, neginf=0.0)).max())
    return np.allclose(before, after, rtol=0.0, atol=(_TOLERANCE + 8 * old[1]) * scale, equal_nan=True)
