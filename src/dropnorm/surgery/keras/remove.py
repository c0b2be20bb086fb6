"""Dropout and batch norm taken out of a Keras model."""

from collections.abc import Iterator
from typing import Any

import keras

from dropnorm.surgery.edits import Edit, Remove, ReturnBias, SetRate
from dropnorm.surgery.keras.graph import Graph
from dropnorm.surgery.keras.plan import make_plan
from dropnorm.surgery.keras.reading import has_rate, is_fused, left_alone, producer, read
from dropnorm.surgery.keras.weights import obstacle
from dropnorm.surgery.kinds import Kind
from dropnorm.surgery.notes import Note
from dropnorm.surgery.plan import Plan


def remove_from_keras(model: Any, dropout: bool, batch_norm: bool, sample: Any) -> Plan:
    """The plan of `dn.remove` for a functional or Sequential model."""
    graph = read(model)
    decided: list[Edit | Note] = [*left_alone(graph)]
    for path, layer in graph.layers.items():
        if batch_norm and isinstance(layer, keras.layers.BatchNormalization):
            decided.append(Remove(path, flat=True, keep_dropout=not dropout))
            decided += _biases(graph, layer, path)
        elif dropout and is_fused(layer):
            decided.append(SetRate(path, 0.0))
        elif dropout and has_rate(layer):
            decided.append(Remove(path, flat=True))
    return make_plan(graph, decided, None if batch_norm else sample)


def _biases(graph: Graph, norm: Any, path: str) -> Iterator[ReturnBias | Note]:
    """The layer before a batch norm gets a bias if it has none, since the batch norm had one."""
    for operation in graph.operations:
        if operation.layer is not norm:
            continue
        before = producer(operation)
        if before.kind is not Kind.WEIGHT or getattr(before.layer, "use_bias", True):
            continue
        if reason := obstacle(before.layer):
            yield Note(path, f"removed, but {before.path} stays without bias: {reason}")
        else:
            yield ReturnBias(before.path, path)
