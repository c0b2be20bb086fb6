"""How the nets of a block are trained on batches, and their outputs computed: as native calls where that can be."""

from collections.abc import Mapping, Sequence
from functools import partial

from torch import Tensor

from dropnorm.kernels.dense import AdamState, DenseData, DenseKernel, DenseLayer, DenseNets
from dropnorm.study.data.parts import Parts
from dropnorm.study.data.standardization import FARTHEST
from dropnorm.study.nets.batched import INPUT_SITE, MOMENTUM, BatchedNets
from dropnorm.study.nets.dense import EPS, NEGATIVE_SLOPE
from dropnorm.study.nets.objective import Objective
from dropnorm.study.training.adam import BETAS, MOMENTS, Adam
from dropnorm.study.training.adam import EPS as ADAM_EPS
from dropnorm.study.training.protocols import DifferentiableNets, Steps

_TRAINED = ("linear.weight", "linear.bias", "norm.weight", "norm.bias")
_TRACKED = ("norm.running_mean", "norm.running_var")
_MULTIPLICATIONS_AT_ONCE = 10**10  # well under a second, after which an interruption is heard


def steps_of(
    nets: DifferentiableNets, parts: Parts, seeds: Tensor, objective: Objective, adam: Adam | None = None
) -> Steps:
    """The fastest that these nets can have; without Adam, for their outputs alone."""
    native = NativeSteps.of(nets, parts, seeds, adam) if isinstance(nets, BatchedNets) else None
    return native or TorchSteps(nets, parts, seeds, objective, adam)


class TorchSteps:
    """Operation by operation, for all nets at once."""

    def __init__(
        self, nets: DifferentiableNets, parts: Parts, seeds: Tensor, objective: Objective, adam: Adam | None
    ) -> None:
        self.nets, self.parts, self.seeds, self.objective, self.adam = nets, parts, seeds, objective, adam

    def train(self, order: Tensor, keys: Tensor) -> None:
        """A step on each batch."""
        assert self.adam is not None
        for rows, key in zip(order.chunk(keys.shape[1], dim=1), keys.unbind(1), strict=True):
            x, y = self.parts.take(self.seeds, rows)
            weights = self.parts.take_weights(self.seeds, y)
            gradients = self.nets.gradients(x, key, partial(self._gradient, targets=y, weights=weights))
            self.nets.decay(self.adam.learning_rates)
            self.adam.step(gradients)
            self.nets.constrain()

    def outputs(self, rows: Tensor) -> Tensor:
        """Of all rows at once."""
        return self.nets.outputs(self.parts.features.take(self.seeds, rows))

    def _gradient(self, outputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """The gradient of each net's mean loss, its rows weighted."""
        gradient = self.objective.gradient(outputs, targets)
        return gradient if weights is None else gradient.mul_(weights[..., None])


class NativeSteps:
    """Whole steps of dense nets, each net by itself."""

    def __init__(self, kernel: DenseKernel, nets: BatchedNets, adam: Adam | None) -> None:
        self.kernel, self.nets, self.adam = kernel, nets, adam

    @classmethod
    def of(cls, nets: BatchedNets, parts: Parts, seeds: Tensor, adam: Adam | None) -> "NativeSteps | None":
        """None for nets that are not dense, or that there is no native kernel for."""
        if nets.convolutions:
            return None
        features = parts.features
        data = DenseData(
            features.base, features.factor, features.shift, FARTHEST, seeds, parts.targets, parts.class_weights
        )
        moments = AdamState(*(_by_layer(nets, adam.moments[moment], _TRAINED) for moment in MOMENTS)) if adam else None
        kernel = DenseKernel.of(_dense_nets(nets), data, moments)
        return None if kernel is None else cls(kernel, nets, adam)

    def train(self, order: Tensor, keys: Tensor) -> None:
        """As many steps in one call as an interruption can wait for."""
        assert self.adam is not None
        steps = keys.shape[1]
        batch = order.shape[1] // steps
        multiplications = 3 * self.nets.nets * batch * self.nets.architecture.parameters
        at_once = max(1, _MULTIPLICATIONS_AT_ONCE // multiplications)
        for first in range(0, steps, at_once):
            of_steps = keys[:, first : first + at_once]
            rows = order[:, first * batch : (first + at_once) * batch]
            self.kernel.train(rows, of_steps, self.adam.steps + 1, self.adam.learning_rates, BETAS, ADAM_EPS)
            self.adam.steps += of_steps.shape[1]

    def outputs(self, rows: Tensor) -> Tensor:
        """Of all rows at once."""
        return self.kernel.outputs(rows, self.nets.architecture.outputs)


def _dense_nets(nets: BatchedNets) -> DenseNets:
    return DenseNets(
        layers=[
            DenseLayer(weight, *others)
            for weight, *others in _by_layer(nets, nets.tensors(), (*_TRAINED, *_TRACKED))
            if weight is not None
        ],
        rates=nets.rates,
        input_rates=nets.input_rates,
        input_site=INPUT_SITE,
        decays=nets.decays,
        largest_norms=nets.largest_norms,
        activation=nets.architecture.activation,
        negative_slope=NEGATIVE_SLOPE,
        eps=EPS,
        momentum=MOMENTUM,
    )


def _by_layer(nets: BatchedNets, tensors: Mapping[str, Tensor], names: Sequence[str]) -> list[list[Tensor | None]]:
    return [[tensors.get(f"{layer}.{name}") for name in names] for layer in range(nets.hidden_layers + 1)]
