"""Rules on how a Keras model with batch norm is trained: with which batches and optimizer."""

import re
from typing import Any

import keras

from dropnorm.keras._rematerialization import Keyed
from dropnorm.surgery.audit.registry import Seen
from dropnorm.surgery.keras.audit.examination import Examination
from dropnorm.surgery.keras.audit.registry import rule, same_rule


@rule(
    "DN221",
    fix='Call optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"]) before the model is trained; or use a '
    "kernel_regularizer, which is of kernels alone.",
)
def decay_on_norms(examination: Examination) -> Seen:
    """What the optimizer does not leave out."""
    optimizer = getattr(examination.optimizer, "inner_optimizer", examination.optimizer)
    decay = getattr(optimizer, "weight_decay", None)
    if not decay:
        return
    norms = {id(variable) for norm in examination.batch_norms.values() for variable in norm.trainable_variables}
    hit = [
        variable.path
        for variable in examination.model.trainable_variables
        if (id(variable) in norms or variable.name == "bias") and not _is_left_out(optimizer, variable)
    ]
    if hit:
        yield "", {"decay": float(decay), "count": len(hit), "example": hit[0]}


same_rule(
    "DN222",
    seen="one value per channel comes to it in this batch",
    why="A single value has no variance: what comes out is beta alone, whatever goes in, and the moving variance falls towards "
    "0; on the last batch of an epoch perhaps.",
    source="Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 1",
    fix="Use larger batches, all of one size (drop_remainder=True in tf.data), or GroupNormalization or LayerNormalization, "
    "which do not look at other rows.",
)
same_rule(
    "DN223",
    fix="Use larger batches; otherwise GroupNormalization in convolutional parts, LayerNormalization elsewhere; of pretrained "
    "layers freeze the batch norms (layer.trainable = False).",
)


@rule(
    "DN224",
    source="the documentation of keras.layers.BatchNormalization; Peng et al. 2018, arXiv:1711.07240",
    fix="Use BatchNormalization(synchronized=True), unless each part is large enough.",
)
def unsynchronized(examination: Examination) -> Seen:
    """Under a strategy of TensorFlow; JAX compiles one program for the whole batch, whose statistics are of all of it."""
    strategy = getattr(examination.model, "distribute_strategy", None)
    workers = getattr(strategy, "num_replicas_in_sync", 1)
    alone = [norm for norm in examination.batch_norms.values() if norm.trainable and not norm.synchronized]
    if alone and workers > 1:
        yield "", {"count": len(alone), "workers": workers}


@rule(
    "DN225",
    seen="is made in a keras.RematScope: on torch each step updates its moving statistics twice with one batch",
    source="pytorch issue 96136",
    fix="Use momentum={momentum:.3g}, whose two updates are one of {was:g}; or make the batch norm outside of the scope.",
    needs="",
)
def updated_twice(examination: Examination) -> Seen:
    """The square root of the momentum, which weighs the old value. On JAX and TensorFlow such a layer raises an error.

    A layer of dropnorm.keras that drops is left out of what is computed again.
    """
    if keras.backend.backend() != "torch":
        return
    for path, norm in examination.batch_norms.items():
        scope = getattr(norm, "_remat_mode", None)
        is_inside = scope is not None and (scope.mode == "full" or norm.name in (scope.layer_names or ()))
        if is_inside and norm.trainable and not isinstance(norm, Keyed):
            yield path, {"momentum": norm.momentum**0.5, "was": norm.momentum}


@rule(
    "DN226",
    seen="gradient_accumulation_steps={each}: {each} micro-batches to each step of the optimizer",
    source="the documentation of keras.optimizers.Optimizer; pytorch issue 46516",
    fix="Use GroupNormalization or LayerNormalization, or micro-batches of 32 rows or more; and momentum={momentum:.3g}, to "
    "forget as fast.",
)
def accumulated(examination: Examination) -> Seen:
    """Keras's momentum m weighs the old value: after n micro-batches it should weigh m, so that each has the n-th root."""
    optimizer = getattr(examination.optimizer, "inner_optimizer", examination.optimizer)
    each = getattr(optimizer, "gradient_accumulation_steps", None) or 1
    norms = [(path, norm) for path, norm in examination.batch_norms.items() if norm.trainable]
    if each > 1 and norms:
        path, norm = norms[0]
        yield path, {"each": each, "momentum": norm.momentum ** (1.0 / each)}


def _is_left_out(optimizer: Any, variable: Any) -> bool:
    """As the optimizer's own method tells, which keeps what it has told, and the optimizer is to stay as it is."""
    left_out: set[Any] = getattr(optimizer, "_exclude_from_weight_decay", set())
    pattern = getattr(optimizer, "_exclude_from_weight_decay_pattern", None)
    named = pattern is not None and re.search(pattern, variable.name) is not None
    return named or optimizer._var_key(variable) in left_out
