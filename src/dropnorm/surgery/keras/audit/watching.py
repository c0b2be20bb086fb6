"""What goes on in a Keras model while it runs, layer by layer, whatever its call is like."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import torch

from dropnorm.keras import _backend
from dropnorm.surgery.audit.shift import Squares
from dropnorm.surgery.keras.calls import replaced_call
from dropnorm.surgery.keras.layers import drops_by_itself, noise_shape, rate_of
from dropnorm.surgery.keras.reading import has_rate, is_fused
from dropnorm.surgery.modules.recording import BatchSeen
from dropnorm.surgery.moments import Moments

Tensor = Any


@dataclass(frozen=True)
class TrainingCall:
    """A layer that was called in training mode."""

    path: str
    layer: Any


@dataclass
class Seen:
    """What the runs in one mode have shown: of each call of a batch norm, of dropouts' inputs, of ReLUs' outputs."""

    batches: list[BatchSeen] = field(default_factory=list)
    training: list[TrainingCall] = field(default_factory=list)
    moments: dict[str, Moments] = field(default_factory=dict)
    squares: dict[str, Squares] = field(default_factory=dict)
    alive: dict[str, torch.Tensor] = field(default_factory=dict)

    def gather(self, batch: BatchSeen) -> None:
        """Keep what came to a batch norm."""
        self.batches.append(batch)
        self.moments.setdefault(batch.path, Moments()).add(batch.count, batch.mean, batch.var)


@contextmanager
def watched(layers: Mapping[str, Any], seen: Seen, dropping: bool = False) -> Iterator[None]:
    """Gather what these layers do; with `dropping` what drops is on, whatever the mode of the model."""
    with ExitStack() as stack:
        for path, layer in layers.items():
            watch = _watch_of(path, layer, seen)
            is_noise = has_rate(layer) or drops_by_itself(layer) or _recurs(layer)
            drop = _dropping(layer) if dropping and is_noise else None
            if watch is not None or drop is not None:
                stack.enter_context(replaced_call(layer, _watching(layer.call, watch, drop)))
        yield


def is_relu(layer: Any) -> bool:
    """Whether units of zero come out of it: a ReLU as a layer, as a layer's activation, or as an operation."""
    if isinstance(layer, keras.layers.ReLU):
        return not layer.negative_slope
    is_operation = not isinstance(layer, keras.layers.Layer) and type(layer).__name__ == "Relu"
    return is_operation or getattr(layer, "activation", None) is keras.activations.relu


def _watching(
    call: Callable[..., Tensor], watch: Callable[..., None] | None, drop: Callable[..., Tensor] | None
) -> Callable[..., Tensor]:
    def watching(*arguments: Any, **named: Any) -> Tensor:
        outputs = call(*arguments, **named) if drop is None else drop(call, *arguments, **named)
        if watch is not None and arguments and keras.ops.is_tensor(arguments[0]):
            watch(arguments[0], outputs, bool(named.get("training")))
        return outputs

    return watching


def _dropping(layer: Any) -> Callable[..., Tensor]:
    def drop(call: Callable[..., Tensor], *arguments: Any, **named: Any) -> Tensor:
        if not is_fused(layer):
            return call(*arguments, **{**named, "training": True})
        # Its own mode is that of its batch norm, too.
        y = call(*arguments, **{**named, "training": False})
        return _backend.dropout(y, rate_of(layer), layer.seed_generator, noise_shape(layer, y)) if layer.rate else y

    return drop


def _recurs(layer: Any) -> bool:
    """Whether it hands the mode on to cells that drop."""
    return isinstance(layer, keras.layers.RNN) and any(
        getattr(layer, name, 0.0) for name in ("dropout", "recurrent_dropout")
    )


def _watch_of(path: str, layer: Any, seen: Seen) -> Callable[[Tensor, Tensor, bool], None] | None:
    is_norm = isinstance(layer, keras.layers.BatchNormalization)
    drops, relu = has_rate(layer), is_relu(layer)
    if not (is_norm or drops or relu):
        return None

    def watch(x: Tensor, outputs: Tensor, training: bool) -> None:
        if training:
            seen.training.append(TrainingCall(path, layer))
        if is_norm:
            seen.gather(_batch(path, layer, x, training))
        elif drops and len(x.shape) > 1:
            seen.squares.setdefault(path, Squares()).add(as_tensor(x))
        if relu and keras.ops.is_tensor(outputs) and len(outputs.shape) > 1:
            first = getattr(layer, "data_format", "channels_last") == "channels_first"
            above = (as_tensor(outputs) > 0).movedim(1 if first else -1, 0).flatten(1).any(1)
            before = seen.alive.get(path, above)
            if before.shape == above.shape:
                seen.alive[path] = before | above

    return watch


def _batch(path: str, norm: Any, x: Tensor, training: bool) -> BatchSeen:
    values = as_tensor(x)
    channels = values.movedim(norm.axis, 0).flatten(1) if isinstance(norm.axis, int) else values.flatten()[None]
    count = channels.shape[1]
    var, mean = torch.var_mean(channels, 1, correction=0) if count else (torch.empty(0), torch.empty(0))
    by_batch = training and bool(norm.trainable)
    return BatchSeen(path, len(values), count, mean.double(), var.double(), by_batch, recomputed=False)


def as_tensor(x: Tensor) -> torch.Tensor:
    """Values of any backend, of at least float32."""
    values = torch.from_numpy(np.array(keras.ops.convert_to_numpy(x)))
    return values if values.dtype in (torch.float32, torch.float64) else values.float()
