"""Dropout of what comes into a model."""

from collections.abc import Iterator

from dropnorm.surgery.edits import Insert, NewLayer, SetRate
from dropnorm.surgery.modules.placing import place_dropout
from dropnorm.surgery.modules.reading import Reading
from dropnorm.surgery.notes import Note
from dropnorm.surgery.rules import judge_input
from dropnorm.surgery.ways import users


def input_dropouts(reading: Reading, rate: float) -> Iterator[Insert | SetRate | Note]:
    """Dropout of the model's inputs, of single values whatever their shape."""
    if not reading.trace.whole:
        yield Note("", "no input dropout: its forward cannot be traced. Put a Dropout into it where x comes in.")
        return
    flow = reading.trace.flows[0]
    for node in flow.graph.nodes:
        if node.op != "placeholder" or not users(flow, node):
            continue
        there, reason = judge_input(flow, node)
        modules = [flow.path_of(each) for each in there if each.op == "call_module"]
        if modules:
            yield from (SetRate(path, rate) for path in modules if reading.module(path).p != rate)
        elif reason:
            yield Note(node.name, reason)
        else:
            places = place_dropout(reading, flow, node)
            yield from (Insert(place.path, place.after, place.flat, NewLayer("Dropout", rate)) for place in places)
            if not places:
                yield Note(node.name, "no input dropout: no layer takes it alone. Put a Dropout into the forward.")
