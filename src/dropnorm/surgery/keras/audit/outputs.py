"""Rules on whether a model's last activation and its loss mean the same."""

from collections.abc import Iterator

from dropnorm.surgery.audit.registry import Seen
from dropnorm.surgery.keras.audit.examination import Examination
from dropnorm.surgery.keras.audit.registry import new_rule, rule
from dropnorm.surgery.keras.outputs import activation_of, loss_from_logits, name_of_loss

_OF_HIDDEN_LAYERS = (
    "linear",
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "tanh",
    "softplus",
    "softsign",
)
_SOURCE = "the documentation of keras.losses.SparseCategoricalCrossentropy, from_logits"


@rule(
    "DN105",
    severity="error",
    traced=False,
    seen="the outputs are probabilities, by a {activation}, and the loss {loss} takes logits",
    why="The loss has the activation in it: with two of them gradients are small, and the loss of ten classes never falls "
    "below 1.46.",
    source=_SOURCE,
    fix="Take the activation out of the last layer, which is also more accurate; or use from_logits=False.",
)
def probabilities_for_logits(examination: Examination) -> Seen:
    """As the model is compiled."""
    for path, activation, loss in _compiled(examination):
        if activation in ("softmax", "sigmoid") and loss_from_logits(loss) is True:
            yield path, {"activation": activation, "loss": name_of_loss(loss)}


@new_rule(
    "DN109",
    name="logits for a loss of probabilities",
    severity="error",
    seen="the outputs come from {activation} activation, and the loss {loss} takes probabilities",
    why="What is no probability is cut off to the range from 0 to 1, where the gradient is zero: most of it is never learned.",
    source=_SOURCE,
    fix="Give the loss from_logits=True, such as SparseCategoricalCrossentropy(from_logits=True); or put a softmax (of one "
    "output a sigmoid) at the end.",
)
def logits_for_probabilities(examination: Examination) -> Seen:
    """As the model is compiled; from_logits=False is the default, also of a loss that is given by its name."""
    for path, activation, loss in _compiled(examination):
        if activation in _OF_HIDDEN_LAYERS and loss_from_logits(loss) is False:
            told = "no" if activation == "linear" else f"a {activation}"
            yield path, {"activation": told, "loss": name_of_loss(loss)}


@new_rule(
    "DN110",
    name="softmax of a single output",
    severity="error",
    seen="the softmax is over a single output, which is always 1",
    why="A softmax divides by the sum of all outputs: of one it leaves 1, whatever the weights. Nothing is learned.",
    source="the documentation of keras.activations.softmax",
    fix='Use Dense(1, activation="sigmoid") with binary cross-entropy, or Dense(2, activation="softmax").',
)
def softmax_of_one(examination: Examination) -> Seen:
    """Compiled or not."""
    for tensor in getattr(examination.model, "outputs", None) or []:
        name, activated = activation_of(tensor)
        if name == "softmax" and len(activated.shape) and activated.shape[-1] == 1:
            yield _path(tensor), {}


def _compiled(examination: Examination) -> Iterator[tuple[str, str | None, object]]:
    """Each output's layer, activation and loss."""
    model, losses = examination.model, examination.loss
    outputs = getattr(model, "outputs", None) or []
    if isinstance(losses, dict):
        pairs = [(tensor, losses.get(name)) for name, tensor in zip(model.output_names, outputs, strict=True)]
    elif isinstance(losses, list | tuple):
        pairs = list(zip(outputs, losses, strict=False))
    else:
        pairs = [(tensor, losses) for tensor in outputs]
    for tensor, loss in pairs:
        yield _path(tensor), activation_of(tensor)[0], loss


def _path(tensor: object) -> str:
    name: str = tensor._keras_history.operation.name  # type: ignore[attr-defined] # of a symbolic tensor
    return name
