"""A Keras model taken for surgery: refused where it is not what can be rewritten, and read."""

from typing import Any

import keras

from dropnorm.errors import ArgumentTypeError, SurgeryError
from dropnorm.keras import BatchNormActDropout
from dropnorm.surgery.keras.graph import Graph, Operation, is_graph, read_graph
from dropnorm.surgery.keras.operations import DROPOUTS
from dropnorm.surgery.kinds import Kind
from dropnorm.surgery.notes import Note

_RECURRENT = (keras.layers.RNN, keras.layers.Bidirectional)


def read(model: Any) -> Graph:
    """The graph of a model.

    Raises:      ArgumentTypeError for a layer; SurgeryError for a model with a forward pass of its own.
    """
    if not isinstance(model, keras.Model):
        raise ArgumentTypeError(
            f"model={type(model).__name__} is a layer of Keras, and no model: expected a functional or Sequential model. Put "
            f"the layer into a keras.Sequential."
        )
    if not is_graph(model):
        raise SurgeryError(
            f"model={type(model).__name__} is of a class with a call or constructor of its own, which cannot be followed: "
            f"expected a functional or Sequential model. If it was made of inputs and outputs, give "
            f"keras.Model(model.inputs, model.outputs); otherwise make it of Keras's functional API."
        )
    if isinstance(model, keras.Sequential) and not model.layers:
        raise SurgeryError("model=Sequential has no layers: expected at least one. Add layers first.")
    return read_graph(model)


def is_fused(layer: Any) -> bool:
    """Whether a layer is batch norm, activation and dropout at once."""
    return isinstance(layer, BatchNormActDropout)


def has_rate(layer: Any) -> bool:
    """Whether a layer drops units at a `rate`."""
    return isinstance(layer, DROPOUTS) or is_fused(layer)


def always_trains(operation: Operation) -> bool:
    """Whether a layer is told to work as in training whatever the model does, as for Monte Carlo dropout."""
    return operation.arguments.get("training") is True


def left_alone(graph: Graph) -> list[Note]:
    """What is not looked into, since it is called as a whole, and dropout that is an argument of layers."""
    notes = []
    for path, layer in graph.layers.items():
        name, rates = type(layer).__name__, _rates(layer)
        if rates:
            told = ", ".join(f"{argument}={rate:g}" for argument, rate in rates.items())
            notes.append(Note(path, f"left alone: {name} drops on its own ({told})."))
        elif _is_opaque(layer) and not isinstance(layer, _RECURRENT):
            inner = [each for each in layer._flatten_layers(include_self=False) if _is_ours(each)]
            if inner:
                notes.append(
                    Note(path, f"left alone: {name} is called as a whole, with {type(inner[0]).__name__} in it.")
                )
    return notes


def _is_opaque(layer: Any) -> bool:
    return any(True for _ in layer._flatten_layers(include_self=False))


def _is_ours(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization) or (has_rate(layer) and layer.rate > 0)


def _rates(layer: Any) -> dict[str, float]:
    """The rates that recurrent and attention layers have as arguments."""
    if has_rate(layer):
        return {}
    inner = layer.forward_layer if isinstance(layer, keras.layers.Bidirectional) else layer
    names = "dropout", "recurrent_dropout"
    rates = {name: getattr(inner, name, None) for name in names}
    return {name: rate for name, rate in rates.items() if isinstance(rate, int | float) and rate}


def producer(operation: Operation) -> Operation:
    """What a layer's input comes from."""
    return operation.all_input_nodes[0]


def is_layer(operation: Operation) -> bool:
    """Whether an operation is a call of a layer, and no function or output."""
    return isinstance(operation.layer, keras.layers.Layer) and operation.kind is not Kind.SOURCE
