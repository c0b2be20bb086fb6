"""What the trainer of a block asks of nets of any kind, and of what trains them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from dropnorm.study.data.parts import Parts
from dropnorm.study.design import NetPlan
from dropnorm.study.nets.objective import Objective


class Nets(Protocol):
    """The nets of a block, whose tensors have a leading dimension for the net."""

    def of(self, plans: Sequence[NetPlan], tensors: dict[str, Tensor]) -> "Nets":
        """Nets of the same kind with these tensors."""

    def tensors(self) -> dict[str, Tensor]:
        """Everything that makes the nets."""


class DifferentiableNets(Nets, Protocol):
    """Nets whose gradients are asked for, and whose parameters Adam changes from outside."""

    parameters: dict[str, Tensor]

    def gradients(self, x: Tensor, keys: Tensor, of_outputs: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """One training pass: the gradient of each parameter."""

    def outputs(self, x: Tensor) -> Tensor:
        """Outputs in inference mode."""

    def decay(self, learning_rates: Sequence[float]) -> None:
        """Shrink the weights before a step."""

    def constrain(self) -> None:
        """Limit the weights after a step."""


class Optimizer(Protocol):
    """What changes the nets at each step."""

    @property
    def moments(self) -> Mapping[str, Mapping[str, Tensor]]:
        """All that it remembers from step to step, by kind and name, with a leading dimension for the net."""

    def slow_down(self, nets: Tensor, share: float) -> None:
        """Let some nets, by truth values (nets,), learn at a share of their rates."""


class Steps(Protocol):
    """Training and outputs of nets on rows of the data."""

    def train(self, order: Tensor, keys: Tensor) -> None:
        """Steps on the batches of order (nets, steps * batch), with masks from keys (nets, steps)."""

    def outputs(self, rows: Tensor) -> Tensor:
        """Outputs (nets, count, outputs) of rows (nets, count) in inference mode."""


class Kind(Protocol):
    """How a study trains the nets of an architecture; one for each study, which it may keep things for."""

    largest: int  # how many numbers a row is at its largest inside a net
    together: int  # at most so many nets train as one block
    framework: str | None  # Keras's version and backend, where it trains

    def initial(self, plans: Sequence[NetPlan], device: torch.device | str) -> Nets:
        """The nets of a block before training."""

    def optimizer(
        self,
        nets: Any,
        learning_rates: Sequence[float],
        moments: Mapping[str, Mapping[str, Tensor]] | None,
        steps: int,
    ) -> Optimizer:
        """What trains these nets, each at its own learning rate, anew, or after so many steps with what it remembered."""

    def steps(
        self, nets: Any, parts: Parts, seeds: Tensor, objective: Objective, optimizer: Any | None = None
    ) -> Steps:
        """The steps of these nets on these data; without an optimizer, for their outputs alone."""
