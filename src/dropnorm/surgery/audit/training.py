"""Rules on how a model with batch norm is trained: with which batches, optimizer and machines."""

from typing import Any

from torch import nn

from dropnorm.surgery.audit.examination import Examination
from dropnorm.surgery.audit.registry import Seen, rule

_FEW = 16
_MOST_MICRO_BATCHES = 64


@rule(
    "DN221",
    "weight decay on batch norm or biases",
    "note",
    seen="weight decay of {decay:g} pulls at {count} tensors of batch norms and biases, such as {example}",
    why="Before a batch norm, decay only sets the effective learning rate; of its own weight it takes away signal, and of "
    "biases it prevents no overfitting.",
    source="van Laarhoven 2017, arXiv:1706.05350; He et al. 2019, arXiv:1812.01187, section 3.1",
    fix="Give the optimizer two groups, one of them with weight_decay=0 for tensors of one dimension.",
    needs="optimizer",
)
def decay_on_norms(examination: Examination) -> Seen:
    """One finding for each rate of decay."""
    assert examination.optimizer is not None
    names = {id(parameter): name for name, parameter in examination.model.named_parameters()}
    norms = {id(parameter) for norm in examination.batch_norms.values() for parameter in norm.parameters()}
    found: dict[float, list[str]] = {}
    for group in examination.optimizer.param_groups:
        for parameter in group["params"]:
            name = names.get(id(parameter), "")
            if group.get("weight_decay") and (id(parameter) in norms or name.rpartition(".")[2] == "bias"):
                found.setdefault(float(group["weight_decay"]), []).append(name)
    for decay, hit in found.items():
        yield "", {"decay": decay, "count": len(hit), "example": hit[0]}


@rule(
    "DN222",
    "batch norm of a single value",
    "error",
    seen="one value per channel comes to it in this batch",
    why="A single value has no variance: torch refuses to train, on the last batch of an epoch perhaps.",
    source="pytorch issues 7716 and 156051",
    fix="Use larger batches and drop_last=True, or GroupNorm or LayerNorm, which do not look at other rows; or "
    'dropnorm.nn.BatchNorm1d(..., singleton="running").',
    needs="batch",
)
def single_values(examination: Examination) -> Seen:
    """Where batch statistics normalize."""
    for each in examination.batches:
        if each.by_batch and each.count == 1:
            yield each.path, {}


@rule(
    "DN223",
    "batch statistics of few values",
    "warning",
    seen="{count} values per channel: its batch variance is off by {error:.0%} (one standard deviation)",
    why="The statistics are mostly noise, other than those of inference, and accuracy falls steeply for small batches.",
    source="Wu & He 2018, arXiv:1803.08494, section 4.1",
    fix="Use larger batches; otherwise GroupNorm in convolutional parts, LayerNorm elsewhere; of pretrained layers freeze the "
    "batch norms (layer.eval()).",
    needs="batch",
)
def few_values(examination: Examination) -> Seen:
    """A variance of n normal values has the relative standard error sqrt(2 / (n - 1))."""
    for each in examination.batches:
        if each.by_batch and 1 < each.count < _FEW:
            yield each.path, {"count": each.count, "error": (2.0 / (each.count - 1)) ** 0.5}


@rule(
    "DN224",
    "batch norm without synchronization",
    "warning",
    seen="{count} batch norms use the statistics of a {workers}th of the batch each, on {workers} workers",
    why="Each worker normalizes by its own part of the batch, and the running statistics are those of one worker.",
    source="the documentation of torch.nn.SyncBatchNorm; Peng et al. 2018, arXiv:1711.07240",
    fix="Before wrapping it use torch.nn.SyncBatchNorm.convert_sync_batchnorm(model), unless each part is large enough.",
)
def unsynchronized(examination: Examination) -> Seen:
    """On one worker there is nothing to synchronize."""
    alone = [
        norm for norm in examination.batch_norms.values() if not isinstance(norm, nn.SyncBatchNorm) and norm.training
    ]
    if alone and examination.workers > 1:
        yield "", {"count": len(alone), "workers": examination.workers}


@rule(
    "DN225",
    "running statistics updated twice",
    "warning",
    seen="is called under activation checkpointing: each step updates its running statistics twice with one batch",
    why="The forward pass is made again in the backward pass, so that momentum counts double.",
    source="pytorch issue 96136",
    fix="Use momentum={momentum:.3g}, whose two updates are one of {was:g}; or leave the batch norm out of the checkpoint.",
    needs="batch",
)
def updated_twice(examination: Examination) -> Seen:
    """The momentum m for which 1 - (1 - m)^2 is what was set."""
    paths = [each.path for each in examination.batches if each.recomputed and each.by_batch]
    for path in dict.fromkeys(paths):
        norm: Any = examination.batch_norms[path]
        if norm.track_running_stats and norm.momentum:
            yield path, {"momentum": 1.0 - (1.0 - norm.momentum) ** 0.5, "was": norm.momentum}


@rule(
    "DN226",
    "gradients accumulated over micro-batches",
    "note",
    seen="{batches} batches for {steps} steps of the optimizer: {each} micro-batches to each step",
    why="Gradients are those of the large batch, statistics those of each small one, so that batch norm gains nothing from it.",
    source="pytorch issue 46516",
    fix="Use GroupNorm or LayerNorm, or micro-batches of 32 rows or more; and momentum={momentum:.3g}, to forget as fast.",
    needs="optimizer",
)
def accumulated(examination: Examination) -> Seen:
    """Counted by optimizers that keep their steps, as Adam does. What was trained elsewhere before has other counts."""
    assert examination.optimizer is not None
    steps = max((int(state["step"]) for state in examination.optimizer.state.values() if "step" in state), default=0)
    for path, norm in examination.batch_norms.items():
        if norm.num_batches_tracked is None or not steps:
            continue
        batches = int(norm.num_batches_tracked)
        each = round(batches / steps)
        if 2 <= each <= _MOST_MICRO_BATCHES and abs(batches - each * steps) < each and steps >= 4 * each:
            momentum = 1.0 - (1.0 - (norm.momentum or 0.0)) ** (1.0 / each)
            yield path, {"batches": batches, "steps": steps, "each": each, "momentum": momentum}
            return
