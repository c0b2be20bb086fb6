"""Where dropout and batch norm belong in a graph of operations, of any framework.

Batch norm: between a layer and its activation, where there is none yet. Dropout: after hidden activations, never right before a
batch norm, not where a skip connection carries the value on, and never twice.
"""

from collections.abc import Iterable, Sequence

from dropnorm.surgery.choices import Places
from dropnorm.surgery.kinds import AnyNode, Graph, Kind, kind_of
from dropnorm.surgery.ways import (
    ACTIVATIONS,
    NORMS,
    WEIGHTS,
    ahead,
    behind,
    inputs,
    is_last,
    is_skipped,
    kinds,
    origin,
    users,
)

_STOPS = ACTIVATIONS | NORMS | WEIGHTS | {Kind.GATE, Kind.OUTPUT}
_DROPOUT_STOPS = _STOPS | {Kind.DROPOUT}
_VARIANCE_SHIFT = "a batch norm follows, whose statistics dropout would shift (Li et al. 2019)"

OTHER_NORM = "no batch norm: {} normalizes already, each sample by itself."
SELF_NORMALIZING = "SELU normalizes by itself."


def norm_of(graph: Graph[AnyNode], layer: AnyNode) -> tuple[AnyNode, str] | None:
    """What normalizes a layer's output already, and what is to be said of it."""
    following = ahead(graph, layer, _STOPS)[0]
    for each in following:
        if kind_of(graph, each) in NORMS:
            return each, "batch norm is there already, and kept."
    if not _is_activated(graph, following):
        return None
    for activation in following:
        # Some put them in this order.
        for each in ahead(graph, activation, _STOPS)[0] if kind_of(graph, activation) in ACTIVATIONS else []:
            if kind_of(graph, each) is Kind.BATCH_NORM:
                return each, "batch norm is there already, after an activation, and kept."
    return None


def wants_norm(graph: Graph[AnyNode], layer: AnyNode) -> bool:
    """Whether a layer's output is activated, and goes nowhere else outside."""
    return _is_activated(graph, ahead(graph, layer, _STOPS)[0])


def is_self_normalizing(graph: Graph[AnyNode], layer: AnyNode) -> bool:
    """Whether a SELU follows a layer."""
    return Kind.SELF_NORMALIZING in kinds(graph, ahead(graph, layer, _STOPS)[0])


def _is_activated(graph: Graph[AnyNode], following: Sequence[AnyNode]) -> bool:
    """Whether activations follow that are no gates, and the output itself goes nowhere else outside."""
    activations = [each for each in following if kind_of(graph, each) in ACTIVATIONS]
    gates = [each for each in activations if kinds(graph, users(graph, each)) == {Kind.GATE}]
    return len(gates) < len(activations) and Kind.OUTPUT not in kinds(graph, following)


def judge_dropout(
    places: Places, path: str, now: float, rate: float, at: Sequence[tuple[Graph[AnyNode], AnyNode]]
) -> tuple[bool, str]:
    """Whether a dropout that is there gets the new rate, and what is to be said of it, if anything."""
    if at and not all(behind(graph, node, WEIGHTS | {Kind.EMBEDDING})[0] for graph, node in at):
        return False, f"rate {now:g}: of an input, so that only input_dropout changes it."
    is_chosen = places.where == "auto" or places.has([path])
    if places.where == "last":
        is_chosen = bool(at) and all(_is_before_last(graph, node) for graph, node in at)
    if not is_chosen:
        return False, f"rate {now:g} is kept."
    if any(is_last(graph, node) for graph, node in at):
        return (
            False,
            f"rate {now:g} is kept, but it stands after the last layer, where outputs are dropped. Take it out.",
        )
    if any(Kind.BATCH_NORM in kinds(graph, ahead(graph, node, _DROPOUT_STOPS)[0]) for graph, node in at):
        return False, f"rate {now:g} is kept, but {_VARIANCE_SHIFT}. Take it out or move it."
    if now == rate:
        return False, ""
    return True, f"dropout is there already: its rate {now:g} becomes {rate:g}."


def judge_input(graph: Graph[AnyNode], source: AnyNode) -> tuple[list[AnyNode], str]:
    """The dropouts of an input that are there, and why it can have none, if it cannot."""
    first = ahead(graph, source, WEIGHTS | {Kind.EMBEDDING, Kind.DROPOUT})[0]
    there = [each for each in first if kind_of(graph, each) is Kind.DROPOUT]
    if not there and Kind.EMBEDDING in kinds(graph, first):
        return [], "no input dropout: it is embedded, and indices cannot be dropped."
    return there, ""


def droppable(graph: Graph[AnyNode], nodes: Iterable[AnyNode], last: bool) -> list[AnyNode]:
    """The values that may be dropped: what goes into the last layer, or all activations."""
    if not last:
        return [node for node in nodes if kind_of(graph, node) in ACTIVATIONS]
    final = [node for node in nodes if kind_of(graph, node) is Kind.WEIGHT and is_last(graph, node)]
    values = [origin(graph, inputs(graph, node)[0]) for node in final]
    return [value for value in values if kind_of(graph, value) is not Kind.DROPOUT]


def expects_dropout(graph: Graph[AnyNode], value: AnyNode) -> bool:
    """Whether dropout of a value is to be expected: it is a hidden one, and not dropped already."""
    after = _after(graph, value)
    if not sources(graph, value) and kind_of(graph, value) not in WEIGHTS:
        return False
    if is_last(graph, value) or Kind.DROPOUT in after or not after & (WEIGHTS | NORMS):
        return False
    return not _is_dropped(graph, value)


def sources(graph: Graph[AnyNode], value: AnyNode) -> list[AnyNode]:
    """The layers whose outputs a value is made of."""
    return behind(graph, value, WEIGHTS)[0]


def refusal(graph: Graph[AnyNode], value: AnyNode, places: Places) -> str:
    """Why a value should not be dropped, or nothing."""
    after = _after(graph, value)
    if kind_of(graph, value) is Kind.SELF_NORMALIZING:
        return "after SELU only AlphaDropout keeps mean and variance"
    if Kind.BATCH_NORM in after:
        return _VARIANCE_SHIFT
    if Kind.OUTPUT in after:
        return "it is an output, too"
    if Kind.GATE in after:
        return "it is a gate, or is gated"
    if places.where == "auto" and is_skipped(graph, value):
        return "it goes through a skip connection, too, which stays whole"
    return ""


def _after(graph: Graph[AnyNode], value: AnyNode) -> set[Kind]:
    return kinds(graph, ahead(graph, value, _DROPOUT_STOPS)[0])


def _is_dropped(graph: Graph[AnyNode], value: AnyNode) -> bool:
    """Whether there is a dropout between an activation and the layer before it."""
    while len(inputs(graph, value)) == 1 and kind_of(graph, value) not in WEIGHTS:
        value = inputs(graph, value)[0]
        if kind_of(graph, value) is Kind.DROPOUT:
            return True
    return False


def _is_before_last(graph: Graph[AnyNode], node: AnyNode) -> bool:
    """Whether the next layer after a value is the last."""
    following = ahead(graph, node, WEIGHTS)[0]
    return bool(following) and all(is_last(graph, each) for each in following)
