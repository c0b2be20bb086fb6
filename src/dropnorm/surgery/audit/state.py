"""Rules on what a model's batch norms have learned, and on the modes that its layers are in."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from dropnorm.surgery.audit.examination import Examination
from dropnorm.surgery.audit.registry import Seen, Values, rule
from dropnorm.surgery.modules.recording import BatchSeen

# Half a standard deviation, or half or twice the variance, beyond three standard errors of a batch of independent rows.
_FAR_MEAN, _FAR_RATIO, _ERRORS = 0.5, 2.0, 3.0


@rule(
    "DN201",
    "running statistics never updated",
    "error",
    seen="in inference mode with the running mean 0 and variance 1 that it was made with",
    why="In inference it normalizes nothing, while the layers behind it were trained, or will be, on normalized values.",
    source="Ioffe & Szegedy 2015, arXiv:1502.03167, algorithm 2",
    fix="Train in training mode, or measure the statistics with dropnorm.recalibrate(model, batches).",
)
def never_updated(examination: Examination) -> Seen:
    """In training mode a new batch norm is as it should be."""
    for path, norm in examination.batch_norms.items():
        if not norm.training and is_untouched(norm):
            yield path, {}


@rule(
    "DN202",
    "running statistics that are no numbers",
    "error",
    seen="{count} of {channels} channels have a running mean or variance that is NaN, infinite or negative",
    why="In inference all that is behind becomes NaN. One bad batch is enough, and no later one mends it.",
    source="pytorch issues 88474 and 115500",
    fix="Look for the batch that did it; then dropnorm.recalibrate(model, batches). dropnorm.nn.BatchNorm2d refuses "
    "such batches.",
)
def not_finite(examination: Examination) -> Seen:
    """A negative variance is as bad."""
    for path, norm in examination.batch_norms.items():
        if norm.running_mean is not None:
            good = norm.running_mean.isfinite() & norm.running_var.isfinite() & (norm.running_var >= 0)
            if not bool(good.all()):
                yield path, {"count": int((~good).sum()), "channels": norm.num_features}


@rule(
    "DN203",
    "running statistics far from the data's",
    "warning",
    seen="half of the channels of this batch are {shift:.2g} or more running standard deviations off the running mean, and the "
    "median variance is {ratio:.2g} times the running one",
    why="In inference the values are normalized by statistics that are not theirs, and the layers behind see what "
    "they were not trained on.",
    source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.1; Li et al. 2017, arXiv:1603.04779",
    fix="Is the batch prepared as in training? If so dropnorm.recalibrate(model, batches).",
    needs="batch",
)
def far_from_data(examination: Examination) -> Seen:
    """By the median channel, so that a few odd ones raise no alarm."""
    for path, norm in examination.batch_norms.items():
        seen = [each for each in examination.batches if each.path == path and each.count > 1]
        if len(seen) != 1 or norm.running_mean is None or is_untouched(norm):
            continue
        mean, var = norm.running_mean.double().cpu(), norm.running_var.double().cpu()
        for values in far(seen[0], mean, var, norm.eps):
            yield path, values


@rule(
    "DN204",
    "layers in training mode in a model in inference mode",
    "error",
    seen="{layer} is in training mode, while the model is in inference mode",
    why="Predictions are random, or depend on the rows beside them, and batch norms go on learning from what they predict.",
    source="the documentation of torch.nn.Module.eval",
    fix="Call model.eval() after everything that sets modes, and do not keep layers outside of the tree of modules.",
)
def training_in_inference(examination: Examination) -> Seen:
    """Only layers that behave differently."""
    if not examination.model.training:
        for path, module in _moded(examination).items():
            if module.training:
                yield path, {"layer": type(module).__name__}


@rule(
    "DN205",
    "some layers in inference mode in a model in training mode",
    "warning",
    seen="{count} of {all} {kind} layers are in inference mode, the others in training mode",
    why="Those drop nothing, or normalize by statistics that no longer follow the weights before them. It may be meant, of "
    "layers that are frozen; then their parameters should be, too.",
    source="keras issue 9522",
    fix="Call model.train(), or freeze the layer's parameters as well (requires_grad_(False)).",
)
def inference_in_training(examination: Examination) -> Seen:
    """Of one kind; a batch norm whose parameters are frozen is meant to be."""
    if not examination.model.training:
        return
    for kind, layers in (("batch norm", examination.batch_norms), ("dropout", examination.dropouts)):
        quiet = [
            path for path, module in layers.items() if not module.training and not _is_frozen_at(examination, path)
        ]
        if quiet and any(module.training for module in layers.values()):
            yield quiet[0], {"count": len(quiet), "all": len(layers), "kind": kind}


@rule(
    "DN206",
    "frozen batch norm that still updates",
    "warning",
    seen="weight and bias are frozen, while the running statistics change with every batch",
    why="What the layer computes in inference still moves, and the parameters no longer move along.",
    source="keras issue 9522; the documentation of keras.layers.BatchNormalization",
    fix="Put the layer into inference mode after model.train(): layer.eval().",
)
def frozen_that_updates(examination: Examination) -> Seen:
    """Only if other parts of the model are trained."""
    if not any(parameter.requires_grad for parameter in examination.model.parameters()):
        return
    for path, norm in examination.batch_norms.items():
        if norm.training and norm.track_running_stats and norm.weight is not None and _is_frozen(norm):
            yield path, {}


def far(seen: BatchSeen, mean: Tensor, var: Tensor, eps: float) -> Iterator[Values]:
    """How far a batch is from these statistics, if it is far; of statistics that are no numbers nothing is told."""
    if not bool((mean.isfinite() & var.isfinite() & (var >= 0)).all()):
        return
    shift = float(((seen.mean.cpu() - mean).abs() / (var + eps).sqrt()).median())
    ratio = float(((seen.var.cpu() + eps) / (var + eps)).median())
    is_shifted = shift > _FAR_MEAN + _ERRORS / math.sqrt(seen.rows)
    is_scaled = abs(math.log(ratio)) > math.log(_FAR_RATIO) + _ERRORS * math.sqrt(2.0 / seen.rows)
    if is_shifted or is_scaled:
        yield {"shift": shift, "ratio": ratio}


def is_untouched(norm: Any) -> bool:
    """Whether the running statistics are still those of a new layer."""
    if norm.running_mean is None:
        return False
    return not bool(torch.count_nonzero(norm.running_mean)) and bool((norm.running_var == 1.0).all())


def _is_frozen(module: Any) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def _is_frozen_at(examination: Examination, path: str) -> bool:
    """By its own parameters, or for want of them by those of the innermost module around it that has some."""
    while path and not any(True for _ in examination.layers[path].parameters()):
        path = path.rpartition(".")[0]
    return _is_frozen(examination.layers[path])


def _moded(examination: Examination) -> dict[str, Any]:
    return examination.batch_norms | {path: layer for path, layer in examination.dropouts.items() if layer.p > 0.0}
