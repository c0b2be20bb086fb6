"""Mean and variance of channels over many batches, each value weighing the same."""

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
