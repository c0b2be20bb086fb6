"""Changes of a model, made: on a copy, which keeps the classes of the model and of all its modules."""

import copy
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from dropnorm import nn as own
from dropnorm.errors import SurgeryError
from dropnorm.surgery.edits import Edit, Insert, Remove, ReturnBias, SetRate

LAYER = "layer"
_ACTIVATIONS = {"identity": nn.Identity, "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}

Named = list[tuple[str, nn.Module]]


def copied(model: nn.Module) -> nn.Module:
    """A deep copy, or an error that says why there is none."""
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise SurgeryError(
            f"{type(model).__name__} cannot be copied ({type(error).__name__}: {error}): expected a model that "
            f"copy.deepcopy takes, since the given one stays as it is. Drop what it cannot copy, such as tensors that "
            f"are kept with their graph."
        ) from error


def rewrite(model: nn.Module, edits: Sequence[Edit]) -> nn.Module:
    """A copy of the model with these changes."""
    changed = copied(model)
    modules: dict[str, Any] = dict(changed.named_modules(remove_duplicate=False))
    structural: dict[str, list[Insert | Remove]] = {}
    for edit in edits:
        if isinstance(edit, SetRate):
            modules[edit.path].p = edit.rate
        elif isinstance(edit, ReturnBias):
            _return_bias(modules[edit.path], modules[edit.norm])
        else:
            structural.setdefault(edit.path, []).append(edit)
    parents = {path.rpartition(".")[0] for path in structural}
    sequentials = {path: modules[path] for path in parents if isinstance(modules[path], nn.Sequential)}
    numbered = [each for each in sequentials.values() if all(name.isdigit() for name in each._modules)]
    done = set()
    for path, here in structural.items():
        parent, _, name = path.rpartition(".")
        # A block that is known by two paths is changed once.
        if (id(modules[parent]), name) not in done:
            done.add((id(modules[parent]), name))
            _restructure(modules[parent], name, here, modules)
    for path, sequential in sequentials.items():
        if list(sequential._modules) == [LAYER] and path:
            # What we once put around this layer is gone.
            parent, _, name = path.rpartition(".")
            modules[parent]._modules[name] = sequential._modules[LAYER]
    for sequential in numbered:
        children = list(sequential._modules.values())
        sequential._modules.clear()
        sequential._modules.update((str(number), child) for number, child in enumerate(children))
    return changed


def _restructure(parent: nn.Module, name: str, edits: Sequence[Insert | Remove], modules: dict[str, Any]) -> None:
    """Make the changes at one child of a module."""
    module = parent._modules[name]
    assert module is not None
    inserts = sorted((edit for edit in edits if isinstance(edit, Insert)), key=lambda edit: edit.layer.role != "norm")
    removals = [edit for edit in edits if isinstance(edit, Remove)]
    before: Named = [(edit.layer.role, _build(edit, modules)) for edit in inserts if not edit.after]
    after: Named = [(edit.layer.role, _build(edit, modules)) for edit in inserts if edit.after]
    kept: Named = [(LAYER, module)]
    for removal in removals:
        kept = left_of(module, removal.keep_dropout)
    new = [*before, *kept, *after]
    for _, layer in new:
        if layer is not module:
            layer.train(module.training)
    if any(edit.flat for edit in edits):
        _splice(parent, name, new, module)
    elif len(new) > 1:
        parent._modules[name] = nn.Sequential(_unique(new)).train(module.training)
    else:
        parent._modules[name] = new[0][1] if new else nn.Identity().train(module.training)


def _build(edit: Insert, modules: dict[str, Any]) -> nn.Module:
    layer: nn.Module
    if edit.layer.role == "dropout":
        layer = getattr(own, edit.layer.name)(edit.layer.argument)
        return layer
    like = modules[edit.like]
    layer = getattr(own, edit.layer.name)(edit.layer.argument, device=like.weight.device, dtype=like.weight.dtype)
    if edit.takes_bias and like.bias is not None:
        layer.bias, like.bias = like.bias, None
    return layer


def _return_bias(layer: Any, norm: Any) -> None:
    """Give a layer without bias that of its batch norm, so that what `regularize` moved there comes back."""
    bias = norm.bias
    if bias is None:
        bias = nn.Parameter(torch.zeros(norm.num_features, device=layer.weight.device, dtype=layer.weight.dtype))
    layer.bias = bias


def left_of(module: Any, keep_dropout: bool) -> Named:
    """What stays of a module that is removed: of a fused one, the activation and perhaps the dropout."""
    if not isinstance(module, own.BatchNormActDropout1d | own.BatchNormActDropout2d):
        return []
    slope = module.negative_slope
    activation = nn.LeakyReLU(slope) if module.activation == "leaky_relu" else _ACTIVATIONS[module.activation]()
    left: Named = [(LAYER, activation)]
    if keep_dropout:
        channelwise = module.channelwise and isinstance(module, own.BatchNormActDropout2d)
        dropout = own.Dropout2d if channelwise else own.Dropout1d if module.channelwise else own.Dropout
        left.append(("dropout", dropout(module.p, generator=module.generator)))
    return left


def _splice(parent: nn.Module, name: str, new: Named, old: nn.Module) -> None:
    """Put new layers into a Sequential where a child was; those that it keeps keep their name."""
    children = dict(parent._modules)
    taken = set(children)
    parent._modules.clear()
    for child, module in children.items():
        if child != name:
            parent._modules[child] = module
            continue
        for role, layer in new:
            parent._modules[name if layer is old else _free(role, name, taken)] = layer


def _free(role: str, name: str, taken: set[str]) -> str:
    """A name that no other child has: the role alone if that is free."""
    free = role if role not in taken else f"{name}_{role}"
    while free in taken:
        free += "_"
    taken.add(free)
    return free


def _unique(layers: Iterable[tuple[str, nn.Module]]) -> OrderedDict[str, nn.Module]:
    taken: set[str] = set()
    return OrderedDict((_free(role, role, taken), layer) for role, layer in layers)
