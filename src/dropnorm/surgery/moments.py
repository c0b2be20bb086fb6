"""Mean and variance of channels over many batches, each value weighing the same."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor


class Moments:
    """Counts, means and sums of squared deviations in float64, joined batch by batch.

    Source:      Chan, Golub & LeVeque 1983, "Algorithms for computing the sample variance", equation 2.1b
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(())
        self.squares = torch.zeros(())

    def add(self, count: int, mean: Tensor, var: Tensor) -> None:
        """Join a batch of so many values per channel, with its biased variance."""
        if not count:
            return
        mean, squares = mean.double().cpu(), var.double().cpu() * count
        if not self.count:
            self.count, self.mean, self.squares = count, mean, squares
            return
        total = self.count + count
        delta = mean - self.mean
        self.squares = self.squares + squares + delta.square() * (self.count * count / total)
        self.mean = self.mean + delta * (count / total)
        self.count = total

    def add_values(self, x: Tensor) -> None:
        """Join the values of (N, C, *), in float64."""
        if x.numel():
            var, mean = torch.var_mean(x.detach().double(), [0, *range(2, x.ndim)], correction=0)
            self.add(x.numel() // x.shape[1], mean, var)

    @property
    def var(self) -> Tensor:
        """The biased variance."""
        return self.squares / max(1, self.count)


class Statistics(Protocol):
    """The batch norms of a model, in whichever framework, whose running statistics can be measured and moved."""

    @property
    def norms(self) -> Mapping[str, Any]:
        """The batch norms by their paths."""

    def kept(self) -> AbstractContextManager[None]:
        """A context in which the model runs in inference mode, and after which all is as it was."""

    def batches(self, given: Any) -> Iterable[Any]:
        """What is gone through several times.

        Raises:      ArgumentTypeError for what can be gone through only once.
        """

    def measure(
        self, paths: Sequence[str], batches: Iterable[Any], levels: dict[str, int] | None = None
    ) -> tuple[dict[str, Moments], int, int]:
        """Moments of what comes to these batch norms, and how many rows and batches there are.

        Levels, if given, are raised to how many batch norms come before each.
        """

    def move(self, path: str, moments: Moments, momentum: float) -> None:
        """Move the running statistics towards the moments."""

    def count(self, path: str, batches: int) -> None:
        """Note how many batches were learned from, if the layer wants to know."""

    def current(self, path: str) -> tuple[Tensor, Tensor]:
        """The running mean, and the running variance with epsilon."""

    def epsilon(self, path: str) -> float:
        """What is added to the variance."""
