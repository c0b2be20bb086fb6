"""Dropout of what comes into a model."""

from collections.abc import Iterator

from dropnorm.surgery.edits import Insert, NewLayer, SetRate
from dropnorm.surgery.operations import Kind, kind_of
from dropnorm.surgery.placing import place_dropout
from dropnorm.surgery.reading import Note, Reading
from dropnorm.surgery.ways import WEIGHTS, ahead, kinds, users


def input_dropouts(reading: Reading, rate: float) -> Iterator[Insert | SetRate | Note]:
    """Dropout of the model's inputs, of single values whatever their shape."""
    if not reading.trace.whole:
        yield Note("", "no input dropout: its forward cannot be traced. Put a Dropout into it where x comes in.")
        return
    flow = reading.trace.flows[0]
    for node in flow.graph.nodes:
        if node.op != "placeholder" or not users(flow, node):
            continue
        first = ahead(flow, node, WEIGHTS | {Kind.EMBEDDING, Kind.DROPOUT})[0]
        there = [each for each in first if kind_of(flow, each) is Kind.DROPOUT and each.op == "call_module"]
        if there:
            paths = [flow.path_of(each) for each in there]
            yield from (SetRate(path, rate) for path in paths if reading.module(path).p != rate)
        elif Kind.EMBEDDING in kinds(flow, first):
            yield Note(node.name, "no input dropout: it is embedded, and indices cannot be dropped.")
        else:
            places = place_dropout(reading, flow, node)
            yield from (Insert(place.path, place.after, place.flat, NewLayer("Dropout", rate)) for place in places)
            if not places:
                yield Note(node.name, "no input dropout: no layer takes it alone. Put a Dropout into the forward.")
