"""What a model does with a batch, as a graph: each operation is noted while it runs, whatever the control flow.

`trace` follows a forward without values; this one follows the values themselves, so that it knows shapes and needs a batch.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import FrameType
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from dropnorm.surgery.modules.trace import WITHIN, Call, Flow, is_leaf, kept_values

SHAPE = "dropnorm_shape"
"""Under this name a node keeps the shape of its first input."""


@dataclass(frozen=True)
class BatchSeen:
    """What came to one call of a batch norm: rows, values per channel, mean and biased variance of each channel; whether they
    normalize the batch; whether the call is one of a checkpoint, which will be made again in the backward pass.
    """

    path: str
    rows: int
    count: int
    mean: Tensor
    var: Tensor
    by_batch: bool
    recomputed: bool


@dataclass(frozen=True)
class Recording:
    """The flow of one pass, what the batch norms saw, what the model gave, and how the pass ended if not well.

    Args:        lookers: the modules whose forwards looked at values of the batch, as an `if` does.
    """

    flow: Flow
    batches: tuple[BatchSeen, ...]
    outputs: Any
    failure: Exception | None
    lookers: tuple[str, ...] = ()


# How a forward asks a tensor for values that are no tensor.
_LOOKS = {"__bool__", "__int__", "__float__", "__index__", "item", "tolist", "numpy", "is_nonzero", "equal", "allclose"}
# Moments that are only looked at need no more values of each channel.
_VALUES_ENOUGH = 1024

Watch = Callable[[fx.Node, Tensor, Any], None]


def record(
    model: nn.Module, arguments: tuple[Any, ...], named: Mapping[str, Any], watch: Watch | None = None
) -> Recording:
    """Run the model as it is, in its mode, and note what it does; its buffers change as they do in such a run.

    Args:        watch: called with each operation, its first input and its output; with it moments are of all values, without
                 of so many as tell them well.
    """
    recorder = _Recorder(model, watch)
    outputs, failure = None, None
    with ExitStack() as stack:
        for path, module in model.named_modules():
            if isinstance(module, torch.jit.ScriptModule):
                continue  # takes no hooks; what comes out of it is as new
            for hook in recorder.hooks(path, module):
                stack.callback(hook.remove)
        try:
            with recorder:
                outputs = model(*arguments, **named)
        except Exception as error:
            failure = error
    recorder.finish(outputs)
    flow = Flow("", model, recorder.graph, tuple(recorder.made))
    return Recording(flow, tuple(recorder.batches), outputs, failure, tuple(dict.fromkeys(recorder.lookers)))


class _Recorder(TorchFunctionMode):
    """Notes each function of torch that is called outside of leaf modules, and each leaf module, as a node."""

    def __init__(self, model: nn.Module, watch: Watch | None) -> None:
        super().__init__()
        self.model, self.watch = model, watch
        self.graph = fx.Graph()
        self.made: list[Call] = []
        self.batches: list[BatchSeen] = []
        self.running: list[tuple[int, str, bool]] = []
        self.started = 0
        self.lookers: list[str] = []
        self.own = {id(tensor): name for name, tensor in (*model.named_parameters(), *model.named_buffers())}
        self.nodes: dict[int, fx.Node] = {}
        # A tensor that is gone may leave its identity to another one.
        self.kept: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inside = any(leaf for _, _, leaf in self.running)
        arguments = None if inside else self._given(args, kwargs)
        outputs = func(*args, **kwargs)
        if arguments is not None:
            changed = args[0] if getattr(func, "__name__", "") == "__setitem__" else outputs
            if any(isinstance(leaf, Tensor) for leaf in tree_leaves(changed)):
                self._enter("call_function", func, arguments, _first(args, kwargs), changed)
            elif getattr(func, "__name__", "") in _LOOKS and _is_of_batch(arguments):
                self.lookers.append(self.running[-1][1] if self.running else "")
        return outputs

    def hooks(self, path: str, module: nn.Module) -> Iterator[Any]:
        """Notes when a module begins and ends."""
        leaf = _is_one_operation(module) and path != ""
        pending: list[Any] = []

        def begin(_: nn.Module, args: Any, kwargs: Any) -> None:
            if not any(inner for _, _, inner in self.running):
                pending.append((self._given(args, kwargs), _first(args, kwargs), self._only(args, kwargs)))
            self.running.append((self.started, path, leaf))
            self.started += 1
            if isinstance(module, _BatchNorm) and args and isinstance(args[0], Tensor):
                self._note_batch(path, module, args[0])

        def end(_module: nn.Module, _args: Any, _kwargs: Any, output: Any) -> None:
            number = self.running.pop()[0]
            if any(inner for _, _, inner in self.running) or not pending:
                return
            arguments, first, only = pending.pop()
            if leaf and output is not None:  # None of one that failed, whose caller may go on
                self._enter("call_module", path, arguments, first, output)
            value = self.nodes.get(id(output)) if isinstance(output, Tensor) else None
            self.made.append(Call(number, path, only, value))

        yield module.register_forward_pre_hook(begin, with_kwargs=True)
        yield module.register_forward_hook(end, with_kwargs=True, always_call=True)

    def finish(self, outputs: Any) -> None:
        """End the graph with what the model gave."""
        given = [*tree_leaves(_plain(outputs)), *(leaf for _, leaf in kept_values(self.model, Tensor))]
        found = [self.nodes[id(leaf)] for leaf in given if id(leaf) in self.nodes]
        self.graph.output(tuple(dict.fromkeys(found)))
        self.kept.clear()
        self.nodes.clear()

    def _note_batch(self, path: str, norm: _BatchNorm, x: Tensor) -> None:
        if x.ndim < 2:
            return
        count = x.numel() // max(1, x.shape[1])
        mean = var = torch.empty(0)
        if count:
            with torch.no_grad():
                positions = x.detach().reshape(len(x), x.shape[1], -1)
                if self.watch is None:
                    # An odd step, so that it is not always the same column of an image.
                    positions = positions[:, :, :: max(1, count // _VALUES_ENOUGH) | 1]
                wide = positions if x.dtype in (torch.float32, torch.float64) else positions.float()
                var, mean = torch.var_mean(wide, (0, 2), correction=0)
        by_batch = norm.training or norm.running_mean is None
        if count < 2 and getattr(norm, "singleton", "raise") == "running":
            by_batch = False
        seen = BatchSeen(path, len(x), count, mean.double(), var.double(), by_batch, _is_checkpointed())
        self.batches.append(seen)

    def _given(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        return tree_map(self._node, _open(tuple(args))), tree_map(self._node, _open(dict(kwargs)))

    def _only(self, args: Any, kwargs: Any) -> fx.Node | None:
        return self._node(args[0]) if len(args) == 1 and not kwargs and isinstance(args[0], Tensor) else None

    def _node(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value if isinstance(value, bool | int | float | str | None) else repr(type(value))
        if id(value) not in self.nodes:
            name = self.own.get(id(value))
            new = self.graph.placeholder(f"input_{len(self.kept)}") if name is None else self.graph.get_attr(name)
            self._remember(value, new)
        return self.nodes[id(value)]

    def _enter(self, op: str, target: Any, arguments: tuple[Any, Any], first: Tensor | None, outputs: Any) -> None:
        node = self.graph.create_node(op, target, *arguments)
        node.meta[WITHIN] = tuple(number for number, _, _ in self.running)
        if first is not None:
            node.meta[SHAPE] = tuple(first.shape)
            if self.watch is not None:
                self.watch(node, first, outputs)
        for leaf in tree_leaves(_plain(outputs)):
            if isinstance(leaf, Tensor):
                self._remember(leaf, node)
                # What is written into a view is in the whole.
                if str(getattr(target, "__name__", "")).endswith("_") and leaf._base is not None:
                    self._remember(leaf._base, node)

    def _remember(self, value: Tensor, node: fx.Node) -> None:
        node.meta.setdefault(WITHIN, ())
        self.nodes[id(value)] = node
        self.kept.append(value)


def _is_one_operation(module: nn.Module) -> bool:
    """As in a trace, but that torch's layers that are made of others are looked into."""
    if isinstance(module, _BatchNorm) or (isinstance(module, _DropoutNd) and is_leaf(module)):
        return True
    composed = any(True for _ in module.children())
    return is_leaf(module) and not (composed and not isinstance(module, nn.MultiheadAttention))


