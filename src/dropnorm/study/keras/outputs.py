"""What a Keras model's outputs mean: probabilities or logits, or a quantity; told from its compiled loss and its values."""

from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor

from dropnorm.errors import ArgumentError
from dropnorm.study.keras.architecture import LossName, Meaning
from dropnorm.surgery.keras.outputs import activation_of_outputs

_LOSSES: dict[LossName, Any] = {
    "sparse_categorical_crossentropy": keras.losses.SparseCategoricalCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "mean_squared_error": keras.losses.MeanSquaredError,
}
_SUM_TOLERANCE = 1e-3  # of probabilities in half precision


def loss_of(model: keras.Model, factory: str) -> tuple[LossName, bool] | None:
    """The loss that a model is compiled with, and whether it takes logits; None of one that is not compiled.

    Raises:      ArgumentError for a loss that a study cannot be about.
    """
    if not model.compiled:
        return None
    given = model.loss
    if isinstance(given, list | tuple | dict) and len(given) == 1:
        (given,) = given.values() if isinstance(given, dict) else given
    try:
        found = keras.losses.get(given)
    except (ValueError, TypeError):
        found = given
    for name, kind in _LOSSES.items():
        if isinstance(found, kind):
            return name, bool(getattr(found, "from_logits", False))
        if found is getattr(keras.losses, name):
            return name, False
    shown = given if isinstance(given, str) or given is None else getattr(given, "__name__", type(given).__name__)
    raise ArgumentError(
        f"net={factory!r} is compiled with loss={shown!r}: expected one of {', '.join(map(repr, _LOSSES))}, or their classes, "
        f"by which a study can tell its nets apart. Compile it with one of them, or leave compile out."
    )


def meaning_of(
    model: keras.Model, outputs: np.ndarray, loss: tuple[LossName, bool] | None, classes: int, factory: str
) -> Meaning:
    """What outputs (rows, units) mean, of a task with so many classes, or 0 for a quantity.

    Raises:      ArgumentError where outputs and loss contradict each other or the task.
    """
    units = outputs.shape[1]
    _check_loss(loss, units, classes, factory)
    if not classes:
        return "quantity"
    if units == 1:
        return _of_one_unit(model, loss, factory)
    sums_to_one = bool((outputs >= 0.0).all()) and bool(np.abs(outputs.sum(1) - 1.0).max() < _SUM_TOLERANCE)
    if loss is None:
        return "probabilities" if sums_to_one else "logits"
    name, takes_logits = loss
    if takes_logits == sums_to_one:
        raise _contradiction(factory, name, takes_logits, "softmax")
    return "logits" if takes_logits else "probabilities"


def default_loss(meaning: Meaning) -> LossName:
    """The loss of a model that comes without one."""
    match meaning:
        case "quantity":
            return "mean_squared_error"
        case "probability" | "logit":
            return "binary_crossentropy"
        case _:
            return "sparse_categorical_crossentropy"


def make_loss(name: LossName, meaning: Meaning) -> Any:
    """A loss that fits such outputs."""
    settings = {} if meaning == "quantity" else {"from_logits": meaning in ("logits", "logit")}
    return _LOSSES[name](**settings)


def targets_for(loss: LossName, targets: np.ndarray, units: int) -> np.ndarray:
    """Targets (rows,) in the form that a loss takes them."""
    match loss:
        case "sparse_categorical_crossentropy":
            return targets.astype(np.int32)
        case "categorical_crossentropy":
            one_hot: np.ndarray = np.eye(units, dtype=np.float32)[targets]
            return one_hot
        case _:
            return targets.astype(np.float32)[:, None]


def as_logits(outputs: np.ndarray, meaning: Meaning) -> Tensor:
    """Outputs (rows, units) as logits (rows, classes), whose softmax is what the model says, or as a quantity (rows, 1).

    Numerics:    probabilities are cut at Keras's epsilon, 1e-7, as in its losses.
    """
    values = outputs.astype(np.float64)
    least = keras.backend.epsilon()
    match meaning:
        case "probabilities":
            values = np.log(np.clip(values, least, 1.0))
        case "probability":
            second = np.clip(values, least, 1.0 - least)
            values = np.concatenate([np.log1p(-second), np.log(second)], axis=1)
        case "logit":
            values = np.concatenate([np.zeros_like(values), values], axis=1)
        case _:
            pass
    return torch.from_numpy(values.astype(np.float32))


def _check_loss(loss: tuple[LossName, bool] | None, units: int, classes: int, factory: str) -> None:
    if not classes:
        fitting: tuple[LossName, ...] = ("mean_squared_error",)
    elif units == 1:
        fitting = ("binary_crossentropy",)
    else:
        fitting = ("sparse_categorical_crossentropy", "categorical_crossentropy")
    if loss is not None and loss[0] not in fitting:
        about = f"{classes} classes" if classes else "a quantity"
        raise ArgumentError(
            f"net={factory!r} is compiled with the loss {loss[0]!r} and has {units} output{'s' if units > 1 else ''}, where "
            f"the target is {about}: expected {' or '.join(map(repr, fitting))}. Compile it so, or leave compile out."
        )


def _of_one_unit(model: keras.Model, loss: tuple[LossName, bool] | None, factory: str) -> Meaning:
    activation = activation_of_outputs(model)
    if activation in ("sigmoid", "linear"):
        is_probability = activation == "sigmoid"
        if loss is not None and loss[1] == is_probability:
            raise _contradiction(factory, loss[0], loss[1], "sigmoid")
        return "probability" if is_probability else "logit"
    if loss is None:
        raise ArgumentError(
            f"net={factory!r} has one output for two classes, and nothing tells whether it is a probability or a logit: "
            f"expected a last layer whose activation is 'sigmoid' or none. Compile the net with "
            f"keras.losses.BinaryCrossentropy, whose from_logits says it."
        )
    return "logit" if loss[1] else "probability"


def _contradiction(factory: str, loss: str, takes_logits: bool, activation: str) -> ArgumentError:
    if takes_logits:
        found = f"gives probabilities, and its loss {loss!r} with from_logits=True takes them for logits"
        mend = f"Leave out from_logits=True, or the activation {activation!r}."
    else:
        found = f"gives outputs that are no probabilities, and its loss {loss!r} takes them for some"
        mend = f"Give the last layer activation={activation!r}, or the loss from_logits=True."
    return ArgumentError(f"net={factory!r} {found}: expected outputs and a loss that fit each other. {mend}")
