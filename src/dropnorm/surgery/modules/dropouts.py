"""Where the dropouts of a torch module go, by the rules of all frameworks, and as its modules allow."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import fx
from torch.nn.modules.conv import _ConvNd

from dropnorm.surgery.choices import Places, Where
from dropnorm.surgery.edits import Insert, NewLayer, SetRate
from dropnorm.surgery.modules.operations import Kind
from dropnorm.surgery.modules.placing import Place, place_dropout
from dropnorm.surgery.modules.reading import Reading, is_dropout, is_fused
from dropnorm.surgery.modules.trace import Flow
from dropnorm.surgery.notes import Note
from dropnorm.surgery.rules import droppable, expects_dropout, judge_dropout, refusal, sources
from dropnorm.surgery.ways import WEIGHTS, behind

_NO_PLACE = "functions make and take it, or modules called several times. Make the activation a module of its own."


def dropouts(reading: Reading, rate: float, where: Where) -> Iterator[Insert | SetRate | Note]:
    """Dropouts to add, existing ones with the new rate, and notes on places that get none."""
    places = Places(where, ".")
    for path, module in reading.trace.model.named_modules():
        if is_dropout(module):
            yield from _existing(reading, places, path, rate)
    found: list[Found] = []
    for flow in reading.trace.flows:
        # In pieces of a model it is not known what comes after them.
        if where != "last" or flow.path == "":
            for value in droppable(flow, flow.graph.nodes, where == "last"):
                yield from _find(reading, flow, value, rate, places, found)
    yield from _decided(reading, found)
    places.check()
    if where == "last" and not reading.trace.whole:
        yield Note("", "which layer is the last is not known: name the places instead.")


@dataclass(frozen=True)
class Found:
    """A value that should be dropped: the layers that do it alone, or one that also serves other calls of a module."""

    flow: Flow
    name: str
    alone: tuple[Insert, ...]
    shared: Insert | None


def _existing(reading: Reading, places: Places, path: str, rate: float) -> Iterator[SetRate | Note]:
    """What becomes of a dropout that is there."""
    module = reading.module(path)
    # In pieces of a model it is not known what comes before and after them.
    at = [(flow, node) for flow, node in reading.nodes() if flow.module_of(node) is module and flow.path == ""]
    changes, told = judge_dropout(places, path, module.p, rate, at)
    if changes:
        yield SetRate(path, rate)
    if told:
        yield Note(path, told)


def _find(
    reading: Reading, flow: Flow, value: fx.Node, rate: float, places: Places, found: list[Found]
) -> Iterator[Note]:
    """Keep where dropout of a value can be, or note why it cannot; nothing where none is to be expected."""
    module = flow.module_of(value)
    if not expects_dropout(flow, value) or (module is not None and is_fused(module)):
        return
    makers = sources(flow, value)
    paths = _paths(flow, value, makers)
    if not (isinstance(places.where, str) or places.has(paths)):
        return
    if reason := refusal(flow, value, places):
        yield Note(paths[0], f"no dropout after it: {reason}.")
        return
    alone, shared = (
        [
            Insert(place.path, place.after, place.flat, NewLayer(_class(flow, value, makers, place), rate))
            for place in place_dropout(reading, flow, value, repeated)
        ]
        for repeated in (False, True)
    )
    found.append(Found(flow, paths[0], tuple(alone), shared[0] if len(shared) == 1 else None))


def _decided(reading: Reading, found: Sequence[Found]) -> Iterator[Insert | Note]:
    """The dropouts that were found. One at a module of several calls serves them if each of the calls is a place."""
    for each in found:
        sharing = [other for other in found if (other.flow, other.shared) == (each.flow, each.shared)]
        all_calls = each.shared is not None and len(sharing) == reading.calls(each.flow, each.shared.path)
        if each.shared is not None and all_calls and not all(other.alone for other in sharing):
            yield each.shared
        elif each.alone:
            yield from each.alone
        else:
            yield Note(each.name, f"no dropout after it: {_NO_PLACE}")


def _paths(flow: Flow, value: fx.Node, makers: Sequence[fx.Node]) -> list[str]:
    """The names under which a place can be chosen: its activation, the layer before it, the blocks that return it."""
    nodes = [node for node in (value, *makers) if node.op == "call_module"]
    blocks = [call.path for call in flow.calls if call.output is value and flow.is_within(value, call)]
    blocks = [f"{flow.path}.{path}" if flow.path else path for path in blocks]
    return list(dict.fromkeys([*(flow.path_of(node) for node in nodes), *blocks])) or [value.name]


def _class(flow: Flow, value: fx.Node, makers: Sequence[fx.Node], place: Place) -> str:
    """The dropout for a value: of channels where convolutions make them and nothing has flattened them."""
    _, passed = behind(flow, value, WEIGHTS)
    convolution = flow.module_of(makers[0]) if makers else flow.module_of(value)
    if place.flattened or Kind.FLATTENING in passed or not isinstance(convolution, _ConvNd):
        return "Dropout"
    return f"Dropout{len(convolution.kernel_size)}d"