def _is_checkpointed() -> bool:
    """Whether what runs now is going to run again in the backward pass, under torch.utils.checkpoint."""
    if not torch.is_grad_enabled():  # the older, reentrant way runs without gradients inside a run that has them
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            if frame.f_code.co_filename == torch.utils.checkpoint.__file__:
                return True
            frame = frame.f_back
        return False
    hooks: Callable[[bool], Any] = torch._C._autograd._top_saved_tensors_default_hooks
    top = hooks(True)
    return top is not None and getattr(top[0], "__module__", "") == "torch.utils.checkpoint"


def _first(args: Any, kwargs: Any) -> Tensor | None:
    return next((leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)), None)


def _is_of_batch(arguments: Any) -> bool:
    """Whether values depend on what the model was given, and not on its own tensors or on chance alone."""
    waiting, seen = [leaf for leaf in tree_leaves(arguments) if isinstance(leaf, fx.Node)], set[fx.Node]()
    while waiting:
        node = waiting.pop()
        if node.op == "placeholder":
            return True
        if node not in seen:
            seen.add(node)
            waiting += node.all_input_nodes
    return False


def _open(values: Any) -> Any:
    """Packed sequences as their values, since they can hold nothing but tensors."""
    return tree_map(
        lambda each: each.data if isinstance(each, PackedSequence) else each,
        values,
        is_leaf=lambda each: isinstance(each, PackedSequence),
    )


def _plain(value: Any) -> Any:
    """Mappings of other libraries' classes as dictionaries, which are looked into."""
    return dict(value) if isinstance(value, Mapping) else value
