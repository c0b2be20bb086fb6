"""What the outputs of a Keras model are: logits or probabilities, as its last activation and its loss have it."""

from typing import Any

import keras

from dropnorm.errors import ArgumentError
from dropnorm.surgery.outcomes import Outcomes, classes, labels

PROBABILITIES = ("softmax", "sigmoid")
_PASSING = (keras.layers.Reshape, keras.layers.Flatten, keras.layers.Identity, keras.layers.Permute)


def activation_of_outputs(model: keras.Model) -> str | None:
    """The name of the activation that a model's only output comes from, "linear" where it has none; None if it is not known."""
    outputs = getattr(model, "outputs", None) or []
    return activation_of(outputs[0])[0] if len(outputs) == 1 and hasattr(outputs[0], "_keras_history") else None


def activation_of(tensor: Any) -> tuple[str | None, Any]:
    """The same of one symbolic tensor, and the tensor that comes out of the activation, before what only passes it on."""
    operation, number, index = tensor._keras_history
    if isinstance(operation, keras.Model):
        outputs = getattr(operation, "outputs", None) or []
        return activation_of(outputs[index]) if index < len(outputs) else (None, tensor)
    if isinstance(operation, keras.layers.TimeDistributed):
        operation = operation.layer
    name = name_of_activation(operation)
    if name not in (None, "linear"):
        return name, tensor
    if name == "linear" and isinstance(operation, (*_PASSING, keras.layers.Activation)):
        return activation_of(operation._inbound_nodes[number].input_tensors[0])
    return (name if isinstance(operation, keras.layers.Layer) and hasattr(operation, "kernel") else None), tensor


def name_of_activation(operation: Any) -> str | None:
    """The activation that a layer ends with, or an operation is, by its name; "linear" of a layer that has none."""
    if isinstance(operation, keras.layers.Softmax):
        return "softmax"
    if not isinstance(operation, keras.layers.Layer):
        return type(operation).__name__.lower()
    activation = getattr(operation, "activation", None)
    return "linear" if activation is None else getattr(activation, "__name__", None)


def loss_from_logits(loss: Any) -> bool | None:
    """Whether a loss takes logits; None for one that takes no classes, or of which it is not known."""
    loss = _loss(loss)
    given = loss.get_config().get("from_logits") if isinstance(loss, keras.Loss) else None
    return None if given is None else bool(given)


def name_of_loss(loss: Any) -> str:
    """A loss as it may be called in a sentence."""
    return loss if isinstance(loss, str) else getattr(loss, "__name__", None) or type(loss).__name__


def is_binary(loss: Any) -> bool:
    """Whether a loss takes each output for a label of its own."""
    return type(_loss(loss)).__name__ in ("BinaryCrossentropy", "BinaryFocalCrossentropy")


def _loss(loss: Any) -> Any:
    """The one loss of a compiled model as an object, if it can be made one."""
    if isinstance(loss, list | tuple | dict):
        losses = list(loss.values() if isinstance(loss, dict) else loss)
        loss = losses[0] if len(losses) == 1 else None
    if callable(loss) and not isinstance(loss, keras.Loss):
        loss = getattr(loss, "__name__", None)
    if not isinstance(loss, str):
        return loss
    name = loss if loss[:1].isupper() else "".join(part.capitalize() for part in loss.split("_"))
    kind = getattr(keras.losses, name, None)
    return kind() if isinstance(kind, type) and issubclass(kind, keras.Loss) else None


def outcomes_of(model: keras.Model, from_logits: bool | None) -> Outcomes:
    """What the outputs of a classifier stand for.

    Raises:      ArgumentError where neither the model nor `from_logits` says whether they are logits, or they disagree.
    """
    activation, loss = activation_of_outputs(model), getattr(model, "loss", None)
    by_activation = {"softmax": False, "sigmoid": False, "linear": True}.get(activation or "")
    by_loss = loss_from_logits(loss)
    known = by_loss if by_activation is None else by_activation
    logits = known if from_logits is None else from_logits
    if logits is None:
        raise ArgumentError(
            f"from_logits=None, and {type(model).__name__} does not tell what its outputs are: expected True for logits or "
            f"False for probabilities. Give it."
        )
    disagrees = logits is not by_activation or (from_logits is None and by_loss not in (None, by_activation))
    if by_activation is not None and disagrees:
        wrong = f"from_logits={from_logits}" if logits is not by_activation else f"the loss with from_logits={by_loss}"
        raise ArgumentError(
            f"{wrong} does not fit outputs of the activation {activation!r}: expected from_logits={by_activation}. "
            f"Mend the loss or the activation, or give from_logits."
        )
    if activation == "sigmoid" or (activation != "softmax" and is_binary(loss)):
        return labels(logits)
    return classes(-1, logits)
