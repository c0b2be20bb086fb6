"""A model read for surgery: its trace, what it did with a sample, and which of its modules can be touched."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import UninitializedParameter

from dropnorm import nn as own
from dropnorm.errors import ArgumentTypeError
from dropnorm.surgery.modules.batches import arguments_of
from dropnorm.surgery.modules.observe import Observation, observe, outputs
from dropnorm.surgery.modules.recording import record
from dropnorm.surgery.modules.rewrite import copied
from dropnorm.surgery.modules.trace import Flow, Trace, trace
from dropnorm.surgery.notes import Note

_FUSED = (own.BatchNormActDropout1d, own.BatchNormActDropout2d)
_LOOKS = "its forward looks at values of the batch: with others than the sample's it may go another way."
_WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "module",
    "OptimizedModule": "_orig_mod",
}


@dataclass(frozen=True, eq=False)
class Reading:
    """What is known of a model before anything is decided."""

    model: nn.Module
    trace: Trace
    observation: Observation | None
    paths: dict[nn.Module, list[str]] = field(repr=False)
    notes: tuple[Note, ...] = ()

    def nodes(self) -> Iterator[tuple[Flow, fx.Node]]:
        """Every operation of every flow."""
        for flow in self.trace.flows:
            for node in flow.graph.nodes:
                yield flow, node

    def module(self, path: str) -> Any:
        """The module of the copy at this path."""
        return self.trace.model.get_submodule(path)

    def is_called_once(self, flow: Flow, path: str) -> bool:
        """Whether a forward pass is known to call the module once. In pieces of a model only a sample tells."""
        if self.observation is not None:
            return self.observation.calls[path] == 1 and self.calls(flow, path) == 1
        return self.trace.whole and flow.path == "" and self.calls(flow, path) == 1

    def can_replace(self, flow: Flow, path: str) -> bool:
        """Whether something else can take a module's place: only calls of it know it."""
        inner = path.removeprefix(flow.path).removeprefix(".")
        if inner == "" or len(self.paths[self.module(path)]) > 1:
            return False
        return not any(node.op == "get_attr" and f"{node.target}.".startswith(f"{inner}.") for node in flow.graph.nodes)

    def is_in_sequential(self, flow: Flow, path: str) -> bool:
        """Whether a module is called by the Sequential that holds it, so that it can get a neighbour there."""
        parent = path.rpartition(".")[0]
        module = self.module(parent)
        if (
            type(module).forward is not nn.Sequential.forward
            or "forward" in vars(module)
            or len(self.paths[module]) > 1
        ):
            return False
        if parent == "" == flow.path:
            return True
        if parent == flow.path:
            # Whether the root of a piece is called or taken apart, a sample tells.
            return self.observation is not None and 0 < self.observation.calls[parent] == self.observation.calls[path]
        return self.calls(flow, parent) == self.calls(flow, path)

    def calls(self, flow: Flow, path: str) -> int:
        """How often a flow calls the module at this path."""
        inner = path.removeprefix(flow.path).removeprefix(".")
        return sum(call.path == inner for call in flow.calls)


def read(model: nn.Module, sample: Any = None) -> Reading:
    """Trace the model, and run a copy of it on the sample if there is one."""
    _check(model)
    return _reading(model, trace(copied(model)), sample)


def follow(model: nn.Module, sample: Any = None, training: bool = True) -> Reading:
    """As `read`, in either mode; what cannot be traced is followed while it runs on the sample, if there is one."""
    _check(model)
    traced = trace(copied(model), training)
    notes: list[Note] = []
    if traced.untraceable and sample is not None:
        outputs(traced.model.train(training), sample)  # raises where the sample does not fit
        recording = record(traced.model, *arguments_of(sample))
        traced = Trace(traced.model, (recording.flow,), ())
        notes = [Note(path, _LOOKS) for path in recording.lookers]
    return _reading(model, traced, sample, notes)


def _reading(model: nn.Module, traced: Trace, sample: Any, notes: Sequence[Note] = ()) -> Reading:
    paths: dict[nn.Module, list[str]] = {}
    for path, module in traced.model.named_modules(remove_duplicate=False):
        paths.setdefault(module, []).append(path)
    return Reading(model, traced, None if sample is None else observe(model, sample), paths, tuple(notes))


def is_dropout(module: nn.Module) -> bool:
    """Whether a module drops units at a rate `p`."""
    return isinstance(module, (_DropoutNd, *_FUSED))


def is_fused(module: nn.Module) -> bool:
    """Whether a module is batch norm, activation and dropout at once."""
    return isinstance(module, _FUSED)


def _check(model: Any) -> None:
    """Refuse what is no module that can be rewritten."""
    if not isinstance(model, nn.Module):
        raise ArgumentTypeError(
            f"model={type(model).__name__} is no torch.nn.Module: expected a module. For a class give an instance of it."
        )
    inner = _WRAPPERS.get(type(model).__name__)
    if inner is not None:
        raise ArgumentTypeError(
            f"model={type(model).__name__} wraps another module: expected the module itself. Give model.{inner}, and wrap "
            f"the result anew."
        )
    for path, module in model.named_modules():
        name = type(module).__name__
        if isinstance(module, torch.jit.ScriptModule) or "quantized" in type(module).__module__:
            raise ArgumentTypeError(
                f"model holds {path or 'itself'!r} ({name}), which cannot be rewritten: expected ordinary modules. "
                f"Give the model as it was before it was scripted or quantized."
            )
    check_initialized(model)


def check_initialized(model: nn.Module) -> None:
    """Refuse lazy modules that have seen no batch yet."""
    for path, module in model.named_modules():
        if any(isinstance(parameter, UninitializedParameter) for parameter in module.parameters(recurse=False)):
            raise ArgumentTypeError(
                f"model holds {path or 'itself'!r} ({type(module).__name__}), whose weights have no shape yet: expected "
                f"initialized modules. Run the model once on a batch first."
            )
