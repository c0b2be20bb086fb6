"""A user's own Keras network looked over before a study: made twice, called, trained once, and refused with what is wrong."""

from typing import Any

import keras
import numpy as np

from dropnorm.errors import ArgumentError
from dropnorm.study.keras.architecture import KerasArchitecture
from dropnorm.study.keras.compiling import compile_for_study
from dropnorm.study.keras.fingerprint import fingerprint_of
from dropnorm.study.keras.inputs import input_of
from dropnorm.study.keras.model import make_model, noise
from dropnorm.study.keras.outputs import default_loss, loss_of, meaning_of, targets_for
from dropnorm.study.keras.seeding import seeded
from dropnorm.study.keras.variables import tensors_of
from dropnorm.study.modules.architecture import SAMPLE_ROWS, FactoryArchitecture
from dropnorm.study.modules.factory import find_factory
from dropnorm.study.modules.own_traceback import failure
from dropnorm.study.records import Arm, StudyConfig


def look_over(given: FactoryArchitecture, config: StudyConfig, classes: int) -> KerasArchitecture:
    """The architecture with what a net of the factory shows when it is made, called and trained.

    Args:        classes: how many the target has, 0 for a quantity.
    Raises:      ArgumentError for one that cannot be studied: not a new one at each call, or not the same from the same seed;
                 of another input or other outputs than the data's; whose outputs and loss do not fit; without weights to train;
                 that fails when it is called or trained.
    """
    name = given.factory
    model, again = make_model(given, 0), make_model(given, 0)
    _check_new(model, again, name)
    _check_weights(model, name)
    shape, layout = input_of(model, given)
    outputs = _call(model, given, shape, classes)
    loss = loss_of(model, name)
    meaning = meaning_of(model, outputs, loss, classes, name)
    _check_learning_rate(model, config, name)
    architecture = KerasArchitecture(
        factory=name,
        features=given.features,
        outputs=given.outputs,
        image=given.image,
        channels_last=given.channels_last,
        parameters=sum(int(np.prod(variable.shape)) for variable in model.trainable_variables),
        largest=max([given.features, *_sizes(model)]),
        fingerprint=fingerprint_of(model),
        input_shape=shape,
        layout=layout,
        meaning=meaning,
        loss=loss[0] if loss else default_loss(meaning),
        compiled=loss is not None,
        backend=keras.backend.backend(),
    )
    _train(model, architecture)
    return architecture


def _check_new(model: Any, again: Any, name: str) -> None:
    if model is again or {id(one) for one in model.variables} & {id(other) for other in again.variables}:
        raise ArgumentError(
            f"net={name!r} gives the same model twice, or one with the same layers: expected a new one at each call, since "
            f"each seed trains its own. Make it inside the factory."
        )
    for each in (model, again):
        if each.compiled and each.optimizer is not None and int(each.optimizer.iterations) > 0:
            raise ArgumentError(
                f"net={name!r} gives a model that was trained already, by {int(each.optimizer.iterations)} steps of its "
                f"optimizer: expected one that a study can train from its start. Leave fit out of the factory."
            )
    tensors, others = tensors_of(model.weights), tensors_of(again.weights)
    alike = fingerprint_of(model) == fingerprint_of(again) and tensors.keys() == others.keys()
    if not alike or not all(np.array_equal(tensor, others[key], equal_nan=True) for key, tensor in tensors.items()):
        raise ArgumentError(
            f"net={name!r} gives another net at each call: expected the same from the same seed, for pairs of nets that start "
            f"alike. Draw its random numbers from Keras's initializers, keras.random, NumPy's or Python's generator alone."
        )


def _check_weights(model: Any, name: str) -> None:
    if not model.trainable_variables:
        raise ArgumentError(
            f"net={name!r} has no weight to train: expected at least one. Give it layers with weights, and leave some of them "
            f"trainable."
        )
    for variable in model.trainable_variables:
        if (dtype := keras.backend.standardize_dtype(variable.dtype)) != "float32":
            raise ArgumentError(
                f"net={name!r} has {variable.path!r} of {dtype}: expected weights of float32 alone. Leave dtype= out of the "
                f"factory, or take the policy 'mixed_float16' or 'mixed_bfloat16', whose weights are float32."
            )


def _call(model: Any, given: FactoryArchitecture, shape: tuple[int, ...], classes: int) -> np.ndarray:
    """The outputs of one call in inference mode, on noise."""
    name, shown = given.factory, f"a batch of shape {(SAMPLE_ROWS, *shape)}"
    try:
        with seeded(1):
            outputs = model(noise(shape), training=False)
    except Exception as error:
        raise failure(f"net={name!r} makes a net that fails on {shown}", error, type(model).call) from error
    widths = (given.outputs, 1) if classes == 2 else (given.outputs,)
    found = tuple(outputs.shape) if hasattr(outputs, "shape") else None
    if found not in [(SAMPLE_ROWS, width) for width in widths]:
        got = type(outputs).__name__ if found is None else f"shape {found}"
        wanted = " or ".join(str((SAMPLE_ROWS, width)) for width in widths)
        raise ArgumentError(
            f"net={name!r} gives {got} for {shown}: expected a tensor of shape {wanted}, one number per class, or one of a "
            f"quantity. Let the last layer have as many units as the factory's argument outputs says."
        )
    values: np.ndarray = keras.ops.convert_to_numpy(outputs).astype(np.float64)
    if not np.isfinite(values).all():
        raise ArgumentError(
            f"net={name!r} gives NaN or infinity before it is trained: expected finite outputs. Look at its initial weights."
        )
    return values


def _check_learning_rate(model: Any, config: StudyConfig, name: str) -> None:
    """Refuse a learning rate that would have no say."""
    if model.compiled and config.learning_rate != StudyConfig.learning_rate:
        raise ArgumentError(
            f"learning_rate={config.learning_rate} is given, and the net of {name!r} is compiled with an optimizer of its own: "
            f"expected one of them. Leave learning_rate, or compile, out."
        )


def _sizes(model: Any) -> list[int]:
    """How many numbers a row is at the output of each layer, as far as its length is known."""
    shapes = [tuple(layer.output.shape[1:]) for layer in model.layers if getattr(layer, "_inbound_nodes", None)]
    return [int(np.prod(shape)) for shape in shapes if None not in shape]


def _train(model: Any, architecture: KerasArchitecture) -> None:
    """A step on noise, since what fails then would fail after everything else is prepared."""
    compile_for_study(model, architecture.meaning, Arm(name="plain"), 0.0)
    targets = targets_for(architecture.loss, np.zeros(SAMPLE_ROWS, np.int64), architecture.outputs)
    inputs = noise(architecture.input_shape)
    try:
        with seeded(1):
            model.fit(inputs, targets, batch_size=SAMPLE_ROWS, epochs=1, shuffle=False, verbose=0)
    except Exception as error:
        raise failure(
            f"net={architecture.factory!r} makes a net that fails in fit", error, find_factory(architecture.factory)
        ) from error
