"""Rules on what a Keras model's batch norms have learned, and on the modes that they are called in."""

from typing import Any

import keras
import numpy as np
import torch

from dropnorm.surgery.audit.registry import Seen
from dropnorm.surgery.audit.state import far
from dropnorm.surgery.keras.audit.examination import Examination
from dropnorm.surgery.keras.audit.registry import rule
from dropnorm.surgery.keras.audit.settings import ALWAYS, CALLED


@rule(
    "DN201",
    seen="{reason}, while it still has the moving mean 0 and variance 1 that it was made with",
    fix="Train with fit, or in a loop of your own call model(x, training=True), and on JAX put the non-trainable variables "
    "back after each step; or measure them with dropnorm.recalibrate(model, batches). Before a layer is "
    "frozen load its weights.",
)
def never_updated(examination: Examination) -> Seen:
    """A new batch norm is as it should be, until something is trained or it is frozen."""
    steps = _steps(examination.optimizer)
    for path, norm in examination.batch_norms.items():
        if not is_untouched(norm):
            continue
        if not norm.trainable:
            yield path, {"reason": "frozen by trainable=False"}
        elif steps:
            yield path, {"reason": f"in a model that has been trained for {steps} steps"}
        elif _has_learned(norm):
            yield path, {"reason": "its gamma or beta have been trained"}


@rule(
    "DN202",
    seen="{count} of {channels} channels have a moving mean or variance that is NaN, infinite or negative",
    source="pytorch issues 88474 and 115500",
    fix="Look for the batch that did it; then dropnorm.recalibrate(model, batches). dropnorm.keras.BatchNormalization skips "
    "such batches.",
)
def not_finite(examination: Examination) -> Seen:
    """A negative variance is as bad."""
    for path, norm in examination.batch_norms.items():
        if _is_built(norm):
            mean, var = _statistics(norm)
            good = mean.isfinite() & var.isfinite() & (var >= 0)
            if not bool(good.all()):
                yield path, {"count": int((~good).sum()), "channels": len(mean)}


@rule(
    "DN203",
    fix="Is the batch prepared as in training? If so dropnorm.recalibrate(model, batches), and a lower momentum, such as 0.9.",
)
def far_from_data(examination: Examination) -> Seen:
    """By the median channel, so that a few odd ones raise no alarm."""
    for path, norm in examination.batch_norms.items():
        seen = [each for each in examination.batches if each.path == path and each.count > 1]
        if len(seen) == 1 and _is_built(norm) and not is_untouched(norm):
            for values in far(seen[0], *_statistics(norm), norm.epsilon):
                yield path, values


@rule(
    "DN204",
    seen="called with training=True it normalizes by the batch {where}",
    why="Predictions depend on the rows beside them, and differ with how they are asked for; moving statistics go on learning "
    "from what is predicted.",
    source="the documentation of keras.layers.BatchNormalization",
    fix="Leave training out of the call: fit and predict set it.",
)
def training_in_inference(examination: Examination) -> Seen:
    """As the model is wired, and as a batch shows."""
    for each in examination.wired:
        if each.training and _is_norm(each.layer) and each.layer.trainable:
            yield each.path, {"where": CALLED}
    for call in examination.always:
        if _is_norm(call.layer) and call.layer.trainable:
            yield call.path, {"where": ALWAYS}


@rule(
    "DN206",
    seen="called with training=False, while its parameters are trained: fit overrides that, and normalizes by the batch",
    why="In a functional model the mode that fit runs in goes before what a layer was called with, so that the statistics of a "
    "pretrained part change with every batch, and are soon those of few rows.",
    source="the documentation of keras.layers.BatchNormalization; keras issue 9522",
    fix="Set layer.trainable = False for its batch norms, and compile again: that is inference mode in Keras.",
)
def frozen_that_updates(examination: Examination) -> Seen:
    """Only if it is trained: trainable=False stops both."""
    for each in examination.wired:
        if not each.training and _is_norm(each.layer) and each.layer.trainable:
            yield each.path, {}


def is_untouched(norm: Any) -> bool:
    """Whether the moving statistics are still those of a new layer."""
    if not _is_built(norm):
        return False
    mean, var = _statistics(norm)
    return not bool(torch.count_nonzero(mean)) and bool((var == 1.0).all())


def _has_learned(norm: Any) -> bool:
    """Whether parameters are no longer what they were made as: the same number for each channel."""
    values = [keras.ops.convert_to_numpy(each.value) for each in (norm.gamma, norm.beta) if each is not None]
    return any(bool((each != each[0]).any()) for each in values if len(each))


def _is_built(norm: Any) -> bool:
    return getattr(norm, "moving_mean", None) is not None


def _is_norm(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def _statistics(norm: Any) -> tuple[torch.Tensor, torch.Tensor]:
    mean, var = (
        torch.from_numpy(np.array(keras.ops.convert_to_numpy(each.value), np.float64))
        for each in (norm.moving_mean, norm.moving_variance)
    )
    return mean, var


def _steps(optimizer: Any) -> int:
    return 0 if optimizer is None else int(keras.ops.convert_to_numpy(optimizer.iterations))
