"""A model made ready to be deployed: batch norm folded into the layers beside it, dropout gone."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import fx, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from dropnorm import nn as own
from dropnorm.surgery.folding import folded_before, folded_behind
from dropnorm.surgery.norms import is_flat
from dropnorm.surgery.operations import Kind, kind_of
from dropnorm.surgery.reading import Note, Reading, follow, is_fused
from dropnorm.surgery.receipt import Changes, Receipt, carry_out, is_one_of, obstacle
from dropnorm.surgery.rewrite import left_of
from dropnorm.surgery.trace import Flow
from dropnorm.surgery.ways import inputs, users

_NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(own.BatchNorm1d, own.BatchNorm2d, own.BatchNorm3d, own.BatchNormActDropout1d, own.BatchNormActDropout2d),
)
_LAYERS = (
    *(nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d),
    *(nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
_DROPOUTS = (
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout),
    *(own.Dropout, own.Dropout1d, own.Dropout2d, own.Dropout3d),
)
# They look at their dropouts' attributes.
_COMPOSED = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
_NO_LAYER = "no Linear, Conv or ConvTranspose stands alone before it or behind it."


def fold(model: nn.Module, *, sample: Any = None) -> Receipt:
    """The model for inference, with fewer layers: `fold(model).model` computes what the model does in inference mode.

    Equation:    behind z = W x + b a batch norm y = s z + t, s = weight / sqrt(running_var + eps), t = bias - s running_mean,
                 becomes y = (s W) x + (s b + t); before a layer, y = W (s x + t) + b becomes y = (W s) x + (W t + b)
    Args:        model: any torch.nn.Module; it stays as it is. sample: a batch as the model takes it. With it what cannot be
                 traced is followed as it runs, and the outcome is compared with the model's.
    Returns:     Receipt: the folded `model` in inference mode, what was `done`, `notes` on each batch norm that stays and why,
                 and `undo()`, which puts everything back.
    Numerics:    folded in float64 and rounded once to the layer's type, so that outputs are equal to its rounding. A batch norm
                 before a convolution is folded only where no zeros are padded in between, since it would not shift those.
    Raises:      ArgumentTypeError and SurgeryError as `regularize`; SurgeryError where outputs would differ.
    Example:
        >>> import torch
        >>> import dropnorm as dn
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, bias=False), torch.nn.BatchNorm2d(8), torch.nn.Dropout2d())
        >>> dn.fold(net).model
        Sequential(
          (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
          (1): Identity()
          (2): Identity()
        )
    See also:    torch.nn.utils.fusion.fuse_conv_bn_eval, of two layers; torch.fx.experimental.optimization.fuse, of traceable
                 models and convolutions.
    """
    reading = follow(model, sample, training=False)
    return carry_out(model, lambda new: _changes(reading, new), _summary, sample, training=False)


def _changes(reading: Reading, new: nn.Module) -> Changes:
    changes = Changes()
    changes.notes += [Note(each.path, f"cannot be traced ({each.reason}).") for each in reading.trace.untraceable]
    for path, module in new.named_modules(remove_duplicate=False):
        parent = new.get_submodule(path.rpartition(".")[0])
        if path and is_one_of(module, _DROPOUTS) and not obstacle(module) and not isinstance(parent, _COMPOSED):
            changes.new[path] = nn.Identity()
            changes.done.append(Note(path, "dropout is gone"))
    places: dict[str, list[tuple[Flow, fx.Node]]] = {}
    for flow, node in reading.nodes():
        if kind_of(flow, node) is Kind.BATCH_NORM:
            path = flow.path_of(node) if node.op == "call_module" else f"{flow.path}.{node.name}".strip(".")
            places.setdefault(path, []).append((flow, node))
    for path, module in new.named_modules():
        if isinstance(module, _NORMS) and path not in places:
            changes.notes.append(Note(path, "stays: it is not known what comes before it."))
    for path, found in places.items():
        reason = _fold(reading, new, path, found, changes)
        if reason:
            changes.notes.append(Note(path, f"stays: {reason}"))
    return changes


def _fold(reading: Reading, new: nn.Module, path: str, places: Sequence[tuple[Flow, fx.Node]], changes: Changes) -> str:
    """Fold one batch norm, or say why not."""
    if any(node.op != "call_module" for _, node in places):
        return "it is called as a function."
    norm: Any = new.get_submodule(path)
    if not is_one_of(norm, _NORMS):
        return f"the forward of {type(norm).__name__} is another one than torch's and ours."
    if norm.running_mean is None:
        return "it has no running statistics, and normalizes by each batch."
    if any(len(node.all_input_nodes) > 1 for _, node in places):
        return "it is called with a mask, which no other layer takes."
    if reason := obstacle(norm) or _several(reading, path):
        return reason
    reasons = []
    for before in (True, False):
        if not before and is_fused(norm):
            continue  # its activation stands in between
        layer_path, reason = _layer_beside(reading, places, before)
        if not reason:
            layer: Any = changes.new.get(layer_path) or new.get_submodule(layer_path)
            reason = _refusal(reading, places, layer_path, layer, before)
        if not reason:
            changes.new[layer_path] = folded_before(layer, norm) if before else folded_behind(norm, layer)
            changes.new[path] = _rest(norm)
            changes.done.append(Note(path, f"batch norm is in {layer_path}"))
            return ""
        reasons.append(reason)
    return next((reason for reason in reasons if reason != _NO_LAYER), _NO_LAYER)


def _layer_beside(reading: Reading, places: Sequence[tuple[Flow, fx.Node]], before: bool) -> tuple[str, str]:
    """The layer whose every call is followed, or preceded, by this batch norm and by nothing else."""
    paths = set()
    for flow, node in places:
        beside = _neighbour(flow, node, before)
        if beside is None or beside.op != "call_module" or kind_of(flow, beside) is not Kind.WEIGHT:
            return "", _NO_LAYER
        paths.add(flow.path_of(beside))
    if len(paths) > 1:
        return "", f"it serves {' and '.join(sorted(paths))}."
    (path,) = paths
    flow = places[0][0]
    if reading.calls(flow, path) != len(places):
        return "", f"{path} is called at other places, too."
    if flow.path and not reading.is_called_once(flow, path):
        return "", "it is not known how often it is called. Give a batch as sample=."
    return path, ""


def _neighbour(flow: Flow, node: fx.Node, before: bool) -> fx.Node | None:
    """The operation before or behind, past dropouts, if nothing else has to do with the value in between."""
    while True:
        if before:
            beside = inputs(flow, node)
            if len(beside) != 1 or len(users(flow, beside[0])) != 1:
                return None
        else:
            beside = users(flow, node)
            if len(beside) != 1 or len(inputs(flow, beside[0])) != 1:
                return None
        node = beside[0]
        module = flow.module_of(node)
        if module is None or kind_of(flow, node) not in (Kind.DROPOUT, Kind.IDENTITY) or obstacle(module):
            return node


def _refusal(reading: Reading, places: Sequence[tuple[Flow, fx.Node]], path: str, layer: Any, before: bool) -> str:
    """Why this layer cannot take the batch norm in."""
    flow = places[0][0]
    if not is_one_of(layer, _LAYERS):
        return f"{path} is a {type(layer).__name__}, whose forward is another one than torch's."
    if reason := obstacle(layer) or _several(reading, path):
        return f"{path}: {reason}"
    if not reading.can_replace(flow, path):
        return f"the forward pass takes tensors of {path}, too."
    norm: Any = flow.module_of(places[0][1])
    if isinstance(layer, nn.Linear) and norm.num_features != (layer.out_features if before else layer.in_features):
        return f"it normalizes another dimension than the features of {path}."
    if isinstance(layer, nn.Linear) and not _is_flat(reading, places, path):
        return f"it is not known whether the inputs of {path} are (N, features). Give a batch as sample=."
    if not before and isinstance(layer, _ConvTransposeNd):
        return f"{path} is a transposed convolution, at whose borders the shift of the batch norm is another one."
    if not before and isinstance(layer, _ConvNd) and layer.padding_mode == "zeros" and _pads(layer):
        return f"{path} pads zeros, which the batch norm does not shift."
    return ""


def _is_flat(reading: Reading, places: Sequence[tuple[Flow, fx.Node]], path: str) -> bool:
    if reading.observation is not None:
        return reading.observation.dimensions.get(path) == {2}
    return all(is_flat(flow, inputs(flow, node)[0]) for flow, node in places)


def _pads(layer: Any) -> bool:
    padding = layer.padding
    return (
        padding == "same" and any(size > 1 for size in layer.kernel_size) if isinstance(padding, str) else any(padding)
    )


def _several(reading: Reading, path: str) -> str:
    paths = reading.paths[reading.module(path)]
    return f"it is the same module as {paths[1]}." if len(paths) > 1 else ""


def _rest(norm: Any) -> nn.Module:
    """What is left where a batch norm was: of a fused one the activation."""
    kept = [module for _, module in left_of(norm, keep_dropout=False)] if is_fused(norm) else []
    return kept[0] if kept else nn.Identity()


def _summary(done: Sequence[Note]) -> str:
    norms, dropouts = (sum(note.text.startswith(what) for note in done) for what in ("batch norm", "dropout"))
    return ", ".join(_counted(norms, dropouts)) or "nothing to fold"


def _counted(norms: int, dropouts: int) -> Iterator[str]:
    if norms:
        yield f"{norms} batch norm{'s' * (norms > 1)} folded"
    if dropouts:
        yield f"{dropouts} dropout{'s' * (dropouts > 1)} gone"
