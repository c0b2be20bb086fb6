"""A functional or Sequential Keras model read as one graph of operations, through the models that it is nested of.

A layer that applies an activation to its own output, such as Dense(8, activation="relu"), is two operations here, so that what
lies between its weights and its activation can be talked about.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import keras
from keras.src.models import Functional  # which is not exported: what keras.Model(inputs, outputs) makes

from dropnorm.surgery.keras.operations import activation_in, kind_of_activation, kind_of_operation
from dropnorm.surgery.kinds import Kind

Part = Literal["whole", "weights", "activation"]
Place = tuple[str, int]
"""One call of a layer in the model that holds it: its path and which of its calls there, from 0."""


@dataclass(eq=False, frozen=True)
class Operation:
    """A layer called once in a forward pass, or one of `keras.ops`, with whose values it takes and who takes its own.

    Args:        path: the names of the nested models and of the layer, joined by "/", such as "block/conv1"; call: which of
                 the layer's calls in its model it is, from 0; layer: the layer or operation itself, None for the output of the
                 model; part: of a layer with an activation of its own, which part of it; arguments: what it was called with by
                 name; shape: of its output, with None for unknown lengths, or None if unknown; all_input_nodes, users: without
                 masks.
    """

    path: str
    call: int
    layer: Any
    kind: Kind
    part: Part = "whole"
    arguments: dict[str, Any] = field(default_factory=dict)
    shape: tuple[int | None, ...] | None = None
    all_input_nodes: list["Operation"] = field(default_factory=list, repr=False)
    users: list["Operation"] = field(default_factory=list, repr=False)

    @property
    def place(self) -> Place:
        """The call in the model that holds the layer; a model that is called twice makes two operations of one place."""
        return self.path, self.call


@dataclass(eq=False, frozen=True)
class Graph:
    """All operations of a model, each behind those whose values it takes; the last is its output."""

    model: keras.Model
    operations: tuple[Operation, ...] = field(repr=False)

    @cached_property
    def kinds(self) -> dict[Operation, Kind]:
        """The kind of each operation."""
        return {each: each.kind for each in self.operations}

    @cached_property
    def layers(self) -> dict[str, Any]:
        """The layers by their paths, in the order of their first calls."""
        return {each.path: each.layer for each in self.operations if isinstance(each.layer, keras.layers.Layer)}

    @cached_property
    def paths(self) -> dict[Any, list[str]]:
        """The paths of each layer: several, if several of the nested models hold it."""
        paths: dict[Any, list[str]] = {}
        for path, layer in self.layers.items():
            paths.setdefault(layer, []).append(path)
        return paths

    def where(self, operation: Operation) -> str:
        """The path of what is called; an operation that is no layer belongs to the model that it is in."""
        return operation.path if isinstance(operation.layer, keras.layers.Layer) else operation.path.rpartition("/")[0]

    def name_of(self, operation: Operation) -> str:
        """An operation as it may be called in a sentence."""
        return operation.path

    def calls(self, layer: Any) -> int:
        """How often a forward pass calls a layer, at all its paths together."""
        return sum(each.layer is layer and each.part != "activation" for each in self.operations)

    def at(self, place: Place, part: Part | None = None) -> list[Operation]:
        """The operations of a place: of a model that is called several times as many."""
        return [each for each in self.operations if each.place == place and part in (None, each.part)]


def is_graph(model: Any) -> bool:
    """Whether a model is nothing but a graph of layers: functional or Sequential, not of a class with a call of its own."""
    kind = type(model)
    if isinstance(model, keras.Sequential):
        return kind.call is keras.Sequential.call and kind.__init__ is keras.Sequential.__init__
    return isinstance(model, Functional) and kind.call is Functional.call and kind.__init__ is Functional.__init__


def read_graph(model: keras.Model) -> Graph:
    """The graph of a model for which `is_graph` holds; a Sequential need not be built."""
    reader = _Reader()
    if isinstance(model, Functional):
        sources = [reader.source(tensor._keras_history.operation) for tensor in model.inputs]
    else:
        sources = [reader.source(input_layer_of(model))]
    outputs = reader.follow(model, "", sources)
    reader.add("", None, Kind.OUTPUT, outputs)
    return Graph(model, tuple(reader.operations))


def input_layer_of(model: keras.Sequential) -> Any:
    """The InputLayer of a Sequential, or None before it knows its input."""
    first = model._layers[0] if model._layers else None
    return first if isinstance(first, keras.layers.InputLayer) else None


def nodes_of(model: Functional) -> Iterator[Any]:
    """The calls in a functional model, each behind those whose values it takes; without those of its inputs."""
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if not node.is_input:
                yield node


def joined(path: str, name: str) -> str:
    """The path of what has this name in the model at the path."""
    return f"{path}/{name}" if path else name


class _Reader:
    """Follows models into each other, and gathers operations."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.homes: dict[int, str] = {}

    def source(self, layer: Any) -> Operation:
        """An input of the whole model."""
        shape = None if layer is None else tuple(layer.batch_shape)
        return self.add("" if layer is None else layer.name, layer, Kind.SOURCE, [], shape=shape)

    def follow(self, model: Any, path: str, given: Sequence[Operation]) -> list[Operation]:
        """The operations that make a model's outputs of what is given to it. One that is met again has its first path."""
        path = self.homes.setdefault(id(model), path)
        if isinstance(model, keras.Sequential):
            return self._follow_sequential(model, path, given)
        values = dict(zip(map(id, model.inputs), given, strict=True))
        calls = Counter[int]()
        for node in nodes_of(model):
            operation = node.operation
            names = {key: value for key, value in node.arguments.kwargs.items() if "mask" not in key}
            tensors = _tensors((node.arguments.args, names))
            made = self._call(
                operation,
                joined(path, operation.name),
                calls[id(operation)],
                [values[id(tensor)] for tensor in tensors],
                node.arguments.kwargs,
                node.outputs,
            )
            calls[id(operation)] += 1
            values |= {id(tensor): each for tensor, each in zip(node.outputs, made, strict=True)}
        return [values[id(tensor)] for tensor in model.outputs]

    def _follow_sequential(self, model: Any, path: str, given: Sequence[Operation]) -> list[Operation]:
        calls = Counter[int]()
        inner = model._functional
        outputs = {id(node.operation): node.outputs for node in nodes_of(inner)} if inner is not None else {}
        for layer in model.layers:
            tensors = outputs.get(id(layer), [])
            given = self._call(layer, joined(path, layer.name), calls[id(layer)], given, {}, tensors)
            calls[id(layer)] += 1
        return list(given)

    def _call(
        self,
        operation: Any,
        path: str,
        call: int,
        given: Sequence[Operation],
        arguments: dict[str, Any],
        outputs: Sequence[Any],
    ) -> list[Operation]:
        """One call: of a nested model all that it consists of; for each of its outputs what makes it."""
        if is_graph(operation):
            return self.follow(operation, path, given)
        signals = list(dict.fromkeys(given))
        shape = tuple(outputs[0].shape) if outputs else None
        function = activation_in(operation)
        is_mask = bool(outputs) and all(tensor.dtype == "bool" for tensor in outputs)
        kind = Kind.METADATA if is_mask else kind_of_operation(operation, len(signals))
        part: Part = "whole" if function is None else "weights"
        made = self.add(path, operation, kind, signals, call, part, arguments, shape)
        if function is not None:
            made = self.add(path, operation, kind_of_activation(function), [made], call, "activation", {}, shape)
        return [made] * max(len(outputs), 1)

    def add(
        self,
        path: str,
        layer: Any,
        kind: Kind,
        given: Sequence[Operation],
        call: int = 0,
        part: Part = "whole",
        arguments: dict[str, Any] | None = None,
        shape: tuple[int | None, ...] | None = None,
    ) -> Operation:
        """Put an operation behind those whose values it takes."""
        new = Operation(path, call, layer, kind, part, arguments or {}, shape, list(given))
        for each in given:
            each.users.append(new)
        self.operations.append(new)
        return new


def _tensors(arguments: Any) -> list[Any]:
    """The symbolic tensors among arguments."""
    return [each for each in keras.tree.flatten(arguments) if isinstance(each, keras.KerasTensor)]
