"""Where the dropouts of a Keras model go, by the rules of all frameworks: right behind what makes a value."""

from collections.abc import Iterator
from typing import Any

from dropnorm.surgery.choices import Places, Where
from dropnorm.surgery.edits import Insert, NewLayer, SetRate
from dropnorm.surgery.keras.graph import Graph, Operation
from dropnorm.surgery.keras.operations import CONVOLUTIONAL
from dropnorm.surgery.keras.reading import has_rate, is_fused
from dropnorm.surgery.kinds import Kind
from dropnorm.surgery.notes import Note
from dropnorm.surgery.rules import droppable, expects_dropout, judge_dropout, judge_input, refusal, sources
from dropnorm.surgery.ways import WEIGHTS, behind, users

_NO_PLACE = (
    "its model is called several times, and other calls are no places for it. Give each call a model of its own."
)


def dropouts(graph: Graph, rate: float, where: Where) -> Iterator[Insert | SetRate | Note]:
    """Dropouts to add, existing ones with the new rate, and notes on places that get none."""
    places = Places(where, "/")
    for path, layer in graph.layers.items():
        if _drops_branches(layer):
            yield Note(path, f"rate {layer.rate:g} is kept: it drops whole branches (stochastic depth).")
        elif has_rate(layer) and path == graph.paths[layer][0]:
            at = [(graph, each) for each in graph.operations if each.layer is layer]
            changes, told = judge_dropout(places, path, layer.rate, rate, at)
            if changes:
                yield SetRate(path, rate)
            if told:
                yield Note(path, told)
    found: list[Operation] = []
    for value in dict.fromkeys(droppable(graph, graph.operations, where == "last")):
        if is_fused(value.layer) or not expects_dropout(graph, value):
            continue
        names = list(dict.fromkeys([value.path, *(each.path for each in sources(graph, value))]))
        if not (isinstance(where, str) or places.has(names)):
            continue
        if reason := refusal(graph, value, places):
            yield Note(names[0], f"no dropout after it: {reason}.")
        else:
            found.append(value)
    for value in found:
        # What stands in a model that is called twice stands at both of its calls.
        if set(graph.at(value.place, value.part)) <= set(found):
            yield _insert(graph, value, rate)
        else:
            yield Note(value.path, f"no dropout after it: {_NO_PLACE}")
    places.check()


def input_dropouts(graph: Graph, rate: float) -> Iterator[Insert | SetRate | Note]:
    """Dropout of the model's inputs, of single values whatever their shape."""
    for source in graph.operations:
        if source.kind is not Kind.SOURCE or not users(graph, source):
            continue
        there, reason = judge_input(graph, source)
        dtype = getattr(source.layer, "dtype", "float32")
        if there:
            yield from (SetRate(each.path, rate) for each in there if each.layer.rate != rate)
        elif reason or "float" not in dtype:
            yield Note(source.path, reason or f"no input dropout: its values are {dtype}, and cannot be dropped from.")
        else:
            yield Insert(source.path, True, True, NewLayer("Dropout", rate))


def _drops_branches(layer: Any) -> bool:
    """Whether all values of a sample are dropped together, as by those that stand before the sum of a skip connection."""
    shape = getattr(layer, "noise_shape", None)
    return shape is not None and len(shape) > 1 and all(length == 1 for length in shape[1:])


def _insert(graph: Graph, value: Operation, rate: float) -> Insert:
    """Dropout of channels where convolutions make a value and nothing has flattened it, of single units elsewhere."""
    passed = behind(graph, value, WEIGHTS)[1]
    maker = next(iter(sources(graph, value)), value)
    name = "Dropout"
    if isinstance(maker.layer, CONVOLUTIONAL) and Kind.FLATTENING not in passed:
        name = f"SpatialDropout{len(maker.layer.kernel_size)}D"
    return Insert(value.path, True, True, NewLayer(name, rate), like=maker.path, call=value.call)
