"""All that rules may look at in a Keras model: its graph, its layers, what a batch showed, how it is compiled."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
from keras.src.models import Functional

from dropnorm.surgery.audit.measuring import Behaviour
from dropnorm.surgery.keras.audit.watching import TrainingCall
from dropnorm.surgery.keras.graph import Graph, Operation, is_graph, joined, nodes_of
from dropnorm.surgery.keras.layers import rate_of
from dropnorm.surgery.keras.paths import layers_of
from dropnorm.surgery.keras.reading import has_rate
from dropnorm.surgery.kinds import Kind
from dropnorm.surgery.modules.recording import BatchSeen


@dataclass(frozen=True)
class Wired:
    """A layer that a functional model calls in a mode of its own, directly or with the layer around it."""

    path: str
    layer: Any
    training: bool


@dataclass(frozen=True, eq=False)
class Examination:
    """One model under examination. What was not given is None.

    Args:        model: with weights, if it could be built; graph: None of a model with a call of its own; always: what was
                 called in training mode while the model ran in inference mode.
    """

    model: keras.Model
    graph: Graph | None
    batches: tuple[BatchSeen, ...] = ()
    always: tuple[TrainingCall, ...] = ()
    loss: Any = None
    optimizer: Any = None
    behaviour: Behaviour | None = None
    history: Mapping[str, Sequence[float]] | None = None

    @cached_property
    def layers(self) -> dict[str, Any]:
        """All layers by their paths, each once."""
        return layers_of(self.model)

    @cached_property
    def paths(self) -> dict[int, str]:
        """The path of each layer, by its identity."""
        return {id(layer): path for path, layer in self.layers.items()}

    @cached_property
    def batch_norms(self) -> dict[str, Any]:
        """The batch norms by their paths."""
        kind = keras.layers.BatchNormalization
        return {path: layer for path, layer in self.layers.items() if isinstance(layer, kind)}

    def nodes(self, *kinds: Kind) -> Iterator[tuple[Graph, Operation]]:
        """The operations of these kinds."""
        for operation in () if self.graph is None else self.graph.operations:
            if operation.kind in kinds:
                yield self.graph, operation  # type: ignore[misc] # there is none without a graph

    def droppers(self) -> Iterator[tuple[Graph, Operation, float]]:
        """The operations that drop in training, each with its rate above 0."""
        for graph, operation in self.nodes(Kind.DROPOUT, Kind.BATCH_NORM):
            if has_rate(operation.layer) and rate_of(operation.layer) > 0.0:
                yield graph, operation, rate_of(operation.layer)

    @cached_property
    def wired(self) -> list[Wired]:
        """What is called with training=True or False, which training and prediction by Keras's own methods override."""
        return list(_wired(self.model, ""))


def _wired(model: Any, path: str) -> Iterator[Wired]:
    inner = model._functional if isinstance(model, keras.Sequential) else model
    for node in nodes_of(inner) if isinstance(inner, Functional) else ():
        layer, at = node.operation, joined(path, node.operation.name)
        training = node.arguments.kwargs.get("training")
        # A mode that a layer has by default is noted as if it had been asked for.
        if isinstance(training, bool) and training is not _default_mode(layer):
            yield Wired(at, layer, training)
            for below, part in layers_of(layer).items():
                yield Wired(f"{at}/{below}", part, training)
        elif is_graph(layer):
            yield from _wired(layer, at)


def _default_mode(layer: Any) -> Any:
    parameter = inspect.signature(layer.call).parameters.get("training")
    return None if parameter is None else parameter.default
