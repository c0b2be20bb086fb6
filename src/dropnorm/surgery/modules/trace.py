"""What a model computes: its forward pass as graphs of operations, as far as torch.fx can follow it.

A module whose forward cannot be followed (its control flow depends on data, say) is an opaque operation in the graph around
it, and each of its children is followed on its own. So a model is one flow, or several in pieces.
"""

import inspect
import warnings
from collections.abc import Iterator, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import fx, nn
from torch.utils._pytree import tree_leaves

from dropnorm import nn as own
from dropnorm.surgery.modules.operations import Kind, is_activation_by_name, kinds_of

WITHIN = "dropnorm_calls"
"""Under this name a node keeps the numbers of the calls during which it was made, outermost first."""
_OWN_LAYERS = tuple(getattr(own, name) for name in own.__all__)


@dataclass(frozen=True)
class Call:
    """A module called during the forward pass; of several calls of one module each has a number of its own."""

    number: int
    path: str
    only_input: fx.Node | None
    output: fx.Node | None


@dataclass(frozen=True, eq=False)
class Flow:
    """One traced forward pass: the whole model's, or that of the part at `path`."""

    path: str
    root: nn.Module
    graph: fx.Graph
    calls: tuple[Call, ...]

    @cached_property
    def kinds(self) -> dict[fx.Node, Kind]:
        """What kind of operation each node is."""
        return kinds_of(self.root, self.graph)

    def path_of(self, node: fx.Node) -> str:
        """The path in the model of what a node calls or gets."""
        return f"{self.path}.{node.target}" if self.path else str(node.target)

    def module_of(self, node: fx.Node) -> nn.Module | None:
        """The module that a node calls, if it calls one."""
        return self.root.get_submodule(str(node.target)) if node.op == "call_module" else None

    def where(self, node: fx.Node) -> str:
        """The path of a node's module, or of the innermost module whose forward calls the function."""
        if node.op == "call_module":
            return self.path_of(node)
        paths = {call.number: call.path for call in self.calls}
        inner = next((paths[number] for number in reversed(node.meta.get(WITHIN, ())) if paths.get(number)), "")
        return f"{self.path}.{inner}".strip(".")

    def name_of(self, node: fx.Node) -> str:
        """A node as it may be called in a sentence: the path of its module, or the name of its function."""
        if node.op == "call_module":
            return self.path_of(node)
        return f"{getattr(node.target, '__name__', node.target)}()"

    @staticmethod
    def is_within(node: fx.Node, call: Call) -> bool:
        """Whether a node was made during a call."""
        return call.number in node.meta[WITHIN]


@dataclass(frozen=True)
class Untraceable:
    """A module whose forward could not be followed, and why."""

    path: str
    name: str
    reason: str


@dataclass(frozen=True)
class Trace:
    """A model and its flows, the whole one first if there is one."""

    model: nn.Module
    flows: tuple[Flow, ...]
    untraceable: tuple[Untraceable, ...]

    @property
    def whole(self) -> bool:
        """Whether the model's own forward could be followed."""
        return bool(self.flows) and self.flows[0].path == ""


def trace(model: nn.Module, training: bool = True) -> Trace:
    """Follow the forward pass, in training mode or not. Give a copy: a forward can leave traces in its module."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # What is traced is not run: its warnings are for those who run it.
        flows, untraceable = _flows(model.train(training), "")
    return Trace(model, tuple(flows), tuple(untraceable))


def _flows(module: nn.Module, path: str) -> tuple[list[Flow], list[Untraceable]]:
    names = {inner: name for name, inner in module.named_modules()}
    opaque: dict[nn.Module, str] = {}
    flows: list[Flow] = []
    while not flows and module not in opaque and not is_leaf(module):
        tracer = _Tracer(names.keys(), opaque.keys())
        try:
            if "forward" in vars(module):
                raise TypeError("its forward was replaced on this one object")  # torch.fx would trace the class's.
            graph = tracer.trace(module, concrete_args=_defaults(module))
            _give_out_what_is_kept(module, graph)
        except Exception as error:
            # There is no telling what a forward raises that is given no tensor but what stands for one.
            failed = module if tracer.failed is None or tracer.failed in opaque else tracer.failed
            opaque[failed] = (str(error).strip().splitlines() or [type(error).__name__])[0]
        else:
            flows = [Flow(path, module, graph, tuple(tracer.made))]
    untraceable = []
    for broken, reason in opaque.items():
        where = ".".join(part for part in (path, names[broken]) if part)
        untraceable.append(Untraceable(where, type(broken).__name__, reason))
        for name, child in _parts(broken):
            inner_flows, inner_untraceable = _flows(child, f"{where}.{name}" if where else name)
            flows += inner_flows
            untraceable += inner_untraceable
    return flows, untraceable


def kept_values(model: nn.Module, kind: type) -> Iterator[tuple[str, Any]]:
    """What a forward has left in attributes of its modules, by the module's path: it may be read from there."""
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if name not in ("_parameters", "_buffers", "_modules"):
                yield from ((path, leaf) for leaf in tree_leaves(value) if isinstance(leaf, kind))


def _give_out_what_is_kept(module: nn.Module, graph: fx.Graph) -> None:
    """What a forward keeps in an attribute is an output, too."""
    kept = [leaf.node for _, leaf in kept_values(module, fx.Proxy) if leaf.node.graph is graph]
    if kept:
        output = graph.output_node()
        output.args = ((*output.args, *dict.fromkeys(kept)),)


def _parts(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The children that can be called, with their names: those of a list or dictionary of modules in its place."""
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            for inner, grandchild in _parts(child):
                yield f"{name}.{inner}", grandchild
        elif not is_leaf(child):
            yield name, child


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is one operation: torch's and our own are, and activations that are written as modules."""
    if isinstance(module, _OWN_LAYERS):
        return True
    # A class of somebody's own is torch's layer all the same if only its __init__ is another one.
    if type(module).forward.__module__.startswith(("torch.nn", "torch.ao.nn")):
        return not isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict)
    return is_activation_by_name(module)


def _defaults(module: nn.Module) -> dict[str, Any]:
    """Optional arguments of forward that are off, so that what they switch on is not taken for the usual way."""
    parameters = inspect.signature(type(module).forward).parameters.values()
    return {each.name: each.default for each in parameters if isinstance(each.default, bool | int | float | None)}


class _Tracer(fx.Tracer):
    """torch.fx's tracer, which also keeps which modules were called with what."""

    def __init__(self, known: Set[nn.Module], opaque: Set[nn.Module]) -> None:
        super().__init__()
        self.known = known
        self.opaque = opaque
        self.made: list[Call] = []
        self.running: list[int] = []
        self.started = 0
        self.failed: nn.Module | None = None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002 - torch's signature
        return m in self.opaque or is_leaf(m)

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        number = self.started
        self.started += 1
        self.running.append(number)
        try:
            output = super().call_module(m, forward, args, kwargs)
        except Exception:
            # A module that is called but held by none cannot be named: its caller is the one that failed.
            if self.failed is None and m in self.known:
                self.failed = m
            raise
        finally:
            self.running.pop()
        only = args[0] if len(args) == 1 and not kwargs else None
        self.made.append(Call(number, self.path_of_module(m), _node(only), _node(output)))
        return output

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        node.meta[WITHIN] = tuple(self.running)
        return node


def _node(value: Any) -> fx.Node | None:
    return value.node if isinstance(value, fx.Proxy) else None
