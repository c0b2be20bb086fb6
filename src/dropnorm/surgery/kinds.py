"""What kinds of operations a network is made of, in whichever framework it is written."""

import re
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Any, Protocol, TypeVar


class Kind(Enum):
    """What an operation is, as far as regularization cares."""

    SOURCE = auto()  # an argument, a parameter
    WEIGHT = auto()  # linear layers and convolutions
    OPAQUE = auto()  # other modules with weights: recurrent, attention, what cannot be traced
    EMBEDDING = auto()
    BATCH_NORM = auto()
    OTHER_NORM = auto()
    ACTIVATION = auto()
    SELF_NORMALIZING = auto()  # SELU
    DROPOUT = auto()
    POOLING = auto()  # of each channel
    FLATTENING = auto()  # from channels to features
    ADDITION = auto()
    CONCATENATION = auto()
    GATE = auto()  # the product of two values
    IDENTITY = auto()
    METADATA = auto()  # sizes, types and masks, which are no values
    OTHER = auto()
    OUTPUT = auto()


_ACTIVATION_NAME = re.compile(r"(?i)activation|relu|elu$|swish|silu|mish|tanh$|sigmoid$")


class Node(Protocol):
    """An operation in a graph, which knows whose values it takes and who takes its own: `torch.fx.Node`, for one."""

    @property
    def all_input_nodes(self) -> list[Any]:
        """The operations whose values it takes."""

    @property
    def users(self) -> Iterable[Any]:
        """The operations that take its value."""


AnyNode = TypeVar("AnyNode", bound=Node)


class Graph(Protocol[AnyNode]):
    """A graph that knows the kind of each of its operations."""

    @property
    def kinds(self) -> Mapping[AnyNode, Kind]:
        """The kind of each operation."""


def kind_of(graph: Graph[AnyNode], node: AnyNode) -> Kind:
    """What kind of operation a node is."""
    return graph.kinds[node]


def names_an_activation(name: str) -> bool:
    """Whether a class calls itself an activation: those of other libraries are no classes of the framework."""
    return _ACTIVATION_NAME.search(name) is not None
