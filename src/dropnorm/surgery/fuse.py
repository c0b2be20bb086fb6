"""Batch norm, activation and dropout of a model computed by this project's layers, fused where they follow each other."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import fx, nn

from dropnorm import nn as own
from dropnorm._arguments import checked
from dropnorm.surgery.dispatch import expect_torch
from dropnorm.surgery.modules.operations import Kind, kind_of
from dropnorm.surgery.modules.reading import Reading, follow, is_fused
from dropnorm.surgery.modules.receipt import Changes, Receipt, carry_out, hooked_around, obstacle, with_tensors_of
from dropnorm.surgery.modules.trace import Flow
from dropnorm.surgery.notes import Note
from dropnorm.surgery.ways import users

_ACTIVATIONS: dict[type, str] = {nn.ReLU: "relu", nn.GELU: "gelu", nn.SiLU: "silu", nn.LeakyReLU: "leaky_relu"}
_NORMS = {nn.BatchNorm1d: own.BatchNorm1d, nn.BatchNorm2d: own.BatchNorm2d, nn.BatchNorm3d: own.BatchNorm3d}
_DROPOUTS = {
    nn.Dropout: own.Dropout,
    nn.Dropout1d: own.Dropout1d,
    nn.Dropout2d: own.Dropout2d,
    nn.Dropout3d: own.Dropout3d,
}
_FUSED: dict[type, tuple[type[Any], type]] = {
    nn.BatchNorm1d: (own.BatchNormActDropout1d, own.Dropout1d),
    nn.BatchNorm2d: (own.BatchNormActDropout2d, own.Dropout2d),
    own.BatchNorm1d: (own.BatchNormActDropout1d, own.Dropout1d),
    own.BatchNorm2d: (own.BatchNormActDropout2d, own.Dropout2d),
}


@checked()
def fuse(model: nn.Module, *, sample: Any = None) -> Receipt:
    """The same function of the inputs, computed by faster kernels: `fuse(model).model` trains and predicts as the model.

    A batch norm with the activation and the dropout that follow it becomes one layer, others become layers of `dropnorm.nn`,
    one by one. Parameters keep their names, so that state dicts load both ways. Functions in a forward stay.

    Args:        model: any torch.nn.Module; it stays as it is. sample: a batch as the model takes it: a tensor, a tuple of
                 arguments or a dictionary of named ones. With it what cannot be traced is followed as it runs, and the
                 outcome is compared with the model in inference, and in training without dropout.
    Returns:     Receipt: the fused `model`, what was `done`, `notes` on what was not and why, and `undo()`.
    Randomness:  masks are those of `dropnorm.nn`: other ones than torch's for a seed, of the same rates.
    Raises:      ArgumentTypeError and SurgeryError as `regularize`; SurgeryError where outputs would differ.
    Example:
        >>> import torch
        >>> import dropnorm as dn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.2))
        >>> type(dn.fuse(net).model[1]).__name__
        'BatchNormActDropout1d'
    See also:    torch.compile, which fuses what is here with other operations, and stores masks.
    """
    expect_torch(model, "fuse", "Put dropnorm.keras.BatchNormActDropout in by hand; for inference use dn.fold.")
    reading = follow(model, sample)
    inference = follow(model, sample, training=False)
    return carry_out(model, lambda new: _changes(reading, inference, new), _summary, sample, training=True)


def _changes(reading: Reading, inference: Reading, new: nn.Module) -> Changes:
    changes = Changes(notes=list(reading.notes))
    for each in reading.trace.untraceable:
        changes.notes.append(Note(each.path, f"cannot be traced ({each.reason}): its layers are replaced one by one."))
    for flow, node in reading.nodes():
        if kind_of(flow, node) is Kind.BATCH_NORM and node.op == "call_module":
            _fuse_run(reading, inference, flow, node, new, changes)
    alone: dict[nn.Module, nn.Module | None] = {}
    for path, module in new.named_modules(remove_duplicate=False):
        if path and path not in changes.new:
            if module not in alone:
                alone[module] = _alone(path, module, changes)
            # One that is known by several names stays one.
            if (replacement := alone[module]) is not None:
                changes.new[path] = replacement
    return changes


def _fuse_run(
    reading: Reading, inference: Reading, flow: Flow, node: fx.Node, new: nn.Module, changes: Changes
) -> None:
    """The batch norm of this node, and the activation and dropout behind it, as one layer."""
    path = flow.path_of(node)
    norm: Any = new.get_submodule(path)
    if is_fused(norm) or type(norm) not in _FUSED:
        return
    fused, channels = _FUSED[type(norm)]
    activation = _next(flow, node)
    if activation is not None and not _is_activation(new.get_submodule(flow.path_of(activation))):
        activation = None
    dropout = _next(flow, activation or node)
    if dropout is not None and not _is_dropout(new.get_submodule(flow.path_of(dropout)), channels):
        dropout = None
    parts = [flow.path_of(part) for part in (activation, dropout) if part is not None]
    if not parts:
        return
    reason = _refusal(reading, flow, [path, *parts], new)
    if not reason and not _is_run(inference, [path, *parts]):
        reason = "in inference mode the forward pass goes another way."
    if reason:
        changes.notes.append(Note(path, f"not fused with {' and '.join(parts)}: {reason}"))
        return
    acting: Any = None if activation is None else new.get_submodule(flow.path_of(activation))
    dropping: Any = None if dropout is None else new.get_submodule(flow.path_of(dropout))
    changes.new[path] = with_tensors_of(
        fused(
            norm.num_features,
            norm.eps,
            norm.momentum,
            norm.affine,
            norm.track_running_stats,
            device="meta",
            activation="identity" if acting is None else _ACTIVATIONS[type(acting)],
            negative_slope=getattr(acting, "negative_slope", 0.01),
            p=0.0 if dropping is None else dropping.p,
            channelwise=isinstance(dropping, nn.Dropout1d | nn.Dropout2d),
            generator=getattr(dropping, "generator", None),
            **_policies(norm),
        ),
        norm,
    )
    changes.new |= {part: nn.Identity() for part in parts}
    changes.done.append(Note(path, f"fused with {' and '.join(parts)}"))


def _next(flow: Flow, node: fx.Node) -> fx.Node | None:
    """The module call that alone takes a value."""
    following = users(flow, node)
    return following[0] if len(following) == 1 and following[0].op == "call_module" else None


def _is_run(reading: Reading, paths: Sequence[str]) -> bool:
    """Whether each of these modules alone takes what the one before it gives."""
    return all(
        (following := _next(flow, node)) is not None and flow.path_of(following) == after
        for before, after in pairwise(paths)
        for flow, node in reading.nodes()
        if node.op == "call_module" and flow.path_of(node) == before
    )


def _is_activation(module: Any) -> bool:
    return type(module) in _ACTIVATIONS and getattr(module, "approximate", "none") == "none"


def _is_dropout(module: Any, channels: type) -> bool:
    """Of single units, or of the channels that the batch norm has."""
    return type(module) in (
        nn.Dropout,
        own.Dropout,
        channels,
        *(kind for kind in _DROPOUTS if _DROPOUTS[kind] is channels),
    )


def _refusal(reading: Reading, flow: Flow, paths: Sequence[str], new: nn.Module) -> str:
    for path in paths:
        module = new.get_submodule(path)
        if len(reading.paths[reading.module(path)]) > 1 or not reading.is_called_once(flow, path):
            unknown = reading.observation is None and not reading.trace.whole
            called = "may be called several times. Give a batch as sample=." if unknown else "serves several places."
            return f"{path} {called}"
        if not reading.can_replace(flow, path):
            return f"the forward pass takes tensors of {path}, too."
        if reason := obstacle(module):
            return f"{path}: {reason}"
    if reason := hooked_around(new, paths):
        return reason
    dropout = new.get_submodule(paths[-1])
    if isinstance(dropout, nn.Dropout1d) and not (
        reading.observation is not None and reading.observation.dimensions.get(paths[-1]) == {3}
    ):
        return f"{paths[-1]} drops whole rows of inputs (N, channels). Give a batch as sample=."
    if getattr(dropout, "p", 0.0) and any(type(each).train is not nn.Module.train for each in new.modules()):
        return "a train() of its own may set the modes of batch norm and dropout apart."
    if len({new.get_submodule(path).training for path in paths}) > 1:
        return "they are not all in the same mode."
    return ""


def _alone(path: str, module: Any, changes: Changes) -> nn.Module | None:
    """Our layer for a batch norm or dropout of torch's."""
    kind = type(module)
    if kind not in _NORMS and kind not in _DROPOUTS:
        return None
    if reason := obstacle(module):
        changes.notes.append(Note(path, f"left alone: {reason}"))
        return None
    new: nn.Module
    if kind in _NORMS:
        arguments = (module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats)
        new = _NORMS[kind](*arguments, device="meta", **_policies(module))
    else:
        new = _DROPOUTS[kind](module.p, module.inplace)
    changes.done.append(Note(path, f"is now dropnorm.nn.{type(new).__name__}"))
    return with_tensors_of(new, module)


def _policies(norm: Any) -> dict[str, Any]:
    """Our own layers refuse what torch's take; where torch's were, all is as with torch."""
    return {"nonfinite": getattr(norm, "nonfinite", "propagate"), "singleton": getattr(norm, "singleton", "raise")}


def _summary(done: Sequence[Note]) -> str:
    runs = sum(note.text.startswith("fused") for note in done)
    alone = len(done) - runs
    parts = [
        f"{runs} run{'s' * (runs > 1)} fused" if runs else "",
        f"{alone} layer{'s' * (alone > 1)} replaced" if alone else "",
    ]
    return ", ".join(filter(None, parts)) or "nothing to change"
