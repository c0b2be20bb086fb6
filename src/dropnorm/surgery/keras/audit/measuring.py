"""What a Keras model does with data, measured: in inference, with its dropout on, and as in training."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import torch

from dropnorm.errors import SurgeryError
from dropnorm.surgery.audit.measuring import MASKS, NO_BATCHES, Behaviour, Units, compared
from dropnorm.surgery.keras.audit.shift import shifts
from dropnorm.surgery.keras.audit.watching import Seen, as_tensor, watched
from dropnorm.surgery.keras.batches import inputs_of
from dropnorm.surgery.keras.graph import Graph
from dropnorm.surgery.keras.restoring import restored
from dropnorm.surgery.modules.observe import described


def look_at(model: Any, layers: Mapping[str, Any], x: Any) -> Seen:
    """What layers do in training mode, and which of them are in training mode when the model runs in inference mode.

    Raises:      SurgeryError for what the model does not take.
    """
    calm, seen = Seen(), Seen()
    with restored(model), torch.no_grad():
        with watched(layers, calm):
            _run(model, x, "batch", training=False)
        with watched(layers, seen):
            _run(model, x, "batch", training=True)
    seen.training = calm.training
    return seen


def measure(model: Any, layers: Mapping[str, Any], graph: Graph | None, loader: Iterable[Any]) -> Behaviour:
    """Run the model on the first rows of the loader; afterwards it is as it was."""
    calm, noisy = Seen(), Seen()

    def mean(x: Any, training: bool) -> torch.Tensor:
        return torch.stack([_run(model, x, "loader", training) for _ in range(MASKS)]).mean(0)

    def outputs() -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        for batch in loader:
            x = inputs_of(model, batch)
            with watched(layers, calm):
                quiet = _run(model, x, "loader", training=False)
            with watched(layers, noisy, dropping=True):
                dropped = mean(x, training=False)
            with restored(model):
                whole = mean(x, training=True)
            yield quiet, whole, dropped

    with restored(model), torch.no_grad():
        found = compared(outputs())
    if not found.rows:
        raise SurgeryError(NO_BATCHES)
    found.units = [Units(path, alive) for path, alive in calm.alive.items()]
    found.shifts = list(shifts(graph, calm.squares, calm.moments, noisy.moments))
    return found


def _run(model: Any, x: Any, argument: str, training: bool) -> torch.Tensor:
    """The outputs (rows, *) of one run, the first of them if there are several."""
    try:
        outputs = model(x, training=training)
    except Exception as error:
        raise SurgeryError(
            f"{argument}={described(x)} cannot be given to {type(model).__name__} ({type(error).__name__}: {error}): expected "
            f"what the model takes: an array, or a list or dictionary of several; in a tuple the inputs come first."
        ) from error
    flat = as_tensor(keras.tree.flatten(outputs)[0]).double()
    return flat.flatten(1) if flat.ndim > 1 else flat.reshape(-1, 1)
