"""The variance shift of dropout at a batch norm: how much less its inputs vary in inference than with dropout on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dropnorm.surgery.audit.places import function_dropout, only_input
from dropnorm.surgery.modules.operations import Kind, kind_of
from dropnorm.surgery.modules.trace import Flow
from dropnorm.surgery.moments import Moments

_CONVOLUTIONS = {nn.Conv1d: F.conv1d, nn.Conv2d: F.conv2d, nn.Conv3d: F.conv3d}


@dataclass
class Squares:
    """The mean square of each unit, (features) or (channels, *)."""

    total: Tensor | None = None
    rows: int = 0

    def add(self, x: Tensor) -> None:
        """Join a batch, if its rows have the shape of those before."""
        sums = x.detach().double().square().sum(0)
        if self.total is None or self.total.shape == sums.shape:
            self.total = sums if self.total is None else self.total + sums
            self.rows += len(x)

    @property
    def mean(self) -> Tensor | None:
        """None of no rows."""
        return None if self.total is None else self.total / max(1, self.rows)


@dataclass(frozen=True)
class Shift:
    """Variance in inference over variance with dropout on, of each channel of a batch norm's inputs.

    Args:        measured: with all dropout of the model on; predicted: of the dropout right before, or before the layer before;
                 None where there is none, or where it drops channels.
    """

    path: str
    measured: Tensor
    predicted: Tensor | None


def shifts(
    flow: Flow, squares: Mapping[str, Squares], quiet: Mapping[str, Moments], noisy: Mapping[str, Moments]
) -> Iterator[Shift]:
    """Of every batch norm that both modes have reached."""
    for node in flow.graph.nodes:
        norm, path = flow.module_of(node), str(node.target)
        if isinstance(norm, _BatchNorm) and path in quiet and path in noisy and quiet[path].count > 1:
            yield shift_of(path, quiet[path].var, noisy[path].var, _added_variance(flow, node, squares))


def shift_of(path: str, quiet: Tensor, noisy: Tensor, added: Tensor | None) -> Shift:
    """The shift of the batch norm at this path, from the variances of both modes and what dropout is predicted to add."""
    fits = added is not None and added.shape == quiet.shape
    predicted = (quiet / (quiet + added)).nan_to_num(1.0) if fits and added is not None else None
    # Of a constant nothing is shifted.
    measured = torch.where(noisy > 0, quiet / noisy.clamp(min=torch.finfo(torch.float64).tiny), 1.0)
    return Shift(path, measured, predicted)


def _added_variance(flow: Flow, norm: fx.Node, squares: Mapping[str, Squares]) -> Tensor | None:
    """What dropout adds to the variance of each channel: p / (1 - p) times the sum of w^2 E[x^2] over the units it mixes.

    For one unit and w = 1 this gives Li et al.'s ratio v / ((c^2 + v) / (1 - p) - c^2), since E[x^2] = c^2 + v.
    """
    before = only_input(flow, norm)
    layer = None if before is None else flow.module_of(before)
    if before is not None and kind_of(flow, before) is Kind.WEIGHT:
        before = only_input(flow, before)
    else:
        layer = None
    flattened = False
    while before is not None and kind_of(flow, before) in (Kind.FLATTENING, Kind.IDENTITY):
        flattened |= kind_of(flow, before) is Kind.FLATTENING
        before = only_input(flow, before)
    if before is None or before.name not in squares or (mean := squares[before.name].mean) is None:
        return None
    module = flow.module_of(before)
    if module is None:
        p = function_dropout(before)[0]
    elif isinstance(module, nn.Dropout):
        p = float(module.p)
    else:
        return None
    if p >= 1.0:
        return None
    if flattened:
        mean = mean.flatten()
    spread = mean * (p / (1.0 - p))
    if layer is not None:
        mixed = _mixed(layer, spread)
        if mixed is None:
            return None
        spread = mixed
    return spread.flatten(1).mean(1).cpu() if spread.ndim > 1 else spread.cpu()


def _mixed(layer: nn.Module, variance: Tensor) -> Tensor | None:
    """The variance of a layer's outputs whose inputs are independent."""
    if isinstance(layer, nn.Linear) and variance.shape == (layer.in_features,):
        return F.linear(variance, layer.weight.detach().double().square())
    for kind, convolve in _CONVOLUTIONS.items():
        if isinstance(layer, kind) and layer.padding_mode == "zeros" and variance.ndim == len(layer.kernel_size) + 1:
            weight = layer.weight.detach().double().square()
            return convolve(
                variance.unsqueeze(0), weight, None, layer.stride, layer.padding, layer.dilation, layer.groups
            )[0]
    return None
