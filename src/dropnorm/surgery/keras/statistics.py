"""The moving statistics of a Keras model: measured of what comes to its batch norms, and moved."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor

from dropnorm.errors import SurgeryError
from dropnorm.surgery.keras.batches import batches_of, inputs_of
from dropnorm.surgery.keras.calls import replaced_call
from dropnorm.surgery.keras.graph import is_graph, read_graph
from dropnorm.surgery.keras.paths import layers_of
from dropnorm.surgery.keras.restoring import restored
from dropnorm.surgery.moments import Moments


class KerasStatistics:
    """The batch norms of a model, by their paths. With renorm, what it keeps beside the statistics moves with them."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        layers = layers_of(model)
        norms = {path: each for path, each in layers.items() if isinstance(each, keras.layers.BatchNormalization)}
        if any(not norm.built for norm in norms.values()):
            raise SurgeryError(
                f"model={type(model).__name__} is not built, so that its batch norms have no statistics yet: expected a model "
                f"that was trained. Call it on a batch first."
            )
        self.norms: dict[str, Any] = norms

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Statistics and seeds are afterwards what they were."""
        with restored(self.model):
            yield

    def batches(self, given: Any) -> Iterable[Any]:
        """The batches, or those that a Dataset or the rows of an array make."""
        return batches_of(given, "batches")

    def measure(
        self, paths: Sequence[str], batches: Iterable[Any], levels: dict[str, int] | None = None
    ) -> tuple[dict[str, Moments], int, int]:
        """Moments of what comes to these, and how many rows and batches there are; levels, if given, are raised."""
        moments = {path: Moments() for path in paths}
        order: list[str] = []
        rows = count = 0
        with ExitStack() as stack:
            for path in paths:
                norm = self.norms[path]
                stack.enter_context(replaced_call(norm, _adds_to(moments[path], norm, path, order)))
            for batch in batches:
                inputs = inputs_of(self.model, batch)
                try:
                    self.model(inputs, training=False)
                except Exception as error:
                    raise SurgeryError(
                        f"batches cannot be given to {type(self.model).__name__} ({type(error).__name__}: "
                        f"{(str(error).splitlines() or [''])[0]}): expected what it takes, or that and labels as a tuple. All "
                        f"is as it was."
                    ) from error
                rows += len(next(iter(keras.tree.flatten(inputs)), ()))
                count += 1
        if not count:
            raise SurgeryError("batches is empty: expected what the model is trained on. Look at the data set.")
        if levels is not None:
            self._raise_levels(levels, order)
        return {path: found for path, found in moments.items() if found.count}, rows, count

    def _raise_levels(self, levels: dict[str, int], order: list[str]) -> None:
        """To how many batch norms come before each, at most: by the graph if all are in it, otherwise as they were called."""
        names = {id(norm): path for path, norm in self.norms.items()}
        operations = read_graph(self.model).operations if is_graph(self.model) else ()
        if not {id(each.layer) for each in operations} >= names.keys():
            levels.update({path: number for number, path in enumerate(dict.fromkeys(order))})
            return
        before: dict[Any, int] = {}
        for each in operations:
            before[each] = max((before[other] for other in each.all_input_nodes), default=0)
            if path := names.get(id(each.layer)):
                levels[path] = max(levels[path], before[each])
                before[each] += 1

    def move(self, path: str, moments: Moments, momentum: float) -> None:
        """Move the moving statistics towards the moments; Keras's variance is the biased one."""
        norm = self.norms[path]
        deviation = (moments.var + norm.epsilon).sqrt()
        new = {"moving_mean": moments.mean, "moving_variance": moments.var}
        if norm.renorm:
            new |= {"renorm_mean": moments.mean, "renorm_stddev": deviation, "moving_stddev": deviation}
        for name, value in new.items():
            variable = getattr(norm, name, None)
            if variable is not None:
                variable.assign(torch.lerp(_tensor(variable), value, momentum).numpy())

    def count(self, path: str, batches: int) -> None:
        """Keras's batch norms do not know how many there were."""

    def current(self, path: str) -> tuple[Tensor, Tensor]:
        """The moving mean, and the moving variance with epsilon."""
        norm = self.norms[path]
        return _tensor(norm.moving_mean), _tensor(norm.moving_variance) + norm.epsilon

    def epsilon(self, path: str) -> float:
        """What is added to the variance."""
        return float(self.norms[path].epsilon)


def _adds_to(moments: Moments, norm: Any, path: str, order: list[str]) -> Callable[..., Any]:
    inference = norm.call

    def call(inputs: Any, **named: Any) -> Any:
        values = np.moveaxis(_tensor(inputs).numpy(), norm.axis, -1)
        mask = named.get("mask")
        counted = values.reshape(-1, values.shape[-1]) if mask is None else values[_array(mask).astype(bool)]
        moments.add_values(torch.from_numpy(np.ascontiguousarray(counted)))
        order.append(path)
        return inference(inputs, **named)

    return call


def _tensor(values: Any) -> Tensor:
    """Values of the backend in float64, on the host."""
    wide = values if keras.backend.standardize_dtype(values.dtype) == "float64" else keras.ops.cast(values, "float32")
    return torch.from_numpy(np.array(_array(wide))).double()


def _array(values: Any) -> np.ndarray:
    array: np.ndarray = keras.ops.convert_to_numpy(values)
    return array
