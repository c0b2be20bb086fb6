"""Which Keras layers get a batch norm: those that an activation follows, and that are not normalized yet."""

from collections.abc import Iterator

from dropnorm.surgery.edits import Insert, NewLayer
from dropnorm.surgery.keras.graph import Graph, Operation
from dropnorm.surgery.keras.reading import is_layer
from dropnorm.surgery.keras.weights import obstacle, outputs_of
from dropnorm.surgery.kinds import Kind
from dropnorm.surgery.notes import Note
from dropnorm.surgery.rules import OTHER_NORM, SELF_NORMALIZING, is_self_normalizing, norm_of, wants_norm
from dropnorm.surgery.ways import is_last


def batch_norms(graph: Graph) -> Iterator[Insert | Note]:
    """A batch norm for each layer that should have one, or a note why it has none."""
    other = [each.path for each in graph.operations if each.kind is Kind.OTHER_NORM]
    if other:
        yield Note("", OTHER_NORM.format(other[0]))
        return
    for operation in graph.operations:
        if not is_layer(operation) or operation.kind is not Kind.WEIGHT or is_last(graph, operation):
            continue
        if there := norm_of(graph, operation):
            yield Note(there[0].path, there[1])
        elif wants_norm(graph, operation):
            reason = _refusal(graph, operation)
            yield Note(operation.path, f"no batch norm: {reason}") if reason else _insert(operation)


def _refusal(graph: Graph, operation: Operation) -> str:
    """Why a layer cannot have a batch norm, or nothing."""
    if is_self_normalizing(graph, operation):
        return SELF_NORMALIZING
    if graph.calls(operation.layer) > 1:
        return "it is called more than once in a forward pass, and each use has statistics of its own."
    return obstacle(operation.layer)


def _insert(operation: Operation) -> Insert:
    layer = operation.layer
    new = NewLayer("BatchNormalization", outputs_of(layer))
    return Insert(operation.path, True, True, new, like=operation.path, takes_bias=layer.use_bias)
