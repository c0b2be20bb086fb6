"""A model compiled for the study: with its own optimizer and loss, if it came with them, and what its arm adds to a step."""

from typing import Any

import keras

from dropnorm.study.keras.architecture import Meaning
from dropnorm.study.keras.model import weighted_layers
from dropnorm.study.keras.outputs import default_loss, make_loss
from dropnorm.study.records import Arm


def compile_for_study(model: keras.Model, meaning: Meaning, arm: Arm, weight_decay: float) -> None:
    """Compile a model anew, its weight decay and largest norm part of each step, and its optimizer built.

    Its metrics are left out, since the study measures all nets alike.
    """
    settings: dict[str, Any] = {"optimizer": keras.optimizers.Adam(), "loss": make_loss(default_loss(meaning), meaning)}
    if model.compiled:
        optimizer = model.optimizer
        if optimizer.built:
            optimizer = type(optimizer).from_config(optimizer.get_config())
        settings = {
            "optimizer": optimizer,
            "loss": model.loss,
            "jit_compile": model.jit_compile,
            "run_eagerly": model.run_eagerly,
        }
    if weight_decay:
        _decay(settings["optimizer"], model, weight_decay)
    if arm.max_norm is not None:
        for layer in weighted_layers(model)[:-1]:
            incoming = list(range(len(layer.kernel.shape) - 1))
            layer.kernel.constraint = keras.constraints.MaxNorm(arm.max_norm, axis=incoming)
    model.compile(**settings)
    model.optimizer.build(model.trainable_variables)


def _decay(optimizer: Any, model: keras.Model, weight_decay: float) -> None:
    """Let the optimizer shrink the weights, but neither biases nor the parameters of norms, before each step."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
    inner.weight_decay = weight_decay
    inner.exclude_from_weight_decay(var_list=[each for each in model.trainable_variables if len(each.shape) < 2])
