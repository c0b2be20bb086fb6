"""Whole training steps of many dense nets as one native call, in which each net is one thread's from step to step.

What a thread works on stays in its own cache, and nothing is waited for between the operations of a step. A net's numbers do
not depend on the number of threads, nor on which nets there are besides it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dropnorm.kernels import blas
from dropnorm.kernels.cpu import ACTIVATION_NUMBERS
from dropnorm.kernels.instruction_sets import kernels


@dataclass(frozen=True)
class DenseLayer:
    """A layer of every net, h = dropout(activation(batch_norm(x W))) or dropout(activation(x W + b)); the last is x W + b.

    Shape:       weight (nets, inputs, outputs), everything else (nets, outputs)
    """

    weight: Tensor
    bias: Tensor | None = None
    norm_weight: Tensor | None = None
    norm_bias: Tensor | None = None
    running_mean: Tensor | None = None
    running_var: Tensor | None = None

    @property
    def trained(self) -> tuple[Tensor | None, ...]:
        """What training changes by gradients."""
        return self.weight, self.bias, self.norm_weight, self.norm_bias


@dataclass(frozen=True)
class DenseNets:
    """Nets of one shape: their layers, and what each net drops, decays and limits.

    Equation:    before a step W <- (1 - learning rate * decay) W; after it, the norm of what leads into a hidden unit is
                 scaled down to largest_norm, which is infinite where nothing is
    """

    layers: Sequence[DenseLayer]
    rates: Sequence[Sequence[float]]  # of each hidden layer, of each net; the layer's number is its masks' site
    input_rates: Sequence[float]
    input_site: int
    decays: Sequence[float]
    largest_norms: Sequence[float]
    activation: str
    negative_slope: float
    eps: float
    momentum: float


@dataclass(frozen=True)
class DenseData:
    """A table as `training.gather` takes it, the seed of each net, and targets: classes (rows,) or quantities (seeds, rows).

    Shape:       class_weights (seeds, outputs), float32: what a row of each class counts in the loss; None where all do alike
    """

    base: Tensor
    factor: Tensor
    shift: Tensor
    farthest: float
    seeds: Tensor
    targets: Tensor
    class_weights: Tensor | None = None


@dataclass(frozen=True)
class AdamState:
    """Adam's moments of what each layer trains, in the order of `DenseLayer.trained`."""

    means: Sequence[Sequence[Tensor | None]]
    squares: Sequence[Sequence[Tensor | None]]


class DenseKernel:
    """Training steps and outputs of dense nets, in place."""

    def __init__(self, call: Any) -> None:
        self._call = call

    @classmethod
    def of(cls, nets: DenseNets, data: DenseData, adam: AdamState | None = None) -> "DenseKernel | None":
        """None where there are no native kernels, or none for these nets and data; without moments, for outputs alone."""
        native, products = kernels(), blas.addresses()
        if native is None or products is None or nets.activation not in ACTIVATION_NUMBERS:
            return None
        call = native.dense(
            products,
            ACTIVATION_NUMBERS[nets.activation],
            nets.negative_slope,
            nets.eps,
            nets.momentum,
            [[*layer.trained, layer.running_mean, layer.running_var] for layer in nets.layers],
            adam.means if adam else [],
            adam.squares if adam else [],
            nets.rates,
            nets.input_rates,
            nets.input_site,
            nets.decays,
            nets.largest_norms,
        )
        if call is None or not call.read(
            data.base, data.factor, data.shift, data.farthest, data.seeds, data.targets, data.class_weights
        ):
            return None
        return cls(call)

    def train(
        self,
        order: Tensor,
        keys: Tensor,
        first: int,
        learning_rates: Sequence[float],
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        """Steps of Adam on mean loss, cross-entropy or squared error, the first of which is Adam's `first`-th, from 1.

        Shape:       order (nets, steps * batch) of rows, keys (nets, steps) of the masks, learning_rates (nets,)
        """
        if not self._call.train(order, keys, first, learning_rates, *betas, eps, torch.get_num_threads()):
            raise IndexError(
                f"order {tuple(order.shape)}, keys {tuple(keys.shape)} and {len(learning_rates)} learning rates are no "
                f"training steps of these nets: expected rows of the table (nets, steps * batch) and keys (nets, steps), both "
                f"int64, a learning rate for each net, and nets made with Adam's moments."
            )

    def outputs(self, rows: Tensor, width: int) -> Tensor:
        """Outputs (nets, count, width) of rows (nets, count) in inference mode: no dropout, running statistics."""
        outputs = torch.empty(*rows.shape, width)
        if not self._call.evaluate(rows, outputs, torch.get_num_threads()):
            raise IndexError(
                f"rows {tuple(rows.shape)} are not of this table: expected its int64 numbers (nets, count)."
            )
        return outputs
