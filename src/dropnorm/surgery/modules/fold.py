"""A torch module made ready to be deployed: batch norm folded into the layers beside it, dropout gone."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import fx, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from dropnorm import nn as own
from dropnorm.surgery import fold_reasons as reasons
from dropnorm.surgery.modules.folding import folded_before, folded_behind
from dropnorm.surgery.modules.norms import is_flat
from dropnorm.surgery.modules.operations import Kind, kind_of
from dropnorm.surgery.modules.reading import Reading, follow, is_fused
from dropnorm.surgery.modules.receipt import Changes, Receipt, carry_out, hooked_around, is_one_of, obstacle
from dropnorm.surgery.modules.rewrite import left_of
from dropnorm.surgery.modules.trace import Flow
from dropnorm.surgery.notes import Note, folded_summary
from dropnorm.surgery.ways import inputs, neighbour

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
_NO_LAYER = reasons.NO_LAYER.format("Linear, Conv or ConvTranspose")


def fold_module(model: nn.Module, sample: Any) -> Receipt:
    """The receipt of `dn.fold` for a torch module."""
    reading = follow(model, sample, training=False)
    return carry_out(model, lambda new: _changes(reading, new), folded_summary, sample, training=False)


def _changes(reading: Reading, new: nn.Module) -> Changes:
    changes = Changes(notes=list(reading.notes))
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
        return reasons.OTHER_NORM_CALL.format(type(norm).__name__, "torch")
    if norm.running_mean is None:
        return "it has no running statistics, and normalizes by each batch."
    if any(len(node.all_input_nodes) > 1 for _, node in places):
        return "it is called with a mask, which no other layer takes."
    if reason := obstacle(norm) or _several(reading, path):
        return reason
    refused = []
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
            taken = "" if _is_seen_flat(reading, places, layer) else ", for inputs (N, features)"
            changes.done.append(Note(path, f"batch norm is in {layer_path}{taken}"))
            return ""
        refused.append(reason)
    return reasons.best(refused, _NO_LAYER)


def _layer_beside(reading: Reading, places: Sequence[tuple[Flow, fx.Node]], before: bool) -> tuple[str, str]:
    """The layer whose every call is followed, or preceded, by this batch norm and by nothing else."""
    paths = set()
    for flow, node in places:
        beside = neighbour(flow, node, before, partial(_passes, flow))
        if beside is None or beside.op != "call_module" or kind_of(flow, beside) is not Kind.WEIGHT:
            return "", _NO_LAYER
        paths.add(flow.path_of(beside))
    if len(paths) > 1:
        return "", reasons.SEVERAL_LAYERS.format(" and ".join(sorted(paths)))
    (path,) = paths
    flow = places[0][0]
    if reading.calls(flow, path) != len(places):
        return "", reasons.CALLED_ELSEWHERE.format(path)
    if flow.path and not reading.is_called_once(flow, path):
        return "", "it is not known how often it is called. Give a batch as sample=."
    return path, ""


def _passes(flow: Flow, node: fx.Node) -> bool:
    """Whether an operation does nothing in inference mode."""
    module = flow.module_of(node)
    return module is not None and kind_of(flow, node) in (Kind.DROPOUT, Kind.IDENTITY) and not obstacle(module)


def _refusal(reading: Reading, places: Sequence[tuple[Flow, fx.Node]], path: str, layer: Any, before: bool) -> str:
    """Why this layer cannot take the batch norm in."""
    flow = places[0][0]
    if not is_one_of(layer, _LAYERS):
        return reasons.OTHER_LAYER_CALL.format(path, type(layer).__name__, "torch")
    if reason := obstacle(layer) or _several(reading, path):
        return f"{path}: {reason}"
    if reason := hooked_around(reading.trace.model, [path, flow.path_of(places[0][1])]):
        return reason
    if not reading.can_replace(flow, path):
        return f"the forward pass takes tensors of {path}, too."
    norm: Any = flow.module_of(places[0][1])
    if isinstance(layer, nn.Linear) and norm.num_features != (layer.out_features if before else layer.in_features):
        return reasons.OTHER_DIMENSION.format(path)
    if isinstance(layer, nn.Linear) and not _is_flat(reading, places, path):
        return f"it is not known whether the inputs of {path} are (N, features). Give a batch as sample=."
    if not before and isinstance(layer, _ConvTransposeNd):
        return reasons.TRANSPOSED.format(path)
    if not before and isinstance(layer, _ConvNd) and layer.padding_mode == "zeros" and _pads(layer):
        return reasons.PADS.format(path)
    return ""


def _is_flat(reading: Reading, places: Sequence[tuple[Flow, fx.Node]], path: str) -> bool:
    if reading.observation is not None:
        return reading.observation.dimensions.get(path) == {2}
    return all(is_flat(flow, inputs(flow, node)[0]) for flow, node in places)


def _is_seen_flat(reading: Reading, places: Sequence[tuple[Flow, fx.Node]], layer: Any) -> bool:
    """Whether it is known, and not taken for granted, that a linear layer's features are what is normalized."""
    known = reading.observation is not None or not isinstance(layer, nn.Linear)
    return known or all(is_flat(flow, inputs(flow, node)[0], arguments=False) for flow, node in places)


def _pads(layer: Any) -> bool:
    padding = layer.padding
    return (
        padding == "same" and any(size > 1 for size in layer.kernel_size) if isinstance(padding, str) else any(padding)
    )


def _several(reading: Reading, path: str) -> str:
    paths = reading.paths[reading.module(path)]
    return reasons.SAME_LAYER.format(paths[1]) if len(paths) > 1 else ""


def _rest(norm: Any) -> nn.Module:
    """What is left where a batch norm was: of a fused one the activation."""
    kept = [module for _, module in left_of(norm, keep_dropout=False)] if is_fused(norm) else []
    return kept[0] if kept else nn.Identity()
