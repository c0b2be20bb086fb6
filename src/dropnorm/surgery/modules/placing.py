"""Where in a model's modules a new layer can be put so that it stands at one value of the forward pass, for all who use it.

Modules get neighbours, in their Sequential or around them; no forward is rewritten, so that the model keeps its class.
"""

from dataclasses import dataclass

from torch import fx

from dropnorm.surgery.modules.operations import Kind, kind_of
from dropnorm.surgery.modules.reading import Reading
from dropnorm.surgery.modules.trace import Call, Flow
from dropnorm.surgery.ways import ACTIVATIONS, PASSING, inputs, origin, users


@dataclass(frozen=True)
class Place:
    """Before or after the module at `path`, in its Sequential if `flat`. `flattened` if the channels are gone by there."""

    path: str
    after: bool
    flat: bool
    flattened: bool = False


def place_norm(reading: Reading, flow: Flow, layer: fx.Node) -> Place | None:
    """Where a batch norm of a layer's output goes: the names of existing weights stay as they are where they can."""
    path = flow.path_of(layer)
    if reading.is_in_sequential(flow, path):
        return Place(path, after=True, flat=True)
    following = users(flow, layer)
    if len(following) == 1 and following[0].op == "call_module" and kind_of(flow, following[0]) in ACTIVATIONS:
        activation = flow.path_of(following[0])
        if reading.can_replace(flow, activation) and reading.calls(flow, activation) == 1:
            return Place(activation, after=False, flat=reading.is_in_sequential(flow, activation))
    return Place(path, after=True, flat=False) if reading.can_replace(flow, path) else None


def place_dropout(reading: Reading, flow: Flow, value: fx.Node, repeated: bool = False) -> list[Place]:
    """Where dropout of a value goes: after the module that makes it, or before those that take it, past poolings.

    If `repeated`, also at modules that are called several times: right only if each of the calls is a place for dropout.
    """
    flattened = False
    while True:
        following = users(flow, value)
        for after, calls in ((True, _makers(flow, value)), (False, _takers(flow, value, following))):
            for call in calls:
                if _can_have(reading, flow, call, repeated):
                    return [_place(reading, flow, call, after, flattened)]
        takers = [_takers(flow, value, [user])[:1] for user in following]
        if takers and all(found and _can_have(reading, flow, found[0], repeated) for found in takers):
            return [_place(reading, flow, found[0], False, flattened) for found in takers]
        if len(following) != 1 or not _passes_on(flow, following[0]):
            return []
        value = following[0]
        flattened |= kind_of(flow, value) is Kind.FLATTENING


def _makers(flow: Flow, value: fx.Node) -> list[Call]:
    """The calls that made a value and gave it to all who use it, innermost first."""
    return [
        call
        for call in flow.calls
        if call.output is value
        and flow.is_within(value, call)
        and not any(flow.is_within(user, call) for user in users(flow, value))
    ]


def _takers(flow: Flow, value: fx.Node, by: list[fx.Node]) -> list[Call]:
    """The calls that take a value, alone, for all these users of it, innermost first."""
    return [call for call in flow.calls if call.only_input is value and all(flow.is_within(user, call) for user in by)]


def _passes_on(flow: Flow, node: fx.Node) -> bool:
    """Whether dropout may as well stand after an operation: poolings, reshapes, joined activations."""
    if kind_of(flow, node) is Kind.CONCATENATION:
        return all(kind_of(flow, origin(flow, each)) in ACTIVATIONS for each in inputs(flow, node))
    return kind_of(flow, node) in PASSING and len(inputs(flow, node)) == 1


def _can_have(reading: Reading, flow: Flow, call: Call, repeated: bool) -> bool:
    path = _path(flow, call)
    # Recurrent layers and the like have more arguments and methods than one that stands around them.
    opaque = any(node.target == call.path and kind_of(flow, node) is Kind.OPAQUE for node in flow.graph.nodes)
    return not opaque and reading.can_replace(flow, path) and (repeated or reading.calls(flow, path) == 1)


def _place(reading: Reading, flow: Flow, call: Call, after: bool, flattened: bool) -> Place:
    path = _path(flow, call)
    return Place(path, after, reading.is_in_sequential(flow, path), flattened)


def _path(flow: Flow, call: Call) -> str:
    return f"{flow.path}.{call.path}" if flow.path else call.path
