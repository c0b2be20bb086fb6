"""What a Keras model's dropout adds to the variance at a batch norm; see `dropnorm.surgery.audit.shift`."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import torch

from dropnorm.surgery.audit.places import only_input
from dropnorm.surgery.audit.shift import Shift, Squares, shift_of
from dropnorm.surgery.keras.audit.watching import as_tensor
from dropnorm.surgery.keras.graph import Graph, Operation
from dropnorm.surgery.keras.layers import CHANNELWISE, rate_of
from dropnorm.surgery.keras.operations import CONVOLUTIONS
from dropnorm.surgery.kinds import Kind
from dropnorm.surgery.moments import Moments


def shifts(
    graph: Graph | None, squares: Mapping[str, Squares], quiet: Mapping[str, Moments], noisy: Mapping[str, Moments]
) -> Iterator[Shift]:
    """Of every batch norm that both modes have reached; predicted where the graph is known."""
    norms = {each.path: each for each in graph.operations if each.kind is Kind.BATCH_NORM} if graph is not None else {}
    for path in quiet:
        if path in noisy and quiet[path].count > 1:
            added = _added_variance(graph, norms[path], squares) if graph is not None and path in norms else None
            yield shift_of(path, quiet[path].var, noisy[path].var, added)


def _added_variance(graph: Graph, norm: Operation, squares: Mapping[str, Squares]) -> torch.Tensor | None:
    before, layer = only_input(graph, norm), None
    if before is not None and before.kind is Kind.WEIGHT:
        layer = before.layer
        before = only_input(graph, before)
    flattened = False
    while before is not None and before.kind in (Kind.FLATTENING, Kind.IDENTITY):
        flattened |= before.kind is Kind.FLATTENING
        before = only_input(graph, before)
    if before is None or before.path not in squares or (mean := squares[before.path].mean) is None:
        return None
    dropout = before.layer
    is_of_units = isinstance(dropout, keras.layers.Dropout) and not isinstance(dropout, CHANNELWISE)
    if not is_of_units or dropout.noise_shape is not None or rate_of(dropout) >= 1.0:
        return None
    spread: torch.Tensor | None = (mean.flatten() if flattened else mean) * (
        rate_of(dropout) / (1.0 - rate_of(dropout))
    )
    if layer is not None and spread is not None:
        spread = _mixed(layer, spread)
    if spread is None or norm.layer.axis not in (-1, spread.ndim):
        return None
    return spread.flatten(0, -2).mean(0) if spread.ndim > 1 else spread


def _mixed(layer: Any, variance: torch.Tensor) -> torch.Tensor | None:
    """The variance of a layer's outputs whose inputs are independent."""
    if not isinstance(layer, (keras.layers.Dense, *CONVOLUTIONS)):
        return None
    weights = as_tensor(layer.kernel).double().square()
    if isinstance(layer, keras.layers.Dense):
        return variance @ weights if variance.shape == weights.shape[:1] else None
    if layer.data_format == "channels_first" or layer.padding == "causal" or variance.ndim != weights.ndim - 1:
        return None
    mixed = keras.ops.conv(
        keras.ops.convert_to_tensor(variance[None].float().numpy()),
        keras.ops.convert_to_tensor(weights.float().numpy()),
        layer.strides,
        layer.padding,
        layer.data_format,
        layer.dilation_rate,
    )
    return as_tensor(mixed)[0].double()
