"""What was done to a model that computes the same as before, and the way back."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from dropnorm.errors import SurgeryError
from dropnorm.surgery.modules.check import agree
from dropnorm.surgery.modules.difference import difference
from dropnorm.surgery.modules.observe import outputs
from dropnorm.surgery.modules.reading import is_dropout
from dropnorm.surgery.modules.rewrite import copied
from dropnorm.surgery.modules.trace import trace
from dropnorm.surgery.notes import Note, as_text

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@dataclass(frozen=True, eq=False)
class Receipt:
    """A new model that computes what the given one does, what was done to it, and what was left alone with the reason.

    Args:        model: the new one, of the same class; done: what was done, by the paths of modules; notes: what not, and why.
    Example:
        >>> import torch
        >>> import dropnorm as dn
        >>> net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> receipt = dn.fold(net)
        >>> print(receipt)
        Sequential: 1 batch norm folded
          Sequential(
            (0): Linear(in_features=4, out_features=8, bias=True)
        -   (1): BatchNorm1d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
        +   (1): Identity()
            (2): ReLU()
            (3): Linear(in_features=8, out_features=2, bias=True)
          )
        >>> receipt.undo()[1]
        BatchNorm1d(8, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    model: nn.Module
    done: tuple[Note, ...]
    notes: tuple[Note, ...]
    summary: str
    difference: str = field(repr=False)
    replaced: dict[str, nn.Module] = field(repr=False)
    modes: dict[str, bool] = field(repr=False)
    keep_state: bool = field(repr=False)

    def undo(self) -> nn.Module:
        """The same model with the layers that it had before, in the modes that they had; it is changed back in place.

        What a fused model has learned since stays in it; a folded one gets the weights back that it had.
        """
        for path, old in self.replaced.items():
            parent, name = _holder(self.model, path)
            new = parent._modules[name]
            if self.keep_state and new is not None and (new._parameters or new._buffers):
                old._parameters, old._buffers = new._parameters, new._buffers
            parent._modules[name] = old
        for path, module in self.model.named_modules():
            if path in self.modes:
                module.training = self.modes[path]
        return self.model

    def __str__(self) -> str:
        notes = [f"{note.path or 'the model'}: {note.text}" for note in self.notes]
        return as_text(self.model, self.summary, self.difference, notes)


@dataclass
class Changes:
    """Modules that take others' places, gathered before any is put there."""

    new: dict[str, nn.Module] = field(default_factory=dict)
    done: list[Note] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def carry_out(
    model: nn.Module,
    changes: Callable[[nn.Module], Changes],
    summary: Callable[[Sequence[Note]], str],
    sample: Any,
    *,
    training: bool,
) -> Receipt:
    """Make the changes on a copy, and see on the sample, if there is one, that the copy computes the same.

    Args:        training: whether the copy is for training too: it is then also compared in training mode without dropout, and
                 keeps its modes.
    Raises:      SurgeryError if it does not.
    """
    new = copied(model)
    modes = {path: module.training for path, module in new.named_modules()}
    made = changes(new)
    # All are looked up first: one that is held under two names is put in at two paths, and is the old one at both.
    replaced = {path: new.get_submodule(path) for path in made.new}
    for path, module in made.new.items():
        parent, name = _holder(new, path)
        parent._modules[name] = module.train(replaced[path].training)
    if sample is not None and replaced:
        _compare(model, new, sample, False)
        if training and _is_repeatable(model, sample):
            _compare(model, new, sample, True)
    if replaced and any(_ways(model, mode) != _ways(new, mode) for mode in {False, training}):
        raise SurgeryError(
            f"model={type(model).__name__} cannot be changed safely: its forward calls other layers afterwards. Expected a "
            f"forward that only calls its layers, and does not look at their classes or attributes. Leave it as it is."
        )
    if not training:
        new.eval()
    told = difference(model, new)
    if replaced and (switches := _switches(model)):
        text = f"its forward was followed with {', '.join(switches)}: with other values it may compute something else."
        made.notes.append(Note("", text))
    notes = tuple(dict.fromkeys(made.notes))
    return Receipt(new, tuple(made.done), notes, summary(made.done), told, replaced, modes, keep_state=training)


def obstacle(module: nn.Module) -> str:
    """Why a module cannot be replaced by another one that does the same, or nothing."""
    if any(getattr(module, name) for name in _HOOKS):
        return "it has hooks, which would be lost."
    if parametrize.is_parametrized(module):
        return "its weight has a parametrization."
    if "forward" in vars(module):
        return "its forward was replaced on this one object."
    return ""


def hooked_around(model: nn.Module, paths: Sequence[str]) -> str:
    """Why modules cannot become one where a module around some of them, and not all, has hooks, or nothing."""
    around = [{path[:at] for at, letter in enumerate(path) if letter == "."} for path in paths]
    for path in sorted({path for paths in around for path in paths if not all(path in others for others in around)}):
        if any(getattr(model.get_submodule(path), name) for name in _HOOKS):
            return f"the hooks of {path} would see other values."
    return ""


def is_one_of(module: nn.Module, kinds: Iterable[type[nn.Module]]) -> bool:
    """Whether a module computes what these classes do: it is one of them, or of a class that only makes them otherwise."""
    methods = ("forward", "_conv_forward")
    return any(
        isinstance(module, kind)
        and all(getattr(type(module), name, None) is getattr(kind, name, None) for name in methods)
        for kind in kinds
    )


def _compare(model: nn.Module, new: nn.Module, sample: Any, training: bool) -> None:
    if not agree(*(outputs(_without_dropout(each, training), sample) for each in (model, new))):
        raise SurgeryError(
            f"model={type(model).__name__} cannot be changed safely: its outputs for the sample in "
            f"{'training' if training else 'inference'} mode would be others. Expected a forward that only calls its layers, "
            f"and does not look at their attributes. Leave it as it is."
        )


def _is_repeatable(model: nn.Module, sample: Any) -> bool:
    """Whether there is anything to compare in training: a batch may be too small, and a function in a forward may drop."""
    try:
        first = outputs(_without_dropout(model, True), sample)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            return agree(first, outputs(_without_dropout(model, True), sample))
    except SurgeryError:
        return False


def _switches(model: nn.Module) -> list[str]:
    """Optional arguments of the forward that may switch its way."""
    parameters = inspect.signature(model.forward).parameters.values()
    return [f"{each.name}={each.default}" for each in parameters if isinstance(each.default, bool)]


def _ways(model: nn.Module, training: bool) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """What a trace calls, operation by operation."""
    return [
        (flow.path, node.op, str(node.target), tuple(str(each) for each in node.all_input_nodes))
        for flow in trace(copied(model), training).flows
        for node in flow.graph.nodes
    ]


def _holder(model: nn.Module, path: str) -> tuple[nn.Module, str]:
    parent, _, name = path.rpartition(".")
    return model.get_submodule(parent), name


def _without_dropout(model: nn.Module, training: bool) -> nn.Module:
    """A copy in the mode, that drops nothing."""
    quiet = copied(model).train(training)
    layers: list[Any] = [module for module in quiet.modules() if is_dropout(module)]
    for layer in layers:
        layer.p = 0.0
    return quiet


def with_tensors_of(new: nn.Module, old: nn.Module) -> nn.Module:
    """The new module with the parameters and buffers of the old one, the same objects."""
    new._parameters, new._buffers = dict(old._parameters), dict(old._buffers)
    return new.train(old.training)
